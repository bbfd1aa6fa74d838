"""States S[i, p] of many prompts, and the trained questions that a probe or a lens learns from."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from circuits.corpus.corpus import Corpus
from circuits.corpus.names import ASKED
from circuits.corpus.queries import Queries
from circuits.errors import HopscopeError
from circuits.model.protocol import Model
from circuits.patching.engines import engine_for, traced

CHUNK = 512
"""Prompts per trace; this bounds the memory for what a trace holds besides the states."""

LEAST_TO_LEARN_FROM = 20
"""A probe or a lens learns nothing from fewer trained questions than this."""

SEEN = "first hop among those that the lens learned from; 0: held out"
"""`long_name` of the variable `lens_seen`."""


def states(
    model: Model, prompts: Queries | Int[Tensor, "n pos"]
) -> Float[Tensor, "layer n pos d_model"]:
    """S[i, p] of every prompt; the layer axis runs from i = 0 to depth.

    The positions of questions are their roles: a name of several tokens is read at its last one.
    """
    engine = engine_for(model)
    parts = [prompts[first : first + CHUNK] for first in range(0, len(prompts), CHUNK)]
    return torch.cat([traced(engine, part).resid for part in parts], 1)


def trained_questions(
    corpus: Corpus, at_most: int, seed: int, leave_out: Queries | None = None
) -> Queries:
    """Draw trained inferred questions, the same ones at every checkpoint.

    Where a corpus has none, because nothing is known of a model's training, the asked ones.

    The draw takes one question from each first hop in turn, so it contains as many different first
    hops as possible.

    Args:
        corpus: The corpus that holds them.
        at_most: Number of questions to draw.
        seed: Seed of the draw.
        leave_out: Questions whose first hops are left out, if at least `LEAST_TO_LEARN_FROM`
            trained questions remain. Attention is causal, so two questions with the same first two
            tokens have the same states there: whatever learned from one has seen the other.

    Raises:
        HopscopeError: if the corpus has fewer than `LEAST_TO_LEARN_FROM` trained questions.
    """
    trained = corpus.queries("train_inferred")
    if not len(trained) and ASKED in corpus.splits:
        trained = corpus.queries(ASKED)
    rows = np.arange(len(trained))
    if leave_out is not None:
        others = rows[~_occurs_in(trained.asked_ids[:, :2], leave_out.asked_ids[:, :2])]
        rows = others if len(others) >= LEAST_TO_LEARN_FROM else rows
    if len(rows) < LEAST_TO_LEARN_FROM:
        raise HopscopeError(
            f"{len(rows)} trained questions are too few to learn from; at least "
            f"{LEAST_TO_LEARN_FROM} are needed. Use a run with more inferred facts, or a file with "
            "more questions."
        )
    drawn = np.random.default_rng([seed, 7]).permutation(rows)
    turn = _occurrence(row_keys(trained.asked_ids[drawn, :2], len(trained.vocab)))
    return trained.take(np.sort(drawn[np.argsort(turn, kind="stable")][:at_most]))


def first_hops_seen(train: Queries, asked: Queries) -> Bool[np.ndarray, " n"]:
    """Which questions of `asked` share their first hop with a question of `train`."""
    return _occurs_in(asked.asked_ids[:, :2], train.asked_ids[:, :2])


def row_keys(table: Int[np.ndarray, "n k"], base: int) -> Int[np.ndarray, " n"]:
    """One number per row of ids below `base`; rows are equal if and only if their numbers are."""
    keys = np.zeros(len(table), np.int64)
    for column in table.T:
        keys = keys * base + column
    return keys


def _occurs_in(table: Int[np.ndarray, "n k"], other: Int[np.ndarray, "m k"]) -> np.ndarray:
    base = int(max(table.max(initial=0), other.max(initial=0))) + 1
    return np.isin(row_keys(table, base), row_keys(other, base))


def _occurrence(keys: Int[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
    """For each key, the number of equal keys before it."""
    order = np.argsort(keys, kind="stable")
    _, first, inverse = np.unique(keys[order], return_index=True, return_inverse=True)
    turn = np.empty(len(keys), np.int64)
    turn[order] = np.arange(len(keys)) - first[inverse]
    return turn
