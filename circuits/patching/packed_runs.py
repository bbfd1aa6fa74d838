"""Patched runs by role, of prompts of different lengths, in large batches.

As in `circuits.patching.batched_runs`, a run starts at the patched layer and at the column of the
patched role. What remains of each prompt is put end to end with that of all others, so that no
matrix product sees padding; only attention does, which is little work, and masks it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from circuits.patching.engine import PatchEngine, Trace
from circuits.patching.role_trace import RoleTrace


@torch.no_grad()
def run_packed(
    engine: PatchEngine,
    base: RoleTrace[Trace],
    role: int,
    entering: Mapping[int, Float[Tensor, "cells tokens d_model"]],
    stop: int,
) -> dict[int, Float[Tensor, "cells n d_vocab"]]:
    """Logits at each prompt's end, of runs with the states at one role replaced.

    Args:
        engine: The one that made the traces.
        base: The runs that are patched.
        role: Where.
        entering: New states by layer, several cells per layer: those of all tokens that are
            written, prompt by prompt.
        stop: Number of blocks before the state whose logits are read.
    """
    layers = sorted(layer for layer in entering if layer <= stop)
    found = {
        layer: base.whole.resid.new_empty(len(entering[layer]), base.n, engine.cfg.d_vocab)
        for layer in layers
    }
    ends = base.columns[:, -1]
    start, end = base.written[:, role].T
    width = end - start
    columns = torch.where(width > 0, start, ends)  # with nothing written, the end alone is rerun
    cells = sum(len(states) for states in found.values())
    per_prompt = max(1, round(float((ends - columns + 1).float().mean()))) * max(1, cells)
    jobs = [
        partial(_run, engine, base.whole, (columns, width, ends), entering, stop, found, rows)
        for rows in engine.parts(base.n, per_prompt)
    ]
    engine.side_by_side(jobs)
    return found


@dataclass(frozen=True)
class _Places:
    """Where the rest of each prompt stands: in its prompt, and end to end with the others."""

    column: Int[Tensor, " k"]
    """Of the first token that is written in each prompt."""
    width: Int[Tensor, " k"]
    """Number of tokens that are written."""
    size: Int[Tensor, " k"]
    """Number of tokens from there to the end."""
    row: Int[Tensor, " tokens"]
    offset: Int[Tensor, " tokens"]
    first: Int[Tensor, " k"]
    """Place of each prompt's first token among `tokens`."""

    @classmethod
    def of(
        cls, column: Int[Tensor, " k"], width: Int[Tensor, " k"], end: Int[Tensor, " k"]
    ) -> _Places:
        size = end - column + 1
        first = size.cumsum(0) - size
        row = torch.arange(len(size), device=size.device).repeat_interleave(size)
        offset = torch.arange(len(row), device=size.device) - first[row]
        return cls(column, width, size, row, offset, first)

    @property
    def written(self) -> Int[Tensor, " written"]:
        return (self.offset < self.width[self.row]).nonzero()[:, 0]

    @property
    def last(self) -> Int[Tensor, " k"]:
        return self.first + self.size - 1

    @property
    def side_by_side(self) -> Int[Tensor, "k longest"]:
        """Places of each prompt's tokens; its last one repeated where it is shorter."""
        steps = torch.arange(int(self.size.max()), device=self.size.device)
        return self.first[:, None] + torch.minimum(steps, self.size[:, None] - 1)

    def seen(self, before: int) -> Tensor:
        """Which keys a token may read: `before` columns of its prompt, then the rest."""
        earlier = torch.arange(before, device=self.column.device) < self.column[:, None]
        longest = int(self.size.max())
        causal = torch.ones(longest, longest, dtype=torch.bool, device=self.column.device).tril()
        shape = (len(self.column), longest, -1)
        return torch.cat([earlier[:, None].expand(shape), causal.expand(shape)], -1)


@torch.no_grad()
def _run(
    engine: PatchEngine,
    base: Trace,
    where: tuple[Int[Tensor, " n"], Int[Tensor, " n"], Int[Tensor, " n"]],
    entering: Mapping[int, Tensor],
    stop: int,
    found: dict[int, Tensor],
    rows: slice,
) -> None:
    """Write the logits of all cells of some prompts."""
    part, places = base.rows(rows), _Places.of(*(each[rows] for each in where))
    earlier = int(where[1][: rows.start].sum())
    own = slice(earlier, earlier + int(places.width.sum()))
    at = (places.row, places.column[places.row] + places.offset)
    x: Tensor | None = None
    for i in range(min(found, default=stop), stop):
        parts = [] if x is None else [(x, *engine.qkv(i, x))]
        if i in found:  # up to here, all tokens but the patched ones are those of base
            new = entering[i][:, own]
            kept = (part.resid[i], part.q[i], part.k[i], part.v[i])
            parts.append(
                tuple(
                    _with(old[at], places.written, one)
                    for old, one in zip(kept, (new, *engine.qkv(i, new)), strict=True)
                )
            )
        x, *qkv = (torch.cat(several) for several in zip(*parts, strict=True))
        x = _block(engine, part, places, i, x, qkv, last_only=i == stop - 1)
    done = 0
    for layer, logits in found.items():
        if layer < stop:
            assert x is not None
            end = x[done : done + len(logits)]
            done += len(logits)
        else:
            end = _with(part.resid[layer][at], places.written, entering[layer][:, own])
            end = end[:, places.last]
        logits[:, rows] = engine.logits(end)


def _with(old: Tensor, places: Int[Tensor, " k"], new: Tensor) -> Tensor:
    """For each cell, what base has, with what is new at some places."""
    found = old.expand(len(new), *old.shape).clone()
    found[:, places] = new
    return found


def _block(
    engine: PatchEngine,
    base: Trace,
    places: _Places,
    i: int,
    x: Float[Tensor, "cells tokens d_model"],
    qkv: Sequence[Float[Tensor, "cells tokens n_heads d_head"]],
    *,
    last_only: bool,
) -> Float[Tensor, "cells tokens d_model"]:
    """S[i + 1] of the rest of each prompt, or of its end."""
    cells, before, index = len(x), int(places.column.max()), places.side_by_side
    q, k, v = qkv
    past = (kept[i][:, :before].expand(cells, -1, -1, -1, -1) for kept in (base.k, base.v))
    keys, values = (
        torch.cat([old, new[:, index]], 2).flatten(0, 1).transpose(1, 2)
        for old, new in zip(past, (k, v), strict=True)
    )
    seen = places.seen(before)
    if last_only:
        rows = torch.arange(len(places.size), device=x.device)
        q, x = q[:, places.last][:, :, None], x[:, places.last]
        seen = seen[rows, places.size - 1][:, None]
    else:
        q = q[:, index]
    mask = seen.expand(cells, *seen.shape).flatten(0, 1)[:, None]
    z = F.scaled_dot_product_attention(q.flatten(0, 1).transpose(1, 2), keys, values, mask)
    z = z.transpose(1, 2).unflatten(0, (cells, -1))
    z = z[:, :, 0] if last_only else z[:, places.row, places.offset]
    return engine.rest_of_block(i, x, z)
