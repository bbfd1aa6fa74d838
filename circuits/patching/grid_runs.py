"""The runs of a grid: the logits of each cell in turn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from itertools import product
from typing import Protocol

import torch
from jaxtyping import Float, Int
from torch import Tensor

from circuits.model.protocol import Model
from circuits.patching.engine import PatchEngine, Trace
from circuits.patching.hooked_run import captured, hooked_run
from circuits.patching.lazy_logits import lazy_logits
from circuits.patching.patches import Patch
from circuits.patching.prompts import Roles, written_at
from circuits.patching.role_trace import RoleTrace, by_role
from circuits.patching.single_patches import patched_logits

Cell = tuple[int, int, int | None]
"""Layer, position and head; None if the component has no heads."""

_MAX_LOGITS = 100_000_000  # numbers held at once


class GridRuns(Protocol):
    """Every cell's patched run; layers, positions and heads of the grid are distinct."""

    def unpatched(self) -> tuple[Float[Tensor, "n _ d_vocab"], Float[Tensor, "n _ d_vocab"]]:
        """Logits of the clean and the corrupted run, at the last position at least."""

    def cells(self) -> Iterator[tuple[Cell, Float[Tensor, "n pos d_vocab"]]]:
        """Each cell once, with the logits of the corrupted run patched there."""


class EngineGrid:
    """Runs the grid on the engine, many cells at once.

    Logits before the last position are computed in advance once the metric has read some; until
    then they are computed when they are read.
    """

    def __init__(
        self,
        engine: PatchEngine,
        clean: Int[Tensor, "n pos"],
        corrupted: Int[Tensor, "n pos"],
        grid: Patch,
        roles: Roles | None = None,
    ) -> None:
        n = len(corrupted)
        self._engine, self._grid = engine, grid
        self._source: Trace | RoleTrace[Trace]
        self._base: Trace | RoleTrace[Trace]
        if roles is None:
            both = engine.trace(torch.cat([clean, corrupted]))
            self._source, self._base = both.rows(slice(n)), both.rows(slice(n, None))
        else:
            self._base = by_role(engine.trace(corrupted), roles[0])
            self._source = by_role(engine.trace(clean), roles[1])
        self._by_role = roles is not None
        self._reads_more = False

    def unpatched(self) -> tuple[Tensor, Tensor]:
        """Return both runs' logits at the last position."""
        clean, corrupted = (
            self._engine.logits(trace.resid[-1][:, -1:]) for trace in (self._source, self._base)
        )
        return clean, corrupted

    def cells(self) -> Iterator[tuple[Cell, Tensor]]:
        """Yield the last position's cells first: a patch there changes no earlier logits."""
        last = max(self._grid.positions)
        others = tuple(p for p in self._grid.positions if p != last)
        for positions in filter(None, ((last,), others)):
            for part in self._parts(replace(self._grid, positions=positions)):
                yield from self._run(part)

    def _run(self, part: Patch) -> Iterator[tuple[Cell, Tensor]]:
        whole = self._reads_more
        found = self._patched(part, all_positions=whole)
        for (layer, position), runs in found.items():
            for head, logits in zip(part.heads or (None,), runs, strict=True):
                cell = (layer, position, head)
                yield cell, self._after(position, logits) if whole else self._lazy(cell, logits)

    def _lazy(self, cell: Cell, last: Float[Tensor, "n d_vocab"]) -> Tensor:
        def before() -> Tensor:
            self._reads_more = True
            layer, position, head = cell
            if position == self._base.pos - 1 and not self._by_role:
                return self._everywhere[:, :-1]
            one = Patch(self._grid.component, layer, position, head)
            (logits,) = self._patched(one, all_positions=True)[layer, position]
            return self._after(position, logits)[:, :-1]

        return lazy_logits(last, self._base.pos, before)

    def _after(self, position: int, logits: Tensor) -> Float[Tensor, "n pos d_vocab"]:
        """Put the logits that a patch can change after those of the earlier positions."""
        if self._by_role:
            return logits
        return torch.cat([self._everywhere[:, :position], logits], 1)

    def _patched(self, part: Patch, *, all_positions: bool) -> dict[tuple[int, int], Tensor]:
        runs = (self._engine, self._source, self._base)
        return patched_logits(*runs, part, all_positions=all_positions)

    @cached_property
    def _everywhere(self) -> Float[Tensor, "n pos d_vocab"]:
        """Logits of the corrupted run."""
        return self._engine.logits(self._base.resid[-1])

    def _parts(self, grid: Patch) -> list[Patch]:
        """Split a grid into parts whose logits fit into memory, in the order of the heads."""
        heads = grid.heads or (0,)
        per_state = self._base.n * self._engine.cfg.d_vocab
        per_state *= self._base.pos if self._reads_more else 1
        size = max(1, _MAX_LOGITS // (per_state * len(grid.layers)))
        if len(grid.positions) * len(heads) <= size:
            return [grid]
        return [
            replace(grid, positions=(p,), heads=grid.heads and heads[i : i + size])
            for p in grid.positions
            for i in range(0, len(heads), size)
        ]


class HookedGrid:
    """Runs the grid by the model's own forward passes, so that the hooks added to it run too."""

    def __init__(
        self,
        model: Model,
        clean: Int[Tensor, "n pos"],
        corrupted: Int[Tensor, "n pos"],
        grid: Patch,
        roles: Roles | None = None,
    ) -> None:
        self._model, self._corrupted, self._grid = model, corrupted, grid
        self._roles = roles
        places = [(grid.component, layer) for layer in grid.layers]
        self._clean_logits, self._clean = captured(model, clean, places)

    def unpatched(self) -> tuple[Tensor, Tensor]:
        """Return both runs' logits at all positions."""
        corrupted = hooked_run(self._model, self._corrupted, [])
        if self._roles is None:
            return self._clean_logits, corrupted
        ours, theirs = self._roles
        return theirs.at_roles(self._clean_logits), ours.at_roles(corrupted)

    def cells(self) -> Iterator[tuple[Cell, Tensor]]:
        """Yield the cells layer by layer."""
        grid = self._grid
        for layer, position, head in product(grid.layers, grid.positions, grid.heads or (None,)):
            assert layer is not None
            assert position is not None
            one = Patch(grid.component, layer, position, head)
            logits = hooked_run(
                self._model, self._corrupted, [one], self._clean, written_at(self._roles)
            )
            cell = (layer, position, head)
            yield cell, logits if self._roles is None else self._roles[0].at_roles(logits)
