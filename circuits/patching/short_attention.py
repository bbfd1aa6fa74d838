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
) -> Float[Tensor, "*batch query n_heads d_head"]:
    """Causal attention; one key and value per position, each broadcast against the batch.

    Queries are the last positions of the sequence. The softmax runs over the first axis: over a
    last axis of three entries PyTorch's takes twenty to forty times as long.
    """
    before = len(keys) - q.shape[-3]
    scores = q.new_full((len(keys), *q.shape[:-1]), -torch.inf)
    for j, key in enumerate(keys):
        seen_by = slice(max(0, j - before), None)
        product = q[..., seen_by, :, :] * key.unsqueeze(-3)
        torch.sum(product, -1, out=scores[j][..., seen_by, :])
    weights = scores.mul_(1 / math.sqrt(q.shape[-1])).softmax(0).unsqueeze(-1)
    z = weights[0] * values[0].unsqueeze(-3)
    for j, value in enumerate(values[1:], 1):
        seen_by = slice(max(0, j - before), None)
        z[..., seen_by, :, :].addcmul_(weights[j][..., seen_by, :, :], value.unsqueeze(-3))
    return z
