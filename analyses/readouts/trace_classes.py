"""Trace classes: is the bridge decoded, and is the answer right? (He et al., arXiv 2601.09049)

1. The bridge counts as decoded if a lens has it among its top_k tokens at some *usable* state
   S[l, position] with first_layer <= l <= last_layer: one that the answer can still depend on
   (`analyses.usable`). By default l stops at depth - 1, the last layer that another block reads.
   The default lens is the ridge solution of the tuned lens (`analyses.readouts.tuned_lens`),
   fitted at this position on trained questions with other first hops. The plain logit lens misses
   bridges that are held in another basis, so it would call models fake in which patching shows the
   bridge at work.
   The default position is relation_1, where hop one ends (the subject, where sentences name it
   later). Up to there the question is the atomic
   prompt (h, r1), bit for bit: a decoded bridge says that the state holds the fact where hop two
   could use it, not that hop two does. That, only patching can tell.
   `decoded_any_state` also counts the last layer, which nothing reads. At relation_1 the atomic
   prompt is answered there, so it is near 1 by construction in every model that knows the fact.
2. The two questions, bridge decoded or not and answer right or wrong, give four classes, as shares
   of the examples.
3. The chance level is the same share for the bridge of another example.
4. A checkpoint is flagged as fake grokking if it answers held-out questions without the bridge:
   accuracy is above `generalizing`, and the share of right answers with a decoded bridge is below
   `recovered`. Both must hold at the bounds of the 95% intervals. A model that has no usable state
   to decode from, such as one with a single block, is not flagged: it could not have passed.

How to read: “Right, bridge decoded” is what a model that composes shows on held-out questions;
“right, not decoded” is the mark of a shortcut or of fake grokking; “wrong, bridge decoded” says
that hop one works and hop two does not, as for most OOD questions of the demo.

What misleads: A decoded bridge at relation_1 says that the atomic fact is known where hop two could
read it, not that the question uses it: read `bridge_patching` beside it. A lens that misses the
bridge makes a sound model look fake, which is why the tuned lens is the default. Over steps the
shares follow accuracy; compare the share of right answers with a decoded bridge (the figure
`recovery`) instead.
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
from analyses.usable import usable_states
from circuits.corpus.queries import Queries
from circuits.errors import HopscopeError
from circuits.model.protocol import Model
from circuits.model.tuned_lens import TunedLens

N_TRAIN = 1000
"""Number of trained questions that the lens learns from."""

CLASSES = ("right_with_bridge", "right_without_bridge", "wrong_with_bridge", "wrong_without_bridge")


@torch.no_grad()
def run(model: Model, examples: Examples, options: Options) -> xr.Dataset:
    """Shares of the four classes, bridge recovery, its chance level, and the flag.

    Returns:
        share (class); accuracy, decoded, decoded_any_state, decoded_chance, decoded_given_right,
        lens_seen (scalars), each with its interval; fake_grok (0 or 1); class_example, an index
        into `class`.
    """
    queries = examples.queries
    usable, every_layer, position = _where(model, queries, options)
    every = states(model, queries)
    read = every[:, :, position]
    seen = np.zeros(len(queries), bool)
    if options.lens == "tuned":
        train = _lens_questions(examples, options.seed)
        seen = first_hops_seen(train, queries)
        read = _translated(model, read, train, position)
    lens = model.logits_of(read).cpu()
    decoded = _among_top(lens[usable], queries.bridge, options.top_k)
    anywhere = _among_top(lens[every_layer], queries.bridge, options.top_k)
    other = _other_bridges(queries, options.seed)
    right = (model.logits_of(every[-1, :, -1]).argmax(-1).cpu() == queries.answer).numpy()
    index = np.where(right, 0, 2) + np.where(decoded, 0, 1)
    given_right = np.where(right, decoded, np.nan)
    variables: Variables = {}
    for name, values, words in (
        ("accuracy", right, "accuracy"),
        ("decoded", decoded, "bridge decoded at a usable state"),
        ("decoded_any_state", anywhere, "bridge decoded at any state, the last layer's included"),
        ("decoded_chance", _among_top(lens[usable], other, options.top_k), "another bridge"),
        (
            "decoded_given_right",
            given_right,
            "the same, among right answers",
        ),
        ("lens_seen", seen, SEEN),
    ):
        variables |= estimated(name, values.astype(float), (), words, shares=True, keep=False)
    member = (index[:, None] == np.arange(len(CLASSES))).astype(float)
    variables |= estimated("share", member, ("class",), "trace class", shares=True, keep=False)
    accurate = variables["accuracy_low"][1] > options.generalizing
    unrecovered = variables["decoded_given_right_high"][1] < options.recovered
    flag = {"long_name": "fake grokking: generalizes without recovering the bridge"}
    variables["fake_grok"] = ((), np.int8(accurate and unrecovered and len(usable) > 0), flag)
    variables["class_example"] = (("example",), index.astype(np.int8), {"long_name": "trace class"})
    return xr.Dataset(variables, {"class": list(CLASSES)})


def _where(model: Model, queries: Queries, options: Options) -> tuple[list[int], list[int], int]:
    """Layers at which a decoded bridge counts, those layers and the last one, and the position."""
    depth = model.depth
    last = depth - 1 if options.last_layer is None else options.last_layer
    if not 0 <= options.first_layer <= depth or not 0 <= last <= depth:
        raise HopscopeError(
            f"layers {options.first_layer} to {last} do not exist; states are S[0] to S[{depth}]."
        )
    position = queries.role_index(options.position)
    usable = usable_states(depth, len(queries.positions))[:, position]
    chosen = [layer for layer in range(options.first_layer, last + 1) if usable[layer]]
    return chosen, list(range(options.first_layer, depth + 1)), position


def _lens_questions(examples: Examples, seed: int) -> Queries:
    """Trained questions whose first hop no example has; all of them if too few are left."""
    train, asked = trained_questions(examples.corpus, N_TRAIN, seed), examples.queries
    new = ~first_hops_seen(asked, train)
    return train.take(np.flatnonzero(new)) if new.sum() >= LEAST_TO_LEARN_FROM else train


def _translated(
    model: Model, read: Float[Tensor, "layer n d_model"], train: Queries, position: int
) -> Float[Tensor, "layer n d_model"]:
    """States of one position, translated into what the ridge solution expects at the last layer."""
    there = states(model, train)[:, :, position : position + 1]
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
