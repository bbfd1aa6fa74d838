"""Attention knockout: which position must read which (Geva et al., arXiv 2304.14767, section 5).

An edge is a pair of positions: `from` is read, `to` reads. A window is a row of blocks.

1. The edge is cut in every head of the window's blocks: the score of `to` for `from` is set to -inf
   before the softmax, so that the pattern is 0 there and the rest of it still adds up to 1. All
   other positions and blocks compute as ever, from what the cut leaves them. A position that has
   nothing left to read (the first one, cut from itself) gets no values; the bias b_O remains.
2. Windows are all blocks at once, and every row of `width` blocks. The paper's rows are 9 of 48
   blocks wide; here a block counts for more.
3. An answer is lost if it was right and is wrong after the cut. `changed` also counts wrong answers
   that turn into others. `probability_change` is the paper's measure, (p' - p) / p for the right
   token, over the answers that were right.
4. In sentences an edge is cut between all tokens of two roles, by default with those that follow
   each up to the next role (`span`). A question in which no token of `from` stands before one of
   `to` has no such edge. Answers are told by their first token.
5. Zero by construction (`usable` = 0): a cut in the last block changes S[depth, to], which nothing
   reads unless `to` is the last position (`analyses.usable`). Edges from a later to an
   earlier position do not exist (NaN).

Attention is causal, so an edge into relation_1 is also an edge of the atomic question (h, r1): its
cut says that the bridge is looked up there, not that it is used. What tells composition is the edge
from relation_1 to a later position.

How to read: A cell is the share of right answers lost if one position cannot read another. A model
that composes loses them when relation_1 cannot read the subject early, and when the last position
cannot read relation_1 in a later block.

What misleads: A cut takes everything that would have travelled, not the bridge alone, and the
attention that is left adds up to 1 again, so the reading position also gets more of the others.
Edges into relation_1 are about the atomic fact. An edge that nothing is lost without may have a
substitute in another block: compare the cut in all blocks with those of single ones.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
import xarray as xr
from jaxtyping import Bool, Float, Int
from torch import Tensor

from analyses.estimates import Variables, estimated
from analyses.options.interventions import AttentionKnockoutOptions as Options
from analyses.questions.examples import Examples
from analyses.usable import usable_states
from circuits.model.protocol import Model
from circuits.patching.batched_runs import run_batch
from circuits.patching.cut_runs import between, cut_run
from circuits.patching.engine import PatchEngine, Trace
from circuits.patching.engines import Engine, engine_for, traced
from circuits.patching.hooked_cut import hooked_cut_run, in_roles
from circuits.patching.hooked_engine import HookedEngine
from circuits.patching.role_trace import RoleTrace

OUTCOMES = ("stays right", "lost", "gained", "stays wrong", "wrong in another way")
"""What a cut can do to an answer; `outcome_example` is an index into it, -1 where no edge is."""
DIMS = ("window", "from", "to")


@torch.no_grad()
def run(model: Model, examples: Examples, options: Options) -> xr.Dataset:
    """Answers lost and changed by each cut edge of attention.

    Returns:
        accuracy, changed, lost, probability_change (window, from, to) with intervals and numbers
        of examples; whole_accuracy of the uncut model; usable (window, from, to): 0 where a cut
        cannot matter by construction, -1 where there is no edge; outcome_example (example, window,
        from, to), an index into `OUTCOMES`.
    """
    queries = examples.queries
    positions = list(queries.positions)
    engine = engine_for(model)
    base: Any = traced(engine, queries, options.span)
    if isinstance(engine, HookedEngine):
        base = in_roles(base)
    answer = queries.answer.to(model.device)
    before, p_before = _judged(engine.logits(base.resid[-1][:, -1]), answer)
    places = windows(model.depth, options.width)
    cut: Any = _by_role if isinstance(base, RoleTrace) else _by_column
    after, p_after, usable = cut(engine, base, places, answer, (before, p_before))
    variables = _estimates(before, p_before, after, p_after, queries.answer.numpy())
    words = {"long_name": "1: a cut can matter, 0: it cannot, -1: no such edge", "per_step": False}
    variables["usable"] = (DIMS, usable, words)
    return xr.Dataset(variables, {"window": list(places), "from": positions, "to": positions})


Cut = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Answers and probabilities [n, window, from, to] after each cut, and which cuts can matter."""


def _by_column(
    engine: PatchEngine,
    base: Trace,
    places: dict[str, range],
    answer: Int[Tensor, " n"],
    uncut: tuple[np.ndarray, np.ndarray],
) -> Cut:
    shape = (base.n, len(places), base.pos, base.pos)
    after, p_after = np.full(shape, -1), np.full(shape, np.nan)
    usable = _usable(places, engine.depth, base.pos)
    after[:, usable == 0], p_after[:, usable == 0] = (each[:, None] for each in uncut)
    for w, window in enumerate(places.values()):
        for to in np.flatnonzero(usable[w, 0] == 1).tolist():
            top, p = _judged(cut_logits(engine, base, window, to), answer)
            after[:, w, : to + 1, to], p_after[:, w, : to + 1, to] = top.T, p.T
    return after, p_after, usable


def _by_role(
    engine: Engine,
    base: RoleTrace[Any],
    places: dict[str, range],
    answer: Int[Tensor, " n"],
    uncut: tuple[np.ndarray, np.ndarray],
) -> Cut:
    matters = _usable_by_role(places, base, engine.depth)
    run_cut: Any = hooked_cut_run if isinstance(engine, HookedEngine) else cut_run
    before, p_before = (np.broadcast_to(each[:, None, None, None], matters.shape) for each in uncut)
    after, p_after = before.copy(), p_before.copy()
    for w, window in enumerate(places.values()):
        for read, to in np.argwhere((matters[:, w] == 1).any(0)).tolist():
            blocked = dict.fromkeys(window, _edge(base, read, to))
            top, p = _judged(run_cut(engine, base, blocked), answer)
            after[:, w, read, to], p_after[:, w, read, to] = top, p
    after = np.where(matters == 0, before, np.where(matters < 0, -1, after))
    p_after = np.where(matters == 0, p_before, np.where(matters < 0, np.nan, p_after))
    return after, p_after, matters.max(0)


def windows(depth: int, width: int) -> dict[str, range]:
    """Windows by name, every row of `width` blocks and then all blocks.

    >>> windows(3, 2)
    {'blocks 1-2': range(0, 2), 'blocks 2-3': range(1, 3), 'all blocks': range(0, 3)}
    """
    rows = [range(i, i + width) for i in range(depth - width + 1)] if width < depth else []
    names = [f"block {r.stop}" if width == 1 else f"blocks {r.start + 1}-{r.stop}" for r in rows]
    return {**dict(zip(names, rows, strict=True)), "all blocks": range(depth)}


def cut_logits(
    engine: PatchEngine, base: Trace, window: range, to: int
) -> Float[Tensor, "cells n d_vocab"]:
    """Logits at the last position, with `to` kept from reading one position in these blocks.

    Args:
        engine: The one that made the trace.
        base: The uncut runs.
        window: The blocks in which the edge is cut.
        to: Position that reads; cell k is cut from position k <= to.
    """
    first, *others = window
    x = _after_first_cut(engine, base, first, to)
    if others:  # later blocks change the positions that read this one, too
        after = base.resid[first + 1][:, to + 1 :].expand(to + 1, -1, -1, -1)
        x = torch.cat([x, after], 2)
    for i in others:
        q, k, v = engine.qkv(i, x)
        keys, values = (
            torch.cat([past[i][:, :to].expand(to + 1, -1, -1, -1, -1), new], 2)
            for past, new in ((base.k, k), (base.v, v))
        )
        x = engine.rest_of_block(i, x, _attend_cut(q, keys, values, to))
    return run_batch(engine, base, to, {window.stop: x})[window.stop]


def _after_first_cut(
    engine: PatchEngine, base: Trace, i: int, to: int
) -> Float[Tensor, "cells n 1 d_model"]:
    """S[i + 1, to] after the first block of a window, the only state that differs there."""
    x, q = (
        part[i][:, to : to + 1].expand(to + 1, *[-1] * (part.ndim - 1))
        for part in (base.resid, base.q)
    )
    keys, values = (
        part[i][:, : to + 1].expand(to + 1, -1, -1, -1, -1) for part in (base.k, base.v)
    )
    return engine.rest_of_block(i, x, _attend_cut(q, keys, values, to))


def _attend_cut(
    q: Float[Tensor, "cells n query n_heads d_head"],
    keys: Float[Tensor, "cells n pos n_heads d_head"],
    values: Float[Tensor, "cells n pos n_heads d_head"],
    to: int,
) -> Float[Tensor, "cells n query n_heads d_head"]:
    """Attention from position `to` on; in cell k, `to` does not see position k."""
    scores = torch.einsum("cnqhd,cnkhd->cnhqk", q, keys) / math.sqrt(q.shape[-1])
    unseen = torch.ones(scores.shape[-2:], dtype=torch.bool, device=q.device).triu(to + 1)
    scores = scores.masked_fill(unseen, -torch.inf)
    cells = torch.arange(to + 1, device=q.device)
    scores[cells, :, :, 0, cells] = -torch.inf
    pattern = scores.softmax(-1).nan_to_num()  # nothing left to read
    return torch.einsum("cnhqk,cnkhd->cnqhd", pattern, values)


def _judged(
    logits: Float[Tensor, "*cells n d_vocab"], answer: Int[Tensor, " n"]
) -> tuple[Int[np.ndarray, "*cells n"], Float[np.ndarray, "*cells n"]]:
    """Top token, and probability of the answer."""
    own = logits.gather(-1, answer.expand(logits.shape[:-1])[..., None])[..., 0]
    probability = (own - logits.logsumexp(-1)).exp()
    return logits.argmax(-1).cpu().numpy(), probability.double().cpu().numpy()


def _estimates(
    before: Int[np.ndarray, " n"],
    p_before: Float[np.ndarray, " n"],
    after: Int[np.ndarray, "n window from to"],
    p_after: Float[np.ndarray, "n window from to"],
    answer: Int[np.ndarray, " n"],
) -> Variables:
    each = (..., *[None] * 3)
    before, p_before, answer = before[each], p_before[each], answer[each]
    edge, was, now = after >= 0, before == answer, after == answer
    outcome = np.select(
        [was & now, was & ~now, ~was & now, after == before], [0, 1, 2, 3], default=4
    )
    measured = (
        ("accuracy", now, edge, "accuracy after the cut", True),
        ("changed", after != before, edge, "share of answers that change", True),
        ("lost", ~now, edge & was, "share of right answers that become wrong", True),
        (
            "probability_change", p_after / p_before - 1, edge & was,
            "change of the right answer's probability over what it was, among right answers", False,
        ),
    )  # fmt: skip
    variables: Variables = {}
    for name, values, among, words, shares in measured:
        per_example = np.where(among, values, np.nan)
        variables |= estimated(name, per_example, DIMS, words, shares=shares, keep=False)
    right = np.squeeze(was, (1, 2, 3)).astype(float)
    variables |= estimated(
        "whole_accuracy", right, (), "accuracy without a cut", shares=True, keep=False
    )
    kinds = {"long_name": f"{', '.join(f'{i} {kind}' for i, kind in enumerate(OUTCOMES))}, -1 none"}
    codes = np.where(edge, outcome, -1).astype(np.int8)
    variables["outcome_example"] = (("example", *DIMS), codes, kinds)
    return variables


def _usable(
    places: dict[str, range], depth: int, n_positions: int
) -> Int[np.ndarray, "window from to"]:
    """A cut in block i changes S[i + 1, to] first: does the answer depend on one of these?"""
    states: Bool[np.ndarray, "layer position"] = usable_states(depth, n_positions)
    by_window = np.stack([states[[i + 1 for i in window]].any(0) for window in places.values()])
    edges = np.triu(np.ones((n_positions, n_positions), bool))
    return np.where(edges, by_window[:, None, :].astype(np.int8), np.int8(-1))


def _edge(base: RoleTrace[Any], read: int, to: int) -> Bool[Tensor, "n query key"]:
    """The pairs of tokens by which role `to` reads role `read`."""
    written = base.written
    return between(written[:, to], written[:, read], base.whole.pos)


def _usable_by_role(
    places: dict[str, range], base: RoleTrace[Any], depth: int
) -> Int[np.ndarray, "n window from to"]:
    """`_usable` of every question, in which roles stand in any order."""
    start, end = base.written.cpu().numpy().transpose(2, 0, 1)
    some = start < end
    exists = (start[:, :, None] < end[:, None]) & some[:, :, None] & some[:, None]
    at_end = (end == base.columns[:, -1:].cpu().numpy() + 1)[:, None]
    matters = [at_end | (window.start < depth - 1) for window in places.values()]
    return np.stack([np.where(exists, m, -1).astype(np.int8) for m in matters], 1)
