"""Causal tracing of the comparison task (*Grokked Transformers*, arXiv 2405.15071, section 4).

1. A question (attribute, entity 1, entity 2) is corrupted at one position, so that its label
   changes. The replacement is drawn uniformly:

   | position  | replacement                                                                       |
   |-----------|-----------------------------------------------------------------------------------|
   | attribute | another compared attribute for which both entities have a value                   |
   | entity_1  | an entity, ID for the attribute, whose value is v2 (if v1 = v2: the next value up |
   |           | or down; if values have no order, any other value)                                |
   | entity_2  | the same with v1                                                                  |

   The example seeds the draw, so a corruption is the same at every checkpoint.
2. The clean run's state S[l, position] is overwritten by its value in the corrupted run, and later
   blocks are recomputed.
3. `strength` is the share of patched runs whose top token is not the label. `changed` is the share
   whose top token is not that of the clean run. (Before the model answers well, `strength` is high
   without any effect.) `probability_drop` is the fall of the label's probability.

A mark after a name (imported runs have them) is replaced together with it, as in the paper: its
state is written with the name's, and the mark's own place in the result is NaN.

What differs from the paper: several corruptions are drawn per example, each with a label that
really differs, and runs of ours have no marks (see `circuits.corpus.comparison`).

True by construction, as in causal tracing: layer 0 is replacing the token, and the last layer has
no effect before the last position and all of it there.

How to read: Strength at an entity's own position in the middle layers says that its value is still
read from there; in the generalizing circuit the values are looked up at both entities and compared
at the last position. The subtitle has accuracy without a patch.

What misleads: With a handful of labels a wrong state may still give the right one by chance, so
strength stays below 1 even where everything depends on a state. As in causal tracing, wrong answers
count as strength: read `changed` where accuracy is low. The attribute's layer 0 is the replaced
token.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
import xarray as xr
from jaxtyping import Bool, Float
from torch import Tensor

from analyses.estimates import Variables, estimated
from analyses.options.interventions import ComparisonTracingOptions as Options
from analyses.questions.comparison_corruptions import corruptions
from analyses.questions.examples import Examples
from circuits.corpus.role_names import name_columns
from circuits.model.protocol import Model
from circuits.patching.batched_runs import run_batch
from circuits.patching.engines import AnyTrace, Engine, engine_for, traced


@torch.no_grad()
def run(model: Model, examples: Examples, options: Options) -> xr.Dataset:
    """Share of answers that flip if one state is taken from a corrupted question.

    Returns:
        strength, changed, probability_drop (layer, position) and clean_accuracy (scalar) with
        intervals and numbers of examples; flip_example: the share of each example's corruptions
        that flip its answer.
    """
    queries = examples.queries
    engine = engine_for(model)
    base = traced(engine, queries)
    answer = queries.answer.to(model.device)
    clean = engine.logits(base.resid[-1][:, -1])
    chance = clean.softmax(-1).gather(-1, answer[:, None])[:, 0]
    k, seed = options.n_corruptions, options.seed
    tokens, valid = examples.once((k, seed), lambda: corruptions(examples, k, seed))
    n_layers, n_pos = model.depth + 1, len(queries.positions)
    columns = name_columns(queries.kind, len(queries.named_roles))
    flips, changes, drops = (np.full((len(queries), n_layers, n_pos), np.nan) for _ in range(3))
    right = (clean.argmax(-1) == answer).cpu().numpy()
    for i, (p, end) in enumerate(pairwise([*columns, len(queries.named_roles)])):
        corrupted = [traced(engine, queries.asking(some.numpy())).resid for some in tokens[i]]
        logits = _patched(engine, base, corrupted, slice(p, end))
        index = answer.expand(logits.shape[:-1])
        top = logits.argmax(-1)
        drop = chance - logits.softmax(-1).gather(-1, index[..., None])[..., 0]
        for store, values in (
            (flips, top != index),
            (changes, top != clean.argmax(-1)),
            (drops, drop),
        ):
            store[:, :, p] = _mean_over_valid(values.float().cpu().numpy(), valid[i]).T
    if options.only_right:
        flips[~right] = changes[~right] = drops[~right] = np.nan
    variables = _variables(flips, changes, drops, right)
    coords = {"layer": np.arange(n_layers), "position": list(queries.positions)}
    return xr.Dataset(variables, coords)


def _variables(
    flips: Float[np.ndarray, "n layer position"],
    changes: Float[np.ndarray, "n layer position"],
    drops: Float[np.ndarray, "n layer position"],
    right: Bool[np.ndarray, " n"],
) -> Variables:
    at = ("layer", "position")
    words = {"long_name": "share of the example's corruptions that flip it", "units": "share"}
    variables: Variables = {"flip_example": (("example", *at), flips.astype(np.float32), words)}
    for name, values, dims, text in (
        ("strength", flips, at, "answers that flip"),
        ("changed", changes, at, "answers that are not the clean run's"),
        ("clean_accuracy", right.astype(float), (), "accuracy without a patch"),
    ):
        variables |= estimated(name, values, dims, text, shares=True, keep=False)
    return variables | estimated("probability_drop", drops, at, "fall of the label's probability")


def _patched(
    engine: Engine,
    base: AnyTrace,
    corrupted: Sequence[Float[Tensor, "layer n pos d_model"]],
    positions: slice,
) -> Float[Tensor, "layer k n d_vocab"]:
    """Logits with S[l, positions] taken from each corrupted run, for every layer l."""
    states = torch.stack([resid[:, :, positions] for resid in corrupted], 1)
    found = run_batch(engine, base, positions.start, dict(enumerate(states)))
    return torch.stack(list(found.values()))


def _mean_over_valid(
    values: Float[np.ndarray, "layer k n"], valid: np.ndarray
) -> Float[np.ndarray, "layer n"]:
    count = valid.sum(0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(valid, values, 0).sum(1) / count
