"""Attention over three to five tokens, where a loop over keys beats batched matrix products."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from circuits.model.cpu.kernels import MOST_SEEN
from circuits.model.cpu.strided_attention import strided_attention


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
) -> Float[Tensor, "*batch query n_heads d_head"]:
    """Causal attention; one key and value per position, each broadcast against the batch.

    Queries are the last positions of the sequence.
    """
    z = strided_attention(q, keys, values)
    if z is not None:
        return z
    long = len(keys) > MOST_SEEN and q.device.type == "cpu"
    return (_attend_at_once if long else _attend_by_keys)(q, keys, values)


def _attend_at_once(q: Tensor, keys: Sequence[Tensor], values: Sequence[Tensor]) -> Tensor:
    """By PyTorch's kernel, for prompts of many tokens."""
    k, v = (
        torch.stack([x.expand(*q.shape[:-3], *x.shape[-2:]) for x in part], -3)
        for part in (keys, values)
    )
    before = len(keys) - q.shape[-3]
    seen = torch.ones(q.shape[-3], len(keys), dtype=torch.bool, device=q.device).tril(before)
    first, k, v = (x.transpose(-2, -3).flatten(0, -4) for x in (q, k, v))
    z = F.scaled_dot_product_attention(first, k, v, attn_mask=seen)
    return z.transpose(-2, -3).unflatten(0, q.shape[:-3])


def _attend_by_keys(q: Tensor, keys: Sequence[Tensor], values: Sequence[Tensor]) -> Tensor:
    """In PyTorch's operations, for any device.

    The softmax runs over the first axis: over a last axis of three entries PyTorch's takes twenty
    to forty times as long.
    """
    n_queries = q.shape[-3]
    before = len(keys) - n_queries
    future = -torch.inf if n_queries > 1 else 0.0
    scores = q.new_full((len(keys), *q.shape[:-1]), future)
    # only the last queries see a key; no slice if all of them do
    seen_by = [n_queries - max(0, j - before) for j in range(len(keys))]
    for key, n_seen, score in zip(keys, seen_by, scores.unbind(0), strict=True):
        asking, into = (
            (q, score) if n_seen == n_queries else (q[..., -n_seen:, :, :], score[..., -n_seen:, :])
        )
        torch.sum(asking * key.unsqueeze(-3), -1, out=into)
    weights = scores.mul_(1 / math.sqrt(q.shape[-1])).softmax(0).unsqueeze(-1).unbind(0)
    z = weights[0] * values[0].unsqueeze(-3)
    for value, n_seen, weight in zip(values[1:], seen_by[1:], weights[1:], strict=True):
        if n_seen == n_queries:
            z.addcmul_(weight, value.unsqueeze(-3))
        else:
            z[..., -n_seen:, :, :].addcmul_(weight[..., -n_seen:, :, :], value.unsqueeze(-3))
    return z
