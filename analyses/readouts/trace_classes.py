"""Trace classes: is the bridge decoded, and is the answer right? (He et al., arXiv 2601.09049)

1. The bridge counts as decoded if a lens has it among its top_k tokens at some state
   S[l, position] with first_layer <= l <= last_layer.
   The default lens is the ridge solution of the tuned lens (`analyses.readouts.tuned_lens`),
   fitted at this position on trained questions with other first hops. The plain logit lens misses
   bridges that are held in another basis, so it would call models fake in which patching shows the
   bridge at work.
   The default position is relation_1, where hop one ends. By default l stops at depth - 1: no block
   can read what appears in the last state only, and the atomic facts, which are trained at that
   position, put the bridge there anyway.
2. The two questions, bridge decoded or not and answer right or wrong, give four classes, as shares
   of the examples.
3. The chance level is the same share for the bridge of another example.
4. A checkpoint is flagged as fake grokking if it answers held-out questions without the bridge:
   accuracy is above `generalizing`, and the share of right answers with a decoded bridge is below
   `recovered`. Both must hold at the bounds of the 95% intervals.
"""

from __future__ import annotations

import numpy as np
import torch
import xarray as xr
from jaxtyping import Bool, Float, Int
from torch import Tensor

from analyses.estimates import Variables, estimated
from analyses.options.readouts import TraceClassOptions as Options
from analyses.questions.examples import Examples
from analyses.readouts.lens import rank_of
from analyses.readouts.states import (
    LEAST_TO_LEARN_FROM,
    SEEN,
    first_hops_seen,
    states,
    trained_questions,
)
from circuits.corpus.queries import Queries
from circuits.errors import HopscopeError, unknown_name
from circuits.model.transformer import HookedTransformer
from circuits.model.tuned_lens import TunedLens

N_TRAIN = 1000
"""Number of trained questions that the lens learns from."""

CLASSES = ("right_with_bridge", "right_without_bridge", "wrong_with_bridge", "wrong_without_bridge")


@torch.no_grad()
def run(model: HookedTransformer, examples: Examples, options: Options) -> xr.Dataset:
    """Shares of the four classes, bridge recovery, its chance level, and the flag.

    Returns:
        share (class); accuracy, decoded, decoded_chance, decoded_given_right, lens_seen (scalars),
        each with its interval; fake_grok (0 or 1); class_example, an index into `class`.
    """
    queries = examples.queries
    layers, position = _where(model, queries, options)
    every = states(model, queries.tokens)
    read = every[:, :, position]
    seen = np.zeros(len(queries), bool)
    if options.lens == "tuned":
        train = _lens_questions(examples, options.seed)
        seen = first_hops_seen(train, queries)
        read = _translated(model, read, train, position)
    lens = model.logits_of(read[layers.start : layers.stop]).cpu()
    decoded = _among_top(lens, queries.bridge, options.top_k)
    other = _other_bridges(queries, options.seed)
    right = (model.logits_of(every[-1, :, -1]).argmax(-1).cpu() == queries.answer).numpy()
    index = np.where(right, 0, 2) + np.where(decoded, 0, 1)
    given_right = np.where(right, decoded, np.nan)
    variables: Variables = {}
    for name, values, words in (
        ("accuracy", right, "accuracy"),
        ("decoded", decoded, "bridge decoded"),
        ("decoded_chance", _among_top(lens, other, options.top_k), "another bridge decoded"),
        ("decoded_given_right", given_right, "bridge decoded, among right answers"),
        ("lens_seen", seen, SEEN),
    ):
        variables |= estimated(name, values.astype(float), (), words, shares=True, keep=False)
    member = (index[:, None] == np.arange(len(CLASSES))).astype(float)
    variables |= estimated("share", member, ("class",), "trace class", shares=True, keep=False)
    accurate = variables["accuracy_low"][1] > options.generalizing
    unrecovered = variables["decoded_given_right_high"][1] < options.recovered
    flag = {"long_name": "fake grokking: generalizes without recovering the bridge"}
    variables["fake_grok"] = ((), np.int8(accurate and unrecovered), flag)
    variables["class_example"] = (("example",), index.astype(np.int8), {"long_name": "trace class"})
    return xr.Dataset(variables, {"class": list(CLASSES)})


def _where(model: HookedTransformer, queries: Queries, options: Options) -> tuple[range, int]:
    last = model.depth - 1 if options.last_layer is None else options.last_layer
    if not 0 <= options.first_layer <= model.depth or not 0 <= last <= model.depth:
        raise HopscopeError(
            f"layers {options.first_layer} to {last} do not exist; states are S[0] to "
            f"S[{model.depth}]."
        )
    if options.position not in queries.positions:
        raise unknown_name("position", options.position, queries.positions)
    # with a single block there is no state between its input and the last one: read the last one
    layers = range(options.first_layer, max(last, options.first_layer) + 1)
    return layers, queries.positions.index(options.position)


def _lens_questions(examples: Examples, seed: int) -> Queries:
    """Trained questions whose first hop no example has; all of them if too few are left."""
    train, asked = trained_questions(examples.corpus, N_TRAIN, seed), examples.queries
    new = ~first_hops_seen(asked, train)
    return train.take(np.flatnonzero(new)) if new.sum() >= LEAST_TO_LEARN_FROM else train


def _translated(
    model: HookedTransformer, read: Float[Tensor, "layer n d_model"], train: Queries, position: int
) -> Float[Tensor, "layer n d_model"]:
    """States of one position, translated into what the ridge solution expects at the last layer."""
    there = states(model, train.tokens)[:, :, position : position + 1]
    lens = TunedLens.fit_states(model, there, adam_steps=0)
    return torch.cat([lens.translated(read[:-1]), read[-1:]])


def _among_top(
    lens: Float[Tensor, "layer n d_vocab"], token: Int[Tensor, " n"], top_k: int
) -> Bool[np.ndarray, " n"]:
    index = token[None, :, None].expand(len(lens), -1, 1)
    rank = rank_of(lens.gather(-1, index), lens)
    return (rank < top_k).any(0).numpy()


def _other_bridges(queries: Queries, seed: int) -> Int[Tensor, " n"]:
    """For each example, the bridge of an example with another bridge, if there is one."""
    bridge = queries.bridge.numpy()
    rng = np.random.default_rng([seed, 3])
    other = rng.permutation(bridge)
    values = np.unique(bridge)
    if len(values) > 1:
        same = other == bridge
        shift = rng.integers(1, len(values), int(same.sum()))
        other[same] = values[(np.searchsorted(values, bridge[same]) + shift) % len(values)]
    return torch.from_numpy(other)
