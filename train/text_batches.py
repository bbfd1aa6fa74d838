"""Batches of texts of different lengths, with a loss on some of their tokens.

Rows are drawn as in `train.batches`: lengths play no part in it, since batches of long texts only
would be batches of questions without facts. What padding would cost is saved within a batch. On a
CPU the prefix tree has no nodes for padding. Elsewhere the rows of a batch are sorted by length and
run in `GROUPS` parts, each as wide as its longest text; the loss is the mean over all of them.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from circuits.text.corpus import TrainingTexts
from train.batches import Batch, Batches

GROUPS = 4
"""Parts of a batch where padding costs time."""


class TextBatches(Batches):
    """An endless sequence of batches of texts, whose position can be saved and restored."""

    def __init__(
        self,
        texts: TrainingTexts,
        size: int,
        seed: int,
        *,
        device: torch.device,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        """Set up the sequence; see `Batches`."""
        self._learned: Bool[Tensor, "n width"] = torch.from_numpy(texts.learned).to(device)
        self._lengths: Int[Tensor, " n"] = torch.from_numpy(texts.lengths).to(device)
        tokens = torch.from_numpy(texts.tokens).long().to(device)
        super().__init__(
            Batch(tokens, tokens[:0, 0], tokens[:0, 0]), size, seed, rank=rank, world=world
        )

    def _keep(self, data: Batch) -> None:
        self.table = data.tokens

    def _batch(self, chosen: Int[Tensor, " rows"]) -> Batch:
        if not chosen.is_cpu:
            chosen = chosen[self._lengths[chosen].argsort(stable=True)]
        width = int(self._lengths[chosen].max())
        tokens = self.table[chosen, :width]
        row, column = self._learned[chosen, :width].nonzero(as_tuple=True)
        return Batch(tokens, column - 1, tokens[row, column], row)


def parts_by_length(batch: Batch) -> Iterator[Batch]:
    """A batch that is sorted by length, in `GROUPS` parts that are as wide as they need to be.

    >>> tokens = torch.tensor([[1, 2, 0, 0], [1, 2, 0, 0], [1, 2, 3, 0], [1, 2, 3, 4]])
    >>> at, row = torch.tensor([0, 0, 1, 2]), torch.arange(4)
    >>> [tuple(part.tokens.shape) for part in parts_by_length(Batch(tokens, at, at, row))]
    [(1, 1), (1, 1), (1, 2), (1, 3)]
    """
    assert batch.of_row is not None
    size = -(-len(batch.tokens) // GROUPS)
    for start in range(0, len(batch.tokens), size):
        inside = (batch.of_row >= start) & (batch.of_row < start + size)
        at = batch.predict_at[inside]
        if len(at):
            tokens = batch.tokens[start : start + size, : int(at.max()) + 1]
            yield Batch(tokens, at, batch.answer[inside], batch.of_row[inside] - start)
