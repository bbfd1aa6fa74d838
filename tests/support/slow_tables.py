"""The numbers of a run in docs/results/*.csv, computed a second time, by column."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from slow_headlines import SlowRun
from slow_history import dates, effective_bridges, evaluations
from slow_mixing import mixed_in
from slow_shortcuts import asked_of, best_accuracy, beyond

from circuits.corpus.names import ID_TEST, IO_TEST, OI_TEST, OOD_TEST

MOST_OOD = 1000
"""Questions of a split that a certificate asks."""
EXACT = 0
"""Questions behind a number that is not drawn anew."""
Number = tuple[str, float, int]
"""Column, value, and of how many questions."""


def numbers(path: Path, n: int) -> Iterator[Number]:
    """Every number of a run of compositions of which n questions are asked."""
    run = SlowRun(path, n)
    yield from history(run)
    if len(run.run.queries(OOD_TEST)) >= MOST_OOD or not len(run.run.queries(OOD_TEST)):
        return
    yield from _inside(run)
    yield from _out_of_distribution(run)


def history(run: SlowRun) -> Iterator[Number]:
    """Dates, shortcuts and accuracies: what asks all questions and draws nothing."""
    for name, value in dates(run.path).items():
        yield name, value, EXACT
    last = evaluations(run.path)[-1]
    for name, split in (("io", IO_TEST), ("oi", OI_TEST)):
        yield name, last[f"accuracy/{split}"], EXACT
    n_ood = len(asked_of(run.run, OOD_TEST))
    yield "ood_n", n_ood, EXACT
    if run.run.corpus.task == "composition":
        yield "bridges", effective_bridges(run.run), EXACT
        yield "id", run.accuracy(run.last, n=10_000), EXACT
        yield from _beyond(run)
        if n_ood:
            yield "ood", run.accuracy(run.last, OOD_TEST, n=10_000), EXACT
    yield "id_shortcut", best_accuracy(run.run)[1], EXACT
    if n_ood:
        yield "ood_shortcut", best_accuracy(run.run, OOD_TEST)[1], EXACT


def _beyond(run: SlowRun) -> Iterator[Number]:
    w, nobody = run.weights(run.last), beyond(run.run)
    right = [
        run.answers(w, np.array(q)) == answer
        for (q, answer), alone in zip(asked_of(run.run, ID_TEST), nobody, strict=True)
        if alone
    ]
    yield "id_beyond", float(np.mean(right)), EXACT
    yield "id_beyond_n", len(right), EXACT


def _inside(run: SlowRun) -> Iterator[Number]:
    step, at, layer = run.last, run.best_place(run.last), run.best_layer(run.last)
    yield "decoded", run.decoded(step, layer=layer), run.n
    yield "swap", run.swap(step, at=at), run.n
    yield "swap_placebo", run.placebo(step, at), run.n
    right = round(run.n * run.accuracy(step))
    yield "route_mean", run.route(step, interchange=False), right
    yield "route_interchange", run.route(step, interchange=True), right


def _out_of_distribution(run: SlowRun) -> Iterator[Number]:
    step, n = run.last, len(run.run.queries(OOD_TEST))
    at, layer = run.best_place(step), run.best_layer(step)
    yield "ood_decoded", run.decoded(step, OOD_TEST, layer), min(n, run.n)
    yield "ood_swap", run.swap(step, OOD_TEST, at), min(n, run.n)
    right = round(run.accuracy(step, OOD_TEST) * n)
    if right:
        yield "ood_route", run.route(step, interchange=False, split=OOD_TEST), right
    mixed = mixed_in(run)
    yield "ood_mixed", mixed["decoded"], n
    yield "ood_mixed_random", mixed["random"], n
