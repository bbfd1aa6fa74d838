"""Whole names after a patch equal names that are decoded one by one."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import torch
from hand_wired import random_corpus
from slow_patching import assert_close, model_with
from worded import N_TOKENS, worded

from analyses.interventions.whole_names import WholeNames
from circuits import HookedTransformer
from circuits.corpus.queries import Queries
from circuits.corpus.role_spans import role_spans
from circuits.patching.engines import engine_for, traced
from circuits.patching.role_trace import RoleTrace

END, N = 4, 10


@cache
def _model() -> HookedTransformer:
    return model_with(n_layers=2, n_ctx=30, d_vocab=N_TOKENS, init_range=0.4)


def _decoded(tokens: list[int], hooks: Any, longest: int = 4) -> list[int]:
    """The greedy answer, end included."""
    found: list[int] = []
    while len(found) < longest and found[-1:] != [END]:
        logits = _model().run_with_hooks(torch.tensor([tokens + found]), fwd_hooks=hooks)
        found.append(int(logits[0, -1].argmax()))
    return found


def _log_p(tokens: list[int], name: tuple[int, ...], hooks: Any) -> float:
    logits = _model().run_with_hooks(torch.tensor([[*tokens, *name]]), fwd_hooks=hooks)
    log_p = logits[0].log_softmax(-1)[len(tokens) - 1 : -1]
    return log_p[torch.arange(len(name)), torch.tensor(name)].sum().item()


@cache
def _questions() -> tuple[Queries, Queries]:
    """Questions, half of which have the model's own decoded answer as the name asked for."""
    queries = worded(random_corpus(30, 4).queries("train_inferred")[:N])
    assert queries.names is not None
    table = queries.names.token_ids.copy()
    for row in range(0, N, 2):
        own = _decoded(list(queries[row].tokens), [])[:-1][: table.shape[1]] or [5]
        table[queries.answer_ids[row]] = [*own, *[-1] * (table.shape[1] - len(own))]
    queries = replace(queries, names=replace(queries.names, token_ids=table, end=END))
    return queries, queries.asking(np.roll(queries.asked_ids, 1, 0))


def test_a_name_counts_if_greedy_decoding_gives_it_end_included() -> None:
    queries, donors = _questions()
    engine = engine_for(_model())
    base, given = traced(engine, queries, "through"), traced(engine, donors, "through")
    whole = WholeNames.of(engine, queries, base, queries.answer_ids)
    assert whole is not None
    assert isinstance(given, RoleTrace)
    exact, log_p = whole.after(given, 0, (0, 1))[1]
    alone, alone_log_p = whole.unpatched()
    name = "blocks.1.hook_resid_pre"
    ours, theirs = (role_spans(q, "through") for q in (queries, donors))
    for row in range(N):
        _, cache_ = _model().run_with_cache(torch.tensor([donors[row].tokens]))
        (b0, b1), (c0, c1) = ours[row, 0], theirs[row, 0]

        def write(x: Any, hook: Any, new: Any = cache_[name], b0=b0, b1=b1, c0=c0, c1=c1) -> Any:  # type: ignore[no-untyped-def]
            x = x.clone()
            for at in range(b0, b1):
                x[:, at] = new[:, max(c0, c1 - (b1 - at))]
            return x

        closed = queries.names.closed(int(queries.answer_ids[row]))  # type: ignore[union-attr]
        tokens, hooks = list(queries[row].tokens), [(name, write)]
        assert exact[0, row] == (_decoded(tokens, hooks) == list(closed))
        assert alone[row] == (_decoded(tokens, []) == list(closed))
        assert_close(log_p[0, row], _log_p(tokens, closed, hooks))
        assert_close(alone_log_p[row], _log_p(tokens, closed, []))
    assert 0 < exact.sum() < N
    assert 0 < alone.sum() < N


def test_a_question_without_a_name_counts_as_nothing_asked() -> None:
    queries, donors = _questions()
    engine = engine_for(_model())
    base, given = traced(engine, queries), traced(engine, donors)
    whole = WholeNames.of(engine, queries, base, np.where(np.arange(N) == 3, 7, -1))
    assert whole is not None
    assert isinstance(given, RoleTrace)
    log_p = whole.after(given, 0, (1,))[1][1][0]
    assert (np.flatnonzero(log_p) == [3]).all()
