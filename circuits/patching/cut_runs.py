"""Runs in which some tokens cannot read others: attention knockout in ragged batches."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from circuits.patching.engine import PatchEngine, Trace
from circuits.patching.role_trace import RoleTrace


def between(
    reader: Int[Tensor, "n 2"], read: Int[Tensor, "n 2"], pos: int
) -> Bool[Tensor, "n query key"]:
    """Pairs of tokens, the first within one span and the second within the other.

    >>> between(torch.tensor([[1, 3]]), torch.tensor([[0, 1]]), 3).int().tolist()
    [[[0, 0, 0], [1, 0, 0], [1, 0, 0]]]
    """
    column = torch.arange(pos, device=reader.device)
    query, key = ((s[:, :1] <= column) & (column < s[:, 1:]) for s in (reader, read))
    return query[:, :, None] & key[:, None]


@torch.no_grad()
def cut_run(
    engine: PatchEngine,
    base: RoleTrace[Trace],
    blocked: Mapping[int, Bool[Tensor, "n query key"]],
) -> Float[Tensor, "n d_vocab"]:
    """Logits at each prompt's end, with pairs of tokens cut in every head of some blocks.

    The score of a cut pair is -inf before the softmax; a token that has nothing left to read gets
    no values.

    Args:
        engine: The one that made the trace.
        base: The uncut runs.
        blocked: By block: which query must not read which key.
    """
    first = min(blocked)
    x = base.whole.resid[first]
    later = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool, device=x.device).triu(1)
    for i in range(first, engine.depth):
        q, k, v = engine.qkv(i, x)
        scores = torch.einsum("nqhd,nkhd->nhqk", q, k) / math.sqrt(q.shape[-1])
        unseen = (later | blocked[i])[:, None] if i in blocked else later
        pattern = scores.masked_fill(unseen, -torch.inf).softmax(-1).nan_to_num()
        x = engine.rest_of_block(i, x, torch.einsum("nhqk,nkhd->nqhd", pattern, v))
    ends = base.columns[:, -1]
    return engine.logits(x[torch.arange(len(x), device=x.device), ends])
