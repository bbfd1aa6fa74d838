"""Batches, drawn on the device that holds the data set.

Sampling is without replacement: every epoch is one permutation of the training set, drawn from a
`torch.Generator` that nothing else uses. Batches have a fixed size; a batch that crosses the end of
an epoch takes the rest of that epoch and the beginning of the next.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Int
from torch import Tensor

from circuits.errors import HopscopeError


class Batch(NamedTuple):
    """The rows of one optimizer step."""

    tokens: Int[Tensor, "batch pos"]
    predict_at: Int[Tensor, " predictions"]
    """Position at which each answer, or each token of one, is predicted."""
    answer: Int[Tensor, " predictions"]
    of_row: Int[Tensor, " predictions"] | None = None
    """Row of each prediction; None: one prediction per row."""


class Batches:
    """An endless sequence of batches, whose position can be saved and restored."""

    def __init__(
        self,
        data: Batch,
        size: int,
        seed: int,
        *,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        """Set up the sequence.

        Args:
            data: The whole training set, on the device.
            size: Global batch size.
            seed: Seed of the order of rows.
            rank: Which share of each global batch this process takes.
            world: Number of processes; all draw the same order.
        """
        if size % world:
            raise HopscopeError(
                f"training.batch_size = {size} cannot be shared by {world} processes; "
                f"choose a multiple of {world}, or another number of processes."
            )
        self._keep(data)
        self._size, self._rank, self._world = size, rank, world
        self.generator = torch.Generator(data.tokens.device).manual_seed(seed)
        self.order = torch.empty(0, dtype=torch.int64, device=data.tokens.device)
        """Rows still to come, from `position` on."""
        self.position = 0

    def _keep(self, data: Batch) -> None:
        columns = (data.tokens, data.predict_at[:, None], data.answer[:, None])
        self.table = torch.cat(columns, dim=1)  # one gather per batch instead of three
        """All rows: tokens, position of the prediction, answer."""

    def _batch(self, chosen: Int[Tensor, " rows"]) -> Batch:
        """The batch of these rows."""
        rows = self.table[chosen]
        return Batch(rows[:, :-2], rows[:, -2], rows[:, -1])

    def next(self) -> Batch:
        """This process's share of the next batch."""
        return self._batch(self.draw()[self._rank :: self._world])

    def draw(self) -> Int[Tensor, " size"]:
        """The rows of the next global batch."""
        missing = self._size - (len(self.order) - self.position)
        if missing > 0:
            n, device = len(self.table), self.order.device
            epochs = [
                torch.randperm(n, generator=self.generator, device=device)
                for _ in range(-(-missing // n))
            ]
            self.order = torch.cat([self.order[self.position :], *epochs])
            self.position = 0
        chosen = self.order[self.position : self.position + self._size]
        self.position += self._size
        return chosen

    def first(self, size: int) -> Batch:
        """The first `size` rows of the training set, repeated if it has fewer."""
        chosen = torch.arange(size, device=self.order.device) % len(self.table)
        return self._batch(chosen)

    def state(self) -> dict[str, Tensor]:
        """Everything that determines the batches to come."""
        return {
            "order": self.order[self.position :].clone(),
            "generator": self.generator.get_state(),
        }

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Restore what `state` returned."""
        self.order = state["order"].to(self.order.device)
        self.position = 0
        generator = state["generator"].cpu()
        if len(generator) == len(self.generator.get_state()):
            self.generator.set_state(generator)
        # otherwise it comes from another kind of device, and later epochs get a different order
