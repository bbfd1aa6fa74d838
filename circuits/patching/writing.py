"""How a patch overwrites one activation."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Int
from torch import Tensor

from circuits.errors import HopscopeError
from circuits.patching.aligned import aligned, tokens_of
from circuits.patching.patches import HEAD_COMPONENTS, Component, Patch
from circuits.patching.prompts import Spans


def overwritten(
    value: Tensor, patch: Patch, new: Callable[[], Tensor], spans: Spans | None = None
) -> Tensor:
    """A copy of an activation with what the patch names overwritten.

    Args:
        value: The activation of the patch's component in one block, [n, pos, ...] (pattern:
            [n, n_heads, query, key]).
        patch: Its positions and heads, counted from the start, and its source.
        new: Makes the source run's activation; not called for source "zero".
        spans: Where positions are roles: the tokens of each that are written, and those of the
            source (a mean is over all of them).
    """
    if spans is not None:
        ours, theirs = (part.to(value.device) for part in spans)
        return _at_roles(value, patch, new, ours, theirs)
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


def _at_roles(
    value: Tensor,
    patch: Patch,
    new: Callable[[], Tensor],
    ours: Int[Tensor, "n roles 2"],
    theirs: Int[Tensor, "m roles 2"],
) -> Tensor:
    value, source = value.clone(), None if patch.source == "zero" else new()

    def place(row: Tensor, column: Tensor) -> tuple[Tensor | slice, ...]:
        return (row, slice(None), column) if patch.component == "pattern" else (row, column)

    for role in patch.positions:
        if patch.source == "cache":
            row, column, there = aligned(ours[:, role], theirs[:, role])
        else:
            row, column = tokens_of(ours[:, role])
            there = column
        kept = value[place(row, column)]
        written = torch.zeros_like(kept)
        if source is not None:
            taken = (row, there) if patch.source == "cache" else tokens_of(theirs[:, role])
            given = source[place(*taken)]
            given = given.mean(0, keepdim=True) if patch.source == "mean" else given
            seen = min(given.shape[-1], kept.shape[-1])  # keys, where patterns differ in width
            written[..., :seen] = given[..., :seen]
        if patch.heads is not None:
            heads = list(patch.heads)
            kept[:, heads] = written[:, heads]
            written = kept
        value[place(row, column)] = written
    return value


def moved(value: Tensor, component: Component, there: int, here: int, pos: int) -> Tensor:
    """An activation with what is at position `there` at position `here` of `pos`, zeros elsewhere.

    A row of the pattern keeps its keys.
    """
    if component == "pattern":
        new = value.new_zeros(*value.shape[:2], pos, pos)
        new[:, :, here, : there + 1] = value[:, :, there, : there + 1]
        return new
    new = value.new_zeros(len(value), pos, *value.shape[2:])
    new[:, here] = value[:, there]
    return new


def check_patterns(patches: Sequence[Patch], spans: Spans) -> None:
    """Refuse patterns of prompts whose roles are at other columns: their keys are other tokens.

    Raises:
        HopscopeError: naming what to patch instead.
    """
    ours, theirs = spans
    for patch in patches:
        if patch.component != "pattern" or patch.source == "zero":
            continue
        at = list(patch.positions)
        if ours.shape != theirs.shape or (ours[:, at] != theirs[:, at].to(ours.device)).any():
            raise HopscopeError(
                "the pattern of a prompt cannot be written into one in which its role is at "
                "another column; patch z, or give prompts whose names have as many tokens."
            )
