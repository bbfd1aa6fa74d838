"""Activation patching: activations of one run written into another.

`patch_grid` writes one activation at a time, for every layer, position and head, as the functions
of `transformer_lens.patching` do, and gives the same numbers; `run_patched` writes several at
once. An activation inside a block is first turned into the state it leaves behind,
S[layer + 1, position:], which needs that block's output projection and MLP only; from there on
every component is the same problem, solved by `circuits.patching.engine`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from circuits.corpus.queries import Queries
from circuits.errors import HopscopeError
from circuits.model.transformer import HookedTransformer
from circuits.patching.batched_runs import PlannedSweep, plan_sweep, plan_sweep_after
from circuits.patching.cores import cores_for_jobs
from circuits.patching.engine import PatchEngine, Trace
from circuits.patching.patched_run import (
    check_pair,
    mixed_values,
    token_ids,
)
from circuits.patching.patches import HEAD_COMPONENTS, Component, Patch, chosen
from circuits.patching.short_attention import pattern

if TYPE_CHECKING:  # xarray takes a second to import
    import xarray as xr

Metric = Callable[[Float[Tensor, "batch pos d_vocab"]], Tensor | float]
"""From logits to one number, or to one number per example."""

_MAX_LOGITS = 100_000_000  # numbers held at once


@cores_for_jobs()
def patch_grid(
    model: HookedTransformer,
    clean: Queries | Int[Tensor, "batch pos"],
    corrupted: Queries | Int[Tensor, "batch pos"],
    component: Component = "resid_pre",
    metric: Metric | None = None,
    *,
    layers: Sequence[int] | None = None,
    positions: Sequence[int] | None = None,
    heads: Sequence[int] | None = None,
) -> xr.DataArray:
    """Metric of the corrupted run with one clean activation written into it, for every cell.

    Args:
        model: In eval mode.
        clean: Prompts whose activations are taken; row i goes into row i of `corrupted`.
        corrupted: Prompts that are run.
        component: Which activation; z, q, k, v and pattern are patched head by head.
        metric: Takes logits [batch, pos, d_vocab], gives one number, or one per example. None:
            the share of the clean run's logit difference that is recovered (0 as corrupted, 1 as
            clean), between the clean and the corrupted run's top tokens at the last position.
        layers: Blocks; all if None.
        positions: All if None.
        heads: All if None.

    Returns:
        Array (layer, position[, head][, example]).
    """
    engine = PatchEngine(model)
    clean_tokens, corrupted_tokens = (token_ids(model, given) for given in (clean, corrupted))
    check_pair(clean_tokens, corrupted_tokens)
    n_pos = corrupted_tokens.shape[1]
    has_heads = component in HEAD_COMPONENTS
    grid = Patch(
        component,
        chosen("layer", layers, model.depth),
        chosen("position", positions, n_pos),
        chosen("head", heads, model.cfg.n_heads) if has_heads else None,
    )
    n = len(corrupted_tokens)
    both = engine.trace(torch.cat([clean_tokens, corrupted_tokens]))
    source, base = both.rows(slice(n)), both.rows(slice(n, None))
    if metric is None:
        metric = recovered_logit_difference(*(engine.logits(t.resid[-1]) for t in (source, base)))
    values = _grid_values(engine, source, base, grid, metric)
    return _as_data_array(values, grid, corrupted, n)


def recovered_logit_difference(
    clean_logits: Float[Tensor, "batch pos d_vocab"],
    corrupted_logits: Float[Tensor, "batch pos d_vocab"],
) -> Metric:
    """Metric that is 0 for the corrupted run and 1 for the clean one, on the mean over examples.

    The difference is between the logits of the two runs' top tokens at the last position.
    """
    good, bad = (x[:, -1].argmax(-1, keepdim=True) for x in (clean_logits, corrupted_logits))

    def difference(logits: Tensor) -> Tensor:
        last = logits[:, -1]
        return (last.gather(-1, good) - last.gather(-1, bad)).mean()

    low, high = difference(corrupted_logits), difference(clean_logits)
    if torch.isclose(low, high):
        raise HopscopeError(
            "clean and corrupted runs have the same answers, so there is nothing to recover; "
            "choose other corrupted prompts or give a metric."
        )
    return lambda logits: (difference(logits) - low) / (high - low)


def _grid_values(
    engine: PatchEngine, source: Trace, base: Trace, grid: Patch, metric: Metric
) -> np.ndarray:
    full = engine.logits(base.resid[-1])
    everywhere = not _reads_last_only(metric, full)
    per_state = full.shape[0] * full.shape[2] * (base.pos if everywhere else 1)
    together = max(1, _MAX_LOGITS // (per_state * len(grid.layers)))
    cells: dict[tuple[int, int], list[np.ndarray]] = {}
    for part in _parts(grid, together):
        found = patched_logits(engine, source, base, part, all_positions=everywhere)
        for cell, logits in found.items():
            cells.setdefault(cell, []).extend(_measured(metric, full, logits, cell[1], everywhere))
    columns = [np.stack([cells[i, p] for i in grid.layers]) for p in grid.positions]
    values = np.stack(columns, 1)  # layer, position, head[, example]
    return values[:, :, 0] if grid.heads is None else values


def _measured(
    metric: Metric, full: Tensor, cells: Tensor, position: int, everywhere: bool
) -> list[np.ndarray]:
    """The metric of each cell, whose logits replace those of the unpatched run."""
    found = []
    for logits in cells:
        if everywhere:
            whole = torch.cat([full[:, :position], logits], 1)
        else:  # it reads the last position, so the others may hold the same
            whole = logits[:, None].expand_as(full)
        found.append(torch.as_tensor(metric(whole)).detach().cpu().numpy().copy())
    return found


def patched_logits(
    engine: PatchEngine, source: Trace, base: Trace, patch: Patch, *, all_positions: bool = False
) -> dict[tuple[int, int], Float[Tensor, "cells n *suffix d_vocab"]]:
    """Logits at the last position, by patched (layer, position), with activations of `source`.

    One cell per head where the patch has heads, else one cell.

    Args:
        engine: Of the model.
        source: Runs whose activations are written, row i into row i of `base`.
        base: Runs that are patched.
        patch: Its layers, its positions and its heads are patched one at a time.
        all_positions: Logits of all positions from the patched one on.
    """
    shift = 0 if patch.component == "resid_pre" else 1
    reaching = {
        p: all_positions or p == base.pos - 1 or patch.component in ("k", "v")
        for p in patch.positions
    }
    planned = {}
    for p, reaches in reaching.items():
        states = sorted({i + shift for i in patch.layers if reaches or i + shift < engine.depth})
        planned[p] = _planned(engine, source, base, patch, p, all_positions, states)
    engine.side_by_side([job for sweep in planned.values() for job in sweep.jobs])
    found = {p: sweep.found for p, sweep in planned.items()}
    if not all(reaching.values()):
        unpatched = engine.logits(base.resid[-1][:, -1]).expand(len(patch.heads or (0,)), -1, -1)
        found = {p: {engine.depth: unpatched} | logits for p, logits in found.items()}
    return {(i, p): found[p][i + shift] for i in patch.layers for p in patch.positions}


def _planned(
    engine: PatchEngine,
    source: Trace,
    base: Trace,
    patch: Patch,
    position: int,
    all_positions: bool,
    states: Sequence[int],
) -> PlannedSweep:
    """Sweep by the state S[., position] that is the first one changed."""
    whole_state = patch.component in ("resid_pre", "resid_post")
    if whole_state and position == 0 < base.pos - 1 and not all_positions:
        # nothing comes before the first position, so runs agree there
        return plan_sweep_after(engine, base, source, 0, states, engine.depth)
    shift = 0 if patch.component == "resid_pre" else 1

    def entering(state: int, rows: slice) -> Tensor:
        ours, theirs = base.rows(rows), source.rows(rows)
        return _entering(engine, theirs, ours, patch, state - shift, position)

    cells = dict.fromkeys(states, len(patch.heads or (0,)))
    return plan_sweep(
        engine, base, position, cells, entering, stop=engine.depth, all_positions=all_positions
    )


def _entering(
    engine: PatchEngine, source: Trace, base: Trace, patch: Patch, layer: int, position: int
) -> Float[Tensor, "cells n changed d_model"]:
    """States S[layer + 1, position:] that a patch leaves (resid_pre: S[layer, position:]).

    Only those that it changes: one position, or with k and v all from there on.
    """
    at = slice(position, position + 1)
    if patch.component == "resid_pre":
        return source.resid[layer][None, :, at]
    if patch.component == "resid_post":
        return source.resid[layer + 1][None, :, at]
    if patch.component == "mlp_out":
        added = (source.resid[layer + 1] - source.mid[layer])[:, at]
        return (base.mid[layer][:, at] + added)[None]
    if patch.component == "resid_mid":
        mid = source.mid[layer][None, :, at]
    elif patch.component == "attn_out":
        added = (source.mid[layer] - source.resid[layer])[:, at]
        mid = (base.resid[layer][:, at] + added)[None]
    else:
        change = _change_of_attention(engine, source, base, patch, layer, position)
        mid = base.mid[layer][:, position : position + change.shape[2]] + change
    return engine.mlp(layer, mid)


def _change_of_attention(
    engine: PatchEngine,
    source: Trace,
    base: Trace,
    patch: Patch,
    layer: int,
    position: int,
) -> Float[Tensor, "cells n changed d_model"]:
    """What a patch of single heads adds to attention's output at the positions it changes."""
    component = patch.component
    last = base.pos if component in ("k", "v") else position + 1
    ours = {name: getattr(base, name)[layer][:, : base.pos] for name in "qkv"}
    theirs = {name: getattr(source, name)[layer] for name in "qkv"}
    old = mixed_values(ours["q"][:, position:last], ours["k"][:, :last], ours["v"][:, :last])
    if component == "z":
        at = position + 1
        new = mixed_values(theirs["q"][:, position:at], theirs["k"][:, :at], theirs["v"][:, :at])
    elif component == "pattern":
        weights = pattern(theirs["q"][:, position:last], theirs["k"][:, :last])
        new = torch.einsum("nhqk,nkhd->nqhd", weights, ours["v"][:, :last])
    else:
        patched = ours[component].clone()
        patched[:, position] = theirs[component][:, position]
        ours[component] = patched
        new = mixed_values(ours["q"][:, position:last], ours["k"][:, :last], ours["v"][:, :last])
    heads = list(patch.heads or range(engine.cfg.n_heads))
    change = (new - old)[:, :, heads]
    return torch.einsum("nqhd,hdm->hnqm", change, engine.head_output(layer)[heads])


def _reads_last_only(metric: Metric, full: Float[Tensor, "n pos d_vocab"]) -> bool:
    """Whether the metric stays the same when logits before the last position are scrambled."""
    if full.shape[1] == 1:
        return True
    generator = torch.Generator().manual_seed(0)
    expected = torch.as_tensor(metric(full))
    noise = torch.randn(full[:, :-1].shape, generator=generator).to(full)
    for scale in (1.0, 30.0):
        probe = torch.cat([scale * noise, full[:, -1:]], 1)
        if not torch.equal(torch.as_tensor(metric(probe)), expected):
            return False
    return True


def _parts(grid: Patch, size: int) -> list[Patch]:
    """Parts of a grid with at most so many positions and heads together, in order of the heads."""
    heads = grid.heads or (0,)
    if len(grid.positions) * len(heads) <= size:
        return [grid]
    return [
        replace(grid, positions=(p,), heads=grid.heads and heads[i : i + size])
        for p in grid.positions
        for i in range(0, len(heads), size)
    ]


def _as_data_array(
    values: np.ndarray, grid: Patch, prompts: Queries | Tensor, n: int
) -> xr.DataArray:
    import xarray as xr

    names = list(prompts.positions) if isinstance(prompts, Queries) else None
    coords: Mapping[str, Any] = {
        "layer": list(grid.layers),
        "position": [names[p] if names else p for p in grid.positions],
        **({} if grid.heads is None else {"head": list(grid.heads)}),
    }
    dims = [*coords, "example"][: values.ndim]
    attrs = {"component": grid.component, "patched": "clean into corrupted", "n": n}
    return xr.DataArray(values, coords=coords, dims=dims, name="patched_metric", attrs=attrs)
