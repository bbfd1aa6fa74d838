"""Back-patching: a late state written into an earlier layer (Biran et al., arXiv 2406.12775).

If hop one is resolved too late for the blocks that do hop two, then giving these blocks its result
earlier must help. For every l_from > l_to and position p:

1. S[l_to, p] of an example's own run is replaced by S[l_from, p] of the same run, and the blocks
   from l_to on are recomputed (`circuits.patching.batched_runs`).
2. The placebo writes S[l_from, p] of another, randomly drawn example instead. A patch that merely
   disturbs the model mends no more wrong answers than the placebo does.
3. `mended` is the share of wrong answers that become right, `broken` the share of right answers
   that become wrong. Both are stored, because mending at the cost of breaking is not a gain.

How to read: A cell is the share of wrong answers that become right if the state of layer l_from is
written into layer l_to; what counts is its distance to the same cell of the placebo, and to
`broken`. Mending at relation_1 says that the bridge was resolved too late for hop two.

What misleads: Where nearly all answers are right, few wrong ones remain to be mended (6 in the
demo's ID test): look at n. An early block that gets a late state also gives the question more
blocks to work with, so a mended answer does not prove that timing was the cause. The best of many
cells is high by chance alone.
"""

from __future__ import annotations

import numpy as np
import torch
import xarray as xr
from jaxtyping import Bool, Float, Int
from torch import Tensor

from analyses.estimates import Variables, estimated
from analyses.options.common import AnalysisOptions as Options
from analyses.questions.examples import Examples
from circuits.model.protocol import Model
from circuits.patching.batched_runs import run_batch
from circuits.patching.engines import engine_for, traced

SOURCES = ("late_state", "placebo")


@torch.no_grad()
def run(model: Model, examples: Examples, options: Options) -> xr.Dataset:
    """Share of answers mended and broken by every back-patch, with a placebo.

    Returns:
        mended, broken (source, layer_from, layer_to, position) with intervals and numbers of
        examples, NaN where layer_from <= layer_to; right_example (example) and
        right_after_example (example, ...): whether the answer is right before and after patching.
    """
    queries = examples.queries
    n, positions = len(queries), list(queries.positions)
    engine = engine_for(model)
    base = traced(engine, queries)
    answer = queries.answer.to(model.device)
    right = (engine.logits(base.resid[-1][:, -1]).argmax(-1) == answer).cpu().numpy()
    donors = torch.from_numpy(_derangement(n, options.seed)).to(model.device)
    depth = model.depth
    after = np.full((n, len(SOURCES), depth, depth, len(positions)), -1, np.int8)
    for p in range(len(positions)):
        entering = {to: _entering(base.resid, to, p, donors) for to in range(depth)}
        for to, logits in run_batch(engine, base, p, entering).items():
            hit = (logits.argmax(-1) == answer).cpu().numpy().reshape(depth - to, len(SOURCES), n)
            after[:, :, to:, to, p] = hit.transpose(2, 1, 0)
    variables: Variables = {}
    dims = ("source", "layer_from", "layer_to", "position")
    for name, values, words in (
        ("mended", _among(~right, after == 1, after), "wrong answers that become right"),
        ("broken", _among(right, after == 0, after), "right answers that become wrong"),
    ):
        variables |= estimated(name, values, dims, words, shares=True, keep=False)
    kept = {"long_name": "answer right: 1 yes, 0 no, -1 no such patch"}
    variables["right_example"] = (("example",), right.astype(np.int8), kept)
    variables["right_after_example"] = (("example", *dims), after, kept)
    coords = {
        "source": list(SOURCES),
        "layer_from": np.arange(1, depth + 1),
        "layer_to": np.arange(depth),
        "position": positions,
    }
    return xr.Dataset(variables, coords)


def _entering(
    resid: Float[Tensor, "layer n pos d_model"],
    to: int,
    position: int,
    donors: Int[Tensor, " n"],
) -> Float[Tensor, "cells n 1 d_model"]:
    """What is written over S[to, position]: for each l_from the own state, then a donor's."""
    late = resid[to + 1 :, :, position]
    return torch.stack([late, late[:, donors]], 1).flatten(0, 1).unsqueeze(2)


def _among(
    rows: Bool[np.ndarray, " n"], hit: np.ndarray, after: np.ndarray
) -> Float[np.ndarray, "n ..."]:
    """`hit` for the examples in `rows`; NaN for all others and where no patch exists."""
    values = hit.astype(np.float32)
    values[~rows] = np.nan
    values[after < 0] = np.nan
    return values


def _derangement(n: int, seed: int) -> Int[np.ndarray, " n"]:
    """A random donor for each example, never the example itself (unless it is the only one)."""
    order = np.random.default_rng([seed, 4]).permutation(n)
    donors = np.empty(n, np.int64)
    donors[order] = np.roll(order, 1)
    return donors
