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
    keys: Sequence[Float[Tensor, "... n_heads d_head"]],
    values: Sequence[Float[Tensor, "... n_heads d_head"]],
) -> Float[Tensor, "... query n_heads d_head"]:
    """Causal attention; one key and value per position, each broadcast against the batch.

    Queries are the last positions of the sequence. The softmax runs over the first axis: over a
    last axis of three entries PyTorch's takes twenty to forty times as long.
    """
    first = len(keys) - q.shape[-3]  # position of the first query
    collected = [
        _attend_from(query, keys[: first + j + 1], values[: first + j + 1])
        for j, query in enumerate(q.unbind(-3))
    ]
    return collected[0].unsqueeze(-3) if len(collected) == 1 else torch.stack(collected, -3)


def _attend_from(
    q: Float[Tensor, "*batch n_heads d_head"], keys: Sequence[Tensor], values: Sequence[Tensor]
) -> Float[Tensor, "*batch n_heads d_head"]:
    scores = torch.stack([(q * key).sum(-1) for key in keys])
    weights = scores.mul_(1 / math.sqrt(q.shape[-1])).softmax(0).unsqueeze(-1)
    z = weights[0] * values[0]
    for weight, value in zip(weights[1:], values[1:], strict=True):
        z.addcmul_(weight, value)
    return z
