"""Which token of one prompt is written where in another, if both have a span of several tokens."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Int
from torch import Tensor


class Aligned(NamedTuple):
    """Tokens that are written, span by span and in the order of each, and where they come from."""

    row: Int[Tensor, " tokens"]
    """Prompt of each token."""
    column: Int[Tensor, " tokens"]
    """Its column there."""
    there: Int[Tensor, " tokens"]
    """Column in the source, in the same row."""


def aligned(
    ours: Int[Tensor, "n 2"], theirs: Int[Tensor, "n 2"], *, keep_all: bool = False
) -> Aligned:
    """Pair spans from their last tokens backwards.

    Where the source's span is shorter its first token is written to all that are left, so that
    nothing of the patched prompt's own span remains. Where either span is empty nothing is written;
    with `keep_all` the tokens that have nothing to be taken are listed all the same.

    >>> spans = torch.tensor([[1, 4], [0, 1]]), torch.tensor([[2, 4], [3, 6]])
    >>> [part.tolist() for part in aligned(*spans)]
    [[0, 0, 0, 1], [1, 2, 3, 0], [2, 2, 3, 5]]
    """
    row, column = tokens_of(
        ours if keep_all else torch.where(theirs[:, :1] < theirs[:, 1:], ours, 0)
    )
    start, end = theirs[row].T
    there = torch.maximum(start, end - (ours[row, 1] - column))
    return Aligned(row, column, there.clamp(min=0))


def tokens_of(spans: Int[Tensor, "n 2"]) -> tuple[Int[Tensor, " tokens"], Int[Tensor, " tokens"]]:
    """Row and column of every token of these spans.

    >>> [part.tolist() for part in tokens_of(torch.tensor([[1, 3], [0, 0], [4, 5]]))]
    [[0, 0, 2], [1, 2, 4]]
    """
    size = spans[:, 1] - spans[:, 0]
    row = torch.arange(len(spans), device=spans.device).repeat_interleave(size)
    within = torch.arange(len(row), device=spans.device) - (size.cumsum(0) - size)[row]
    return row, spans[row, 0] + within
