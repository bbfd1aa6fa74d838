"""Rank, reciprocal rank and probability of target tokens, read from the logits of a lens."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from analyses.estimates import Variables, estimated
from circuits.corpus.queries import Queries

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
    ranks, chances = [], []
    for logits in layers:
        log_p = logits.log_softmax(-1)
        columns = [token.to(logits.device)[:, None, None] for token in targets.values()]
        own = [log_p.gather(-1, c.expand(-1, logits.shape[1], 1)) for c in columns]
        ranks.append(torch.stack([rank_of(each, log_p) for each in own], 1))
        chances.append(torch.stack([each[..., 0].exp() for each in own], 1))
    rank, chance = (torch.stack(part, 2).cpu().numpy() for part in (ranks, chances))
    variables = estimated("mrr", 1 / (rank + 1), AT, "mean reciprocal rank", keep=False)
    variables |= estimated("probability", chance, AT, "probability", keep=False)
    words = {"long_name": "rank of the target, 0 is best", "units": "1"}
    variables["rank_example"] = (("example", *AT), rank.astype(np.int32), words)
    return variables
