"""Many patched runs at once: recompute only what a patch can change.

A state written at (layer l, position p) changes layers >= l and positions >= p only, because
attention is causal. So a patched run starts at block l from the states of positions >= p, with the
keys and values that the unpatched run left at positions < p. In that first block the positions
after p still have the queries, keys and values of the unpatched run. In the last block only the
last position's query and MLP are computed, and logits only there.

The runs are split into jobs small enough for a core's cache. A job covers the cells of one layer
or, if those are few, of several layers, whose cells join its batch when it reaches their layer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from circuits.patching.aligned import aligned
from circuits.patching.engine import PatchEngine, Trace
from circuits.patching.engines import AnyTrace, Engine
from circuits.patching.hooked_engine import HookedEngine, HookedTrace
from circuits.patching.packed_runs import run_packed
from circuits.patching.role_trace import Batch, RoleTrace
from circuits.patching.short_attention import attend

Entering = Callable[[int, slice], Float[Tensor, "cells n changed d_model"]]
"""From a layer l and a slice of the prompts to their states S[l, position : position + changed]."""


def run_batch(
    engine: Engine,
    base: AnyTrace,
    position: int,
    entering: Mapping[int, Float[Tensor, "cells n changed d_model"]],
    *,
    stop_at_layer: int | None = None,
) -> dict[int, Float[Tensor, "cells n d_vocab"]]:
    """Logits at the last position of runs of `base` with states replaced, several per layer.

    Args:
        engine: The one that made the traces.
        base: The runs that are patched.
        position: First position (of a `RoleTrace`: role) that differs from base.
        entering: States S[l, position : position + changed] by layer l (0 to depth), several cells
            per layer; later positions are those of base.
        stop_at_layer: Read the logit lens at S[stop_at_layer, .] instead of the output.

    Returns:
        For each layer in `entering` that is not beyond the last: its cells' logits.
    """
    stop = engine.depth if stop_at_layer is None else stop_at_layer
    if isinstance(base, RoleTrace):
        if isinstance(engine, PatchEngine) and all(new.shape[2] == 1 for new in entering.values()):
            one = {layer: new[:, :, 0] for layer, new in entering.items()}
            return run_packed(engine, base, position, one, stop)

        def part(batch: Batch[Any]) -> dict[int, Tensor]:
            states = {layer: new[:, batch.rows] for layer, new in entering.items()}
            return run_batch(engine, batch.trace, batch.column, states, stop_at_layer=stop)

        return base.by_batch(position, part)
    if isinstance(engine, HookedEngine):
        assert isinstance(base, HookedTrace)
        return engine.run_batch(base, position, entering, stop)
    assert isinstance(base, Trace)
    cells = {layer: len(states) for layer, states in entering.items() if layer <= stop}
    planned = plan_batch(
        engine, base, position, cells, lambda layer, rows: entering[layer][:, rows], stop=stop
    )
    return planned.run()


def run_batch_after(
    engine: Engine,
    base: AnyTrace,
    source: AnyTrace,
    position: int,
    layers: Sequence[int],
    stop: int,
) -> dict[int, Float[Tensor, "draws n d_vocab"]]:
    """`run_batch` of S[layer, position] from runs that agree with base before it: half the work.

    (By role, runs need not agree, and the work is that of `run_batch`; all tokens that the traces
    name are written, none where either has none.) For the arguments see `plan_batch_after`.
    """
    if isinstance(base, RoleTrace):
        assert isinstance(source, RoleTrace)
        return _run_spans(engine, base, source, position, layers, stop)
    if isinstance(engine, HookedEngine):
        assert isinstance(base, HookedTrace)
        assert isinstance(source, HookedTrace)
        return engine.run_batch_after(base, source, position, layers, stop)
    assert isinstance(base, Trace)
    assert isinstance(source, Trace)
    return plan_batch_after(engine, base, source, position, layers, stop).run()


def _run_spans(
    engine: Engine,
    base: RoleTrace[Any],
    source: RoleTrace[Any],
    role: int,
    layers: Sequence[int],
    stop: int,
) -> dict[int, Float[Tensor, "draws n d_vocab"]]:
    draws = source.n // base.n
    ours, theirs = base.written[:, role], source.written[:, role]
    row, column, there = aligned(ours.repeat(draws, 1), theirs, keep_all=True)
    taken, own = source.whole.resid[:, row, there], base.whole.resid[:, row % base.n, column]
    written = torch.where((theirs[:, 0] < theirs[:, 1])[row, None], taken, own)
    states = {i: written[i].unflatten(0, (draws, -1)) for i in layers}  # [draws, tokens, d_model]
    if isinstance(engine, PatchEngine):
        return run_packed(engine, base, role, states, stop)
    size = ours[:, 1] - ours[:, 0]
    first = size.cumsum(0) - size

    def part(batch: Batch[Any]) -> dict[int, Tensor]:
        within = torch.arange(int(size[batch.rows[0]]), device=size.device)
        tokens = first[batch.rows, None] + within
        new = {i: states[i][:, tokens] for i in layers}
        return run_batch(engine, batch.trace, batch.column, new, stop_at_layer=stop)

    return base.by_batch(role, part)


def plan_batch_after(
    engine: PatchEngine,
    base: Trace,
    source: Trace,
    position: int,
    layers: Sequence[int],
    stop: int,
) -> PlannedBatch:
    """A `run_batch_after` to be run later, together with others.

    Such a state evolves exactly as in its source run, because it attends only to itself and to what
    both runs share. Its keys and values in all later blocks are known, so only later positions are
    run.

    Args:
        engine: The one that made the traces.
        base: The n runs that are patched.
        source: draws * n runs (all of draw 0 first) with base's tokens before `position`.
        position: Any but the last one, whose logits are read.
        layers: Each below `stop`.
        stop: Number of blocks before the state whose logits are read (the depth: the output).
    """
    assert position < base.pos - 1
    draws = source.n // base.n

    def nothing(layer: int, rows: slice) -> Tensor:
        return base.resid[layer][rows, :0].expand(draws, -1, -1, -1)

    cells = dict.fromkeys(layers, draws)
    return plan_batch(engine, base, position + 1, cells, nothing, stop=stop, settled=source)


@dataclass(frozen=True)
class PlannedBatch:
    """A batch of runs to be run later: its jobs, and the tensors they write to."""

    engine: PatchEngine
    jobs: Sequence[Callable[[], None]]
    found: dict[int, Tensor]

    def run(self) -> dict[int, Float[Tensor, "cells n *suffix d_vocab"]]:
        """Logits of each layer's cells."""
        self.engine.side_by_side(self.jobs)
        return self.found


def plan_batch(
    engine: PatchEngine,
    base: Trace,
    position: int,
    cells: Mapping[int, int],
    entering: Entering,
    *,
    stop: int,
    all_positions: bool = False,
    settled: Trace | None = None,
) -> PlannedBatch:
    """A `run_batch` to be run later, whose states are made when they are needed.

    Args:
        engine: The one that made the traces.
        base: The runs that are patched.
        position: First position whose state is replaced or rerun; suffix = pos - position.
        cells: Number of cells by layer, none beyond `stop`.
        entering: Makes their states.
        stop: Number of blocks before the state whose logits are read.
        all_positions: Return logits of the whole suffix instead of the last position.
        settled: Runs whose keys and values at position - 1 replace base's from a cell's layer on.
    """
    suffix = base.pos - position
    shape = (base.n, suffix, engine.cfg.d_vocab) if all_positions else (base.n, engine.cfg.d_vocab)
    found = {layer: base.resid.new_empty(cells[layer], *shape) for layer in sorted(cells)}
    groups: list[list[int]] = []
    for layer in found:
        if not groups or engine.fills_cache(sum(cells[i] for i in groups[-1]) * base.n * suffix):
            groups.append([])
        groups[-1].append(layer)
    plan = _Batch(engine, base, position, entering, stop, all_positions, settled)
    jobs = [
        partial(plan.run, {layer: found[layer] for layer in group}, rows)
        for group in groups
        for rows in engine.parts(base.n, sum(cells[i] for i in group) * suffix)
    ]
    return PlannedBatch(engine, jobs, found)


@dataclass(frozen=True)
class _Batch:
    engine: PatchEngine
    base: Trace
    position: int
    entering: Entering
    stop: int
    all_positions: bool
    settled: Trace | None

    @torch.no_grad()
    def run(self, found: dict[int, Tensor], rows: slice) -> None:
        """Write the logits of the cells of some layers, for some of the prompts."""
        base = self.base.rows(rows)
        x: Tensor | None = None
        for i in range(min(found), self.stop):
            parts = []
            if x is not None:
                parts.append(self._block(i, x, base, rows))
            if i in found:
                parts.append(self._first_block(i, self.entering(i, rows), base, rows))
            x = torch.cat(parts) if len(parts) > 1 else parts[0]
        done = 0
        for layer, logits in found.items():
            if layer < self.stop:
                assert x is not None
                end = x[done : done + len(logits)]
                done += len(logits)
            else:
                end = self._with_rest(self.entering(layer, rows), base.resid[layer])
            logits[:, rows] = self.engine.logits(end if self.all_positions else end[:, :, -1])

    def _last_only(self, i: int) -> bool:
        return i == self.stop - 1 and not self.all_positions

    def _block(self, i: int, x: Tensor, base: Trace, rows: slice) -> Tensor:
        q, k, v = self.engine.qkv(i, x, last_only=self._last_only(i))
        return self._attended(i, x, (q, k.unbind(-3), v.unbind(-3)), base, rows)

    def _first_block(self, i: int, new: Tensor, base: Trace, rows: slice) -> Tensor:
        """The block at which a patch enters: positions after the changed ones are those of base."""
        changed = new.shape[2]
        q, k, v = (self._after(changed, part[i]) for part in (base.q, base.k, base.v))
        keys, values = k.unbind(1), v.unbind(1)
        if changed:
            new_q, new_k, new_v = self.engine.qkv(i, new)
            keys, values = (*new_k.unbind(-3), *keys), (*new_v.unbind(-3), *values)
            q = torch.cat([new_q, q.expand(len(new), -1, -1, -1, -1)], 2)
        else:
            q = q.expand(len(new), -1, -1, -1, -1)
        x = self._with_rest(new, base.resid[i])
        return self._attended(i, x, (q, keys, values), base, rows)

    def _attended(
        self,
        i: int,
        x: Tensor,
        qkv: tuple[Tensor, Sequence[Tensor], Sequence[Tensor]],
        base: Trace,
        rows: slice,
    ) -> Tensor:
        """S[i + 1] of cells, given the queries, keys and values of their positions."""
        q, keys, values = qkv
        past_k, past_v = self._past(i, base, rows, len(x))
        if self._last_only(i):
            q, x = q[:, :, -1:], x[:, :, -1:]
        return self.engine.rest_of_block(i, x, attend(q, [*past_k, *keys], [*past_v, *values]))

    def _with_rest(self, new: Tensor, old: Tensor) -> Float[Tensor, "cells n suffix d_model"]:
        rest = self._after(new.shape[2], old)
        return torch.cat([new, rest.expand(len(new), -1, -1, -1)], 2)

    def _after(self, changed: int, old: Tensor) -> Float[Tensor, "n unchanged ..."]:
        """Base's activations after the changed positions; its trace may hold only the last ones."""
        return old[:, old.shape[1] - (self.base.pos - self.position - changed) :]

    def _past(
        self, i: int, base: Trace, rows: slice, cells: int
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Keys and values of the positions before."""
        before = self.position - (self.settled is not None)
        keys, values = (list(part[i][:, :before].unbind(1)) for part in (base.k, base.v))
        if self.settled is not None:
            draws = self.settled.n // self.base.n
            for kept, part in ((keys, self.settled.k), (values, self.settled.v)):
                new = part[i][:, before].unflatten(0, (draws, -1))[:, rows]
                kept.append(new if cells == draws else new.repeat(cells // draws, 1, 1, 1))
        return keys, values
