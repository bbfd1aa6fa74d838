"""Whether the bridge can be read off a state, beside a placebo bridge.

1. A lens is fitted per position (the ridge solution of `circuits.model.tuned_lens`): it translates
   S[l, p] into S[depth, relation_1], which training makes predict the bridge. It learns from 1,000
   trained questions, of as many first hops as possible, none of which is among those that it
   reads: the questions are read in two folds by first hop, each with a lens of its own.
2. The bridge counts as decoded if it is the lens's top token.
3. The placebo is the bridge of another fact with the same r1, read at the same state; where r1
   has a single object, the bridge of another question. A lens that only tells of what kind the
   object is decodes the placebo as often.

S[l, relation_1] is the state of the atomic prompt (h, r1), bit for bit, so decoding there says that
the first hop is resolved in time for a later block, never that a question uses it. At S[depth,
relation_1] the bridge is decoded by construction, and nothing can use it.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor

from analyses.questions.corruptions import Chains, FactTable, hashed
from analyses.questions.examples import Examples
from analyses.readouts.states import states, trained_questions
from circuits.corpus.queries import Queries
from circuits.model.transformer import HookedTransformer
from circuits.model.tuned_lens import TunedLens

N_TRAIN = 1000
"""Trained questions that each lens learns from."""

Decoded = Bool[np.ndarray, "n layer position"]


@torch.no_grad()
def decoded(
    model: HookedTransformer, examples: Examples, seed: int
) -> tuple[Decoded, Decoded, Bool[np.ndarray, " n"]]:
    """Whether the lens's top token is the bridge, whether it is the placebo, and which questions
    have one."""
    queries = examples.queries
    placebo = examples.once(("placebo bridge", seed), lambda: placebo_bridges(examples, seed))
    fold = hashed(seed, 11, *queries.asked_ids[:, :2].T) % np.uint64(2)
    top = np.empty((len(queries), model.depth + 1, queries.asked_ids.shape[1]), np.int64)
    for half in (0, 1):
        rows = np.flatnonzero(fold == half)
        if len(rows):
            asked = queries.take(rows)
            train = trained_questions(examples.corpus, N_TRAIN, seed, leave_out=asked)
            top[rows] = _top_tokens(model, train, asked)
    return (
        top == queries.bridge_ids[:, 0, None, None],
        top == placebo[:, None, None],
        placebo >= 0,
    )


def _top_tokens(
    model: HookedTransformer, train: Queries, asked: Queries
) -> Int[np.ndarray, "n layer position"]:
    known, read = states(model, train), states(model, asked)
    found: list[Tensor] = []
    for position in range(asked.asked_ids.shape[1]):
        there = torch.cat([known[:-1, :, position], known[-1:, :, 1]])
        lens = TunedLens.fit_states(model, there[:, :, None], adam_steps=0)
        at = read[:, :, position]
        translated = torch.cat([lens.translated(at[:-1]), at[-1:]])
        found.append(model.logits_of(translated).argmax(-1))
    return torch.stack(found, -1).transpose(0, 1).cpu().numpy()


def placebo_bridges(examples: Examples, seed: int) -> Int[np.ndarray, " n"]:
    """For each question the object of another fact with the same r1; -1 where there is no other
    bridge at all."""
    chains = Chains.of(examples.queries)
    bridge = chains.stops[:, 1]
    objects = FactTable.of(examples.corpus.graph).object
    others = [np.unique(column[column >= 0]) for column in objects.T]
    every = np.unique(bridge)
    drawn = hashed(seed, 12, chains.stops[:, 0], *chains.relations.T)
    found = np.full(len(bridge), -1)
    for i, (b, r1) in enumerate(zip(bridge, chains.relations[:, 0], strict=True)):
        pool = others[r1][others[r1] != b]
        pool = pool if len(pool) else every[every != b]
        if len(pool):
            found[i] = pool[int(drawn[i] % np.uint64(len(pool)))]
    return found
