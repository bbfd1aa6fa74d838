"""How a patch overwrites one activation."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from circuits.patching.patches import HEAD_COMPONENTS, Patch


def overwritten(value: Tensor, patch: Patch, new: Callable[[], Tensor]) -> Tensor:
    """A copy of an activation with what the patch names overwritten.

    Args:
        value: The activation of the patch's component in one block, [n, pos, ...] (pattern:
            [n, n_heads, query, key]).
        patch: Its positions and heads, counted from the start, and its source.
        new: Makes the source run's activation; not called for source "zero".
    """
    if patch.source == "zero":
        written = torch.zeros_like(value)
    elif patch.source == "mean":
        written = new().mean(0, keepdim=True).expand_as(value)
    else:
        written = new()
    value = value.clone()
    for position in patch.positions:
        for head in (slice(None),) if patch.heads is None else patch.heads:
            where: tuple[int | slice, ...] = (slice(None), position)
            if patch.component == "pattern":
                where = (slice(None), head, position)
            elif patch.component in HEAD_COMPONENTS:
                where = (slice(None), position, head)
            value[where] = written[where]
    return value
