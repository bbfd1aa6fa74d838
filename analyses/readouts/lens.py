"""Rank, reciprocal rank and probability of target tokens, read from the logits of a lens."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from analyses.estimates import Variables, estimated, with_interval
from circuits.corpus.queries import Queries
from circuits.corpus.role_names import name_columns

AT = ("target", "layer", "position")


def rank_of(
    own: Float[Tensor, "*axes 1"], scores: Float[Tensor, "*axes d_vocab"]
) -> Int[Tensor, "*axes"]:
    """0-based rank of a token's score among all scores; tokens tied with it count as better.

    What a lens does not tell apart is not decoded: among equal scores every token is last.

    >>> rank_of(torch.tensor([[0.5]]), torch.tensor([[0.5, 0.9, 0.5, 0.1]])).tolist()
    [2]
    """
    return (scores >= own).sum(-1) - 1


def columns_of(queries: Queries) -> Variables:
    """`column_example` (example, position): where each role is read, if roles are not columns."""
    if not queries.ragged:
        return {}
    words = {"long_name": "token at which the role is read", "units": "1", "per_step": False}
    columns = queries.role_columns.astype(np.int32)
    return {"column_example": (("example", "position"), columns, words)}


def sharing_of(queries: Queries, targets: Int[Tensor, "n target"]) -> Variables:
    """`sharing_example` (example, target): names that begin with the target's token, 1: only it.

    A lens ranks tokens, and a name of several is read by its first: all names that share it have
    the same rank. Of a whole name a state has no rank, since its later tokens are predicted at
    later positions, after the tokens before have been read; what follows a state there is no longer
    that state. Whole names are ranked where a question is answered (`circuits.text.trie`).

    Args:
        queries: The questions.
        targets: (First) token of each target.
    """
    if queries.names is None:
        return {}
    first = queries.names.first
    tokens = targets.cpu().numpy()
    size = int(max(first.max(), tokens.max(initial=0))) + 1
    counts = np.bincount(first[first >= 0], minlength=size)[tokens].astype(np.int32)
    words = {"long_name": "names that begin with the target's token", "units": "1"}
    return {"sharing_example": (("example", "target"), counts, {**words, "per_step": False})}


def ranks_of_layers(
    layers: Iterable[Float[Tensor, "n pos d_vocab"]], targets: dict[str, Int[Tensor, " n"]]
) -> Variables:
    """`mrr` and `probability` (target, layer, position) with intervals, and `rank_example`.

    Args:
        layers: Logits of each layer, held one at a time: with the vocabulary of a language model
            those of all layers can be gigabytes.
        targets: (First) token of each target by its name.

    Returns:
        MRR is the mean of 1 / (rank + 1).
    """
    rank, chance = _read_layers(layers, targets)
    variables = estimated("mrr", 1 / (rank + 1), AT, "mean reciprocal rank", keep=False)
    variables |= estimated("probability", chance, AT, "probability", keep=False)
    words = {"long_name": "rank of the target, 0 is best", "units": "1"}
    variables["rank_example"] = (("example", *AT), rank.astype(np.int32), words)
    return variables


def rank_of_layers(
    layers: Iterable[Float[Tensor, "n pos d_vocab"]], targets: dict[str, Int[Tensor, " n"]]
) -> Int[np.ndarray, "n target layer pos"]:
    """Rank of each target under the logits of each layer."""
    return _read_layers(layers, targets)[0]


def _read_layers(
    layers: Iterable[Float[Tensor, "n pos d_vocab"]], targets: dict[str, Int[Tensor, " n"]]
) -> tuple[Int[np.ndarray, "n target layer pos"], Float[np.ndarray, "n target layer pos"]]:
    ranks, chances = [], []
    for logits in layers:
        log_p = logits.log_softmax(-1)
        columns = [token.to(logits.device)[:, None, None] for token in targets.values()]
        own = [log_p.gather(-1, c.expand(-1, logits.shape[1], 1)) for c in columns]
        ranks.append(torch.stack([rank_of(each, log_p) for each in own], 1))
        chances.append(torch.stack([each[..., 0].exp() for each in own], 1))
    rank, chance = (torch.stack(part, 2).cpu().numpy() for part in (ranks, chances))
    return rank, chance


def added_by_question(
    queries: Queries,
    rank: Int[np.ndarray, "n target layer pos"],
    placebo: Callable[[], tuple[Int[np.ndarray, "n target layer pos"], Bool[np.ndarray, " n"]]],
) -> Variables:
    """`mrr_added` (target, layer, position): MRR beyond that of a counterpart of each question.

    Up to the second name, with the mark behind it, the counterpart is the shorter prompt that ends
    there, whose states are equal bit for bit, so that nothing is added by construction; from the
    third name on it is a placebo question.

    Args:
        queries: The questions; of sentences no shorter prompt ends at the first roles: NaN.
        rank: Ranks of the targets, -1: none.
        placebo: Gives ranks of the same targets in the placebos, and which questions have one (the
            others are NaN). Not called for atomic prompts, which have no third name.
    """
    added = np.zeros(rank.shape)
    third = name_columns(queries.kind, queries.asked_ids.shape[1])[2:]
    if third:
        beside, valid = placebo()
        later = slice(third[0], None)
        added[..., later] = (reciprocal(rank) - reciprocal(beside))[..., later]
        added[~valid, ..., later] = np.nan
        if queries.ragged:
            added[..., : third[0]] = np.nan
    about = {"long_name": "mean reciprocal rank that the question adds", "units": "1"}
    return with_interval("mrr_added", AT, added, about)


def reciprocal(rank: Int[np.ndarray, "*axes"]) -> Float[np.ndarray, "*axes"]:
    """1 / (rank + 1); NaN where there is no rank (-1).

    >>> reciprocal(np.array([0, 1, -1])).tolist()
    [1.0, 0.5, nan]
    """
    return np.where(rank < 0, np.nan, 1 / (np.maximum(rank, 0) + 1.0))
