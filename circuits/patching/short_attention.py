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
    """Causal attention; one key and value per position, each broadcast against the batch."""
    return attend_each(q.unbind(-3), keys, values)


def attend_each(
    queries: Sequence[Float[Tensor, "... n_heads d_head"]],
    keys: Sequence[Float[Tensor, "... n_heads d_head"]],
    values: Sequence[Float[Tensor, "... n_heads d_head"]],
) -> Float[Tensor, "... query n_heads d_head"]:
    """Causal attention with one query, key and value per position, broadcast with each other.

    Queries are the last positions of the sequence. The softmax runs over the first axis: over a
    last axis of three entries PyTorch's takes twenty to forty times as long.
    """
    first = len(keys) - len(queries)  # position of the first query
    shape = torch.broadcast_shapes(*(part.shape for part in (*queries, *keys, *values)))
    z = queries[0].new_empty(*shape[:-2], len(queries), *shape[-2:])
    for j, query in enumerate(queries):
        seen = first + j + 1
        _attend_from(query, keys[:seen], values[:seen], z[..., j, :, :])
    return z


def _attend_from(
    q: Float[Tensor, "... n_heads d_head"],
    keys: Sequence[Tensor],
    values: Sequence[Tensor],
    z: Float[Tensor, "... n_heads d_head"],
) -> None:
    """Write what one query collects into z."""
    if len(keys) == 1:
        z.copy_(values[0])
        return
    scores = torch.stack(torch.broadcast_tensors(*((q * key).sum(-1) for key in keys)))
    weights = scores.mul_(1 / math.sqrt(q.shape[-1])).softmax(0).unsqueeze(-1)
    torch.mul(weights[0], values[0], out=z)
    for weight, value in zip(weights[1:], values[1:], strict=True):
        z.addcmul_(weight, value)
