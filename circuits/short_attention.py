"""Attention over three to five tokens, where a loop over keys beats batched matrix products."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor


def pattern(
    q: Float[Tensor, "n query n_heads d_head"], k: Float[Tensor, "n key n_heads d_head"]
) -> Float[Tensor, "n n_heads query key"]:
    """Attention pattern of queries at the last positions over all keys, causal."""
    scores = torch.einsum("nqhd,nkhd->nhqk", q, k) / math.sqrt(q.shape[-1])
    before = k.shape[1] - q.shape[1]
    future = torch.ones(scores.shape[-2:], dtype=torch.bool, device=q.device).triu(before + 1)
    return scores.masked_fill(future, -torch.inf).softmax(-1)


def attend(
    q: Float[Tensor, "*batch query n_heads d_head"],
    keys: Sequence[Float[Tensor, "*some n_heads d_head"]],
    values: Sequence[Float[Tensor, "*some n_heads d_head"]],
) -> Float[Tensor, "*batch query n_heads d_head"]:
    """Causal attention; one key and value per position, each broadcast against the batch.

    Queries are the last positions of the sequence.
    """
    first = len(keys) - q.shape[-3]  # position of the first query
    scores = q.new_full((*q.shape[:-1], len(keys)), -torch.inf)
    for s, key in enumerate(keys):
        seen = slice(max(0, s - first), None)
        scores[..., seen, :, s] = (q[..., seen, :, :] * key.unsqueeze(-3)).sum(-1)
    weights = scores.mul_(1 / math.sqrt(q.shape[-1])).softmax(-1).unsqueeze(-1)
    z = weights[..., 0, :] * values[0].unsqueeze(-3)
    for s, value in enumerate(values[1:], 1):
        seen = slice(max(0, s - first), None)
        z[..., seen, :, :].addcmul_(weights[..., seen, :, s, :], value.unsqueeze(-3))
    return z
