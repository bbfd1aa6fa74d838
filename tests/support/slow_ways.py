"""By which way right answers come about, one question at a time (`app.results.routes`), and on what
it depends whether an answer follows a swapped bridge."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from slow_headlines import SlowRun
from slow_shortcuts import answerers, best_accuracy

from circuits.corpus.names import ID_TEST, TRAIN

WAYS = ("route only", "either", "another way only", "neither alone")
FOLLOWS, SHORTCUT, ALL, COUNT, DONORS = "follows a swapped bridge", "shortcut", "all", "n", "donors"


def way(alone: bool, without: bool) -> str:
    """The way of an answer that is right with the route alone or not, and without it or not.

    >>> way(True, False), way(True, True), way(False, True), way(False, False)
    ('route only', 'either', 'another way only', 'neither alone')
    """
    if alone:
        return "either" if without else "route only"
    return "another way only" if without else "neither alone"


def shares(paths: Sequence[Path], n: int) -> dict[str, dict[str, float]]:
    """By second relation, and over all: how many answers, the share that comes each way, that the
    best shortcut gives, too, and that follows a swapped bridge (of those with a donor)."""
    counts: dict[str, Counter[str]] = {}
    for path in paths:
        run = SlowRun(path, n)
        for relation, found in _answers(run):
            for group in (relation, ALL):
                counts.setdefault(group, Counter()).update(found)
    return {name: _of_counts(found) for name, found in counts.items()}


def _of_counts(found: Counter[str]) -> dict[str, float]:
    return {
        COUNT: found[COUNT],
        **{kind: found[kind] / found[COUNT] for kind in (*WAYS, SHORTCUT)},
        **{known(kind): found[known(kind)] / max(found[kind], 1) for kind in WAYS},
        FOLLOWS: found[FOLLOWS] / max(found[DONORS], 1),
    }


def known(kind: str) -> str:
    """Name of the share of the answers that come this way that an answerer gives, too."""
    return f"{kind}, known to a shortcut"


def _answers(run: SlowRun) -> Iterator[tuple[str, dict[str, int]]]:
    """The second relation of each right answer, and what is true of it."""
    every = answerers(run.run)
    best = best_accuracy(run.run)[0]
    asked, w = run.questions(), run.weights(run.last)
    alone, without = (run.right_when_cut(run.last, asked, False, cut) for cut in (False, True))
    donors = {tuple(q): (donor, leads_to) for q, donor, leads_to in run.with_donors(ID_TEST)}
    for q, (right, by_route), (_, otherwise) in zip(asked, alone, without, strict=True):
        if not right:
            continue
        kind, answer, asked_so = way(by_route, otherwise), run.rightly(q), tuple(q.tolist())
        found = {COUNT: 1, kind: 1, SHORTCUT: int(every[best](asked_so) == answer)}
        found[known(kind)] = int(any(guess(asked_so) == answer for guess in every.values()))
        if tuple(q) in donors:
            donor, leads_to = donors[tuple(q)]
            found |= {DONORS: 1, FOLLOWS: int(run.swapped(w, q, donor) == leads_to)}
        yield run.run.vocab.name(int(q[2])), found


def following_by_donor(run: SlowRun, questions: int = 5, bridges: int = 8) -> dict[str, float]:
    """Shares of the variance of following that go by question, by the donor's bridge, and by the
    donor's first hop among those to the same bridge; the rest is of single pairs.

    For each second relation some bridges with three first hops each are written into some
    questions. Components are those of a nested analysis of variance (method of moments).
    """
    w, rng = run.weights(run.last), np.random.default_rng(9)
    follows = []  # [bridge with relation 2, question, first hop]
    for r2, asked in _by_second_relation(run, questions).items():
        for bridge, hops in _bridges(run, r2, bridges, rng):
            to = run.facts[bridge, r2]
            if to in (run.rightly(q) for q in asked):
                continue
            donors = [np.array([h, r1, r2]) for h, r1 in hops]
            follows.append([[run.swapped(w, q, d) == to for d in donors] for q in asked])
    return _components(np.array(follows, float))


def _by_second_relation(run: SlowRun, questions: int) -> dict[int, list[np.ndarray]]:
    found: dict[int, list[np.ndarray]] = {}
    for question in run.questions(n=10_000):
        found.setdefault(int(question[2]), []).append(question)
    return {r2: asked[:questions] for r2, asked in found.items() if len(asked) >= questions}


def _bridges(
    run: SlowRun, r2: int, most: int, rng: np.random.Generator
) -> list[tuple[int, list[tuple[int, int]]]]:
    """Bridges to which a relation applies, with three first hops that lead there."""
    hops: dict[int, list[tuple[int, int]]] = {}
    for h, r1 in sorted({(int(q[0]), int(q[1])) for q in run.questions(TRAIN, n=100_000)}):
        hops.setdefault(run.facts[h, r1], []).append((h, r1))
    usable = [b for b in hops if (b, r2) in run.facts and len(hops[b]) >= 3]
    chosen = [usable[i] for i in rng.permutation(len(usable))[:most]]
    return [(b, [hops[b][i] for i in rng.permutation(len(hops[b]))[:3]]) for b in chosen]


def _components(follows: np.ndarray) -> dict[str, float]:
    """Of [bridge, question, first hop]: question and first hop are nested in bridge."""
    _, q, k = follows.shape
    cell = follows.mean((1, 2))
    by_question, by_hop = follows.mean(2) - cell[:, None], follows.mean(1) - cell[:, None]
    rest = follows - follows.mean(2, keepdims=True) - follows.mean(1, keepdims=True)
    rest = float(((rest + cell[:, None, None]) ** 2).sum((1, 2)).mean() / ((q - 1) * (k - 1)))
    question = max(float((by_question**2).sum(1).mean() / (q - 1)) - rest / k, 0.0)
    hop = max(float((by_hop**2).sum(1).mean() / (k - 1)) - rest / q, 0.0)
    bridge = max(float(cell.var(ddof=1)) - question / q - hop / k - rest / (q * k), 0.0)
    total = question + hop + bridge + rest
    return {
        FOLLOWS: float(follows.mean()),
        "question": question / total,
        "bridge": bridge / total,
        "first hop": hop / total,
    }
