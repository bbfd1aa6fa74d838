"""Activation patching: activations of one run written into another.

`patch_grid` writes one activation at a time, for every layer, position and head, as the functions
of `transformer_lens.patching` do, and gives the same numbers; `run_patched` writes several at
once. An activation inside a block is first turned into the state it leaves behind,
S[layer + 1, position:], which needs that block's output projection and MLP only; from there on
every component is the same problem, solved by `circuits.patching.engine`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from circuits.errors import HopscopeError
from circuits.model import HookedTransformer
from circuits.patching.engine import PatchEngine, Trace
from circuits.patching.patched_run import (
    check_pair,
    mixed_values,
    token_ids,
)
from circuits.patching.patches import HEAD_COMPONENTS, Component, Patch, chosen
from circuits.patching.shared_prefix import sweep_after
from circuits.patching.short_attention import pattern
from circuits.queries import Queries

if TYPE_CHECKING:  # xarray takes a second to import
    import xarray as xr

Metric = Callable[[Float[Tensor, "batch pos d_vocab"]], Tensor | float]
"""From logits to one number, or to one number per example."""

_MAX_LOGITS = 100_000_000  # numbers held at once


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
    source, base = engine.trace(clean_tokens), engine.trace(corrupted_tokens)
    if metric is None:
        metric = recovered_logit_difference(*(engine.logits(t.resid[-1]) for t in (source, base)))
    values = _grid_values(engine, source, base, grid, metric)
    return _as_data_array(values, grid, corrupted, len(corrupted_tokens))


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
    columns = []
    for position in grid.positions:
        cells: list[list[np.ndarray]] = [[] for _ in grid.layers]
        for heads in _groups(grid.heads, together):
            buffer = full.clone()
            found = _column(engine, source, base, grid, position, heads, everywhere)
            for row, layer in zip(cells, grid.layers, strict=True):
                for logits in found[layer]:
                    if everywhere:
                        buffer[:, position:] = logits
                    else:
                        buffer[:, -1] = logits
                    row.append(torch.as_tensor(metric(buffer)).detach().cpu().numpy().copy())
        columns.append(np.stack([np.stack(row) for row in cells]))
    values = np.stack(columns, 1)  # layer, position, head[, example]
    return values[:, :, 0] if grid.heads is None else values


def _column(
    engine: PatchEngine,
    source: Trace,
    base: Trace,
    grid: Patch,
    position: int,
    heads: tuple[int, ...] | None,
    everywhere: bool,
) -> dict[int, Tensor]:
    """Logits by patched layer, each [cells, n, d_vocab] or [cells, n, suffix, d_vocab]."""
    shift = 0 if grid.component == "resid_pre" else 1
    whole_state = grid.component in ("resid_pre", "resid_post")
    if whole_state and position == 0 < base.pos - 1 and not everywhere:
        return _first_column(engine, source, base, grid.layers, shift)
    n_cells = len(grid.layers) * len(heads or (0,))
    step = engine.rows_at_once(n_cells * (base.pos - position))
    parts = []
    for first in range(0, base.n, step):
        rows = slice(first, first + step)
        ours, theirs = base.rows(rows), source.rows(rows)
        patched = partial(entering_states, engine, theirs, ours, grid.component)
        entering = {layer + shift: patched(layer, position, heads) for layer in grid.layers}
        parts.append(engine.sweep(ours, position, entering, all_positions=everywhere))
    return {layer: torch.cat([part[layer + shift] for part in parts], 1) for layer in grid.layers}


def _first_column(
    engine: PatchEngine, source: Trace, base: Trace, layers: tuple[int, ...], shift: int
) -> dict[int, Tensor]:
    """Whole states of the first position: nothing comes before it, so runs agree there."""
    states = sorted({layer + shift for layer in layers} - {engine.depth})
    found = sweep_after(engine, base, source, 0, states, engine.depth)
    found[engine.depth] = engine.logits(base.resid[-1][:, -1])[None]
    return {layer: found[layer + shift] for layer in layers}


def entering_states(
    engine: PatchEngine,
    source: Trace,
    base: Trace,
    component: Component,
    layer: int,
    position: int,
    heads: tuple[int, ...] | None = None,
) -> Float[Tensor, "cells n suffix d_model"]:
    """States S[layer + 1, position:] of `base` after one patch (S[layer, position:] for resid_pre).

    One cell per head where the component has heads, else one cell.
    """
    if component in ("resid_pre", "resid_post"):
        state = layer if component == "resid_pre" else layer + 1
        new = base.resid[state][:, position:].clone()
        new[:, 0] = source.resid[state][:, position]
        return new[None]
    if component == "mlp_out":
        added = source.resid[layer + 1] - source.mid[layer]
        return _with_first(base, layer, position, (base.mid[layer] + added)[:, position][None])
    if component == "resid_mid":
        mid = source.mid[layer][None, :, position]
    elif component == "attn_out":
        added = source.mid[layer] - source.resid[layer]
        mid = (base.resid[layer] + added)[None, :, position]
    else:
        change = _change_of_attention(engine, source, base, component, layer, position, heads)
        stop = position + change.shape[2]
        new = engine.mlp(layer, base.mid[layer][:, position:stop] + change)
        rest = base.resid[layer + 1][:, stop:].expand(len(new), -1, -1, -1)
        return torch.cat([new, rest], 2)
    return _with_first(base, layer, position, engine.mlp(layer, mid))


def _with_first(
    base: Trace, layer: int, position: int, first: Float[Tensor, "cells n d_model"]
) -> Float[Tensor, "cells n suffix d_model"]:
    rest = base.resid[layer + 1][:, position + 1 :].expand(len(first), -1, -1, -1)
    return torch.cat([first[:, :, None], rest], 2)


def _change_of_attention(
    engine: PatchEngine,
    source: Trace,
    base: Trace,
    component: Component,
    layer: int,
    position: int,
    heads: tuple[int, ...] | None,
) -> Float[Tensor, "cells n changed d_model"]:
    """What a patch of single heads adds to attention's output at the positions it changes."""
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
    chosen = list(heads if heads is not None else range(engine.cfg.n_heads))
    change = (new - old)[:, :, chosen]
    return torch.einsum("nqhd,hdm->hnqm", change, engine.head_output(layer)[chosen])


def _reads_last_only(metric: Metric, full: Float[Tensor, "n pos d_vocab"]) -> bool:
    """Whether the metric stays the same when logits before the last position are scrambled."""
    if full.shape[1] == 1:
        return True
    generator = torch.Generator().manual_seed(0)
    expected = torch.as_tensor(metric(full))
    for scale in (1.0, 30.0):
        probe = full.clone()
        noise = torch.randn(probe[:, :-1].shape, generator=generator)
        probe[:, :-1] = scale * noise.to(probe)
        if not torch.equal(torch.as_tensor(metric(probe)), expected):
            return False
    return True


def _groups(heads: tuple[int, ...] | None, size: int) -> list[tuple[int, ...] | None]:
    if heads is None:
        return [None]
    return [heads[i : i + size] for i in range(0, len(heads), size)]


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
