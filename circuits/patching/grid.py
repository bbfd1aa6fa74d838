"""Activation patching over a grid: a metric of every run with one activation patched.

`patch_grid` writes one activation at a time, for every layer, position and head, as the functions
of `transformer_lens.patching` do, and gives the same numbers. The metric gets the logits of every
cell once: lazily while it reads only the last position, which is cheaper to run
(`circuits.patching.lazy_logits`), and in full from the first cell of which it reads more.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from circuits.errors import HopscopeError
from circuits.model.protocol import Model
from circuits.patching.cores import cores_for_jobs
from circuits.patching.engine import PatchEngine, check_evaluating
from circuits.patching.engines import engine_for, runs_hooks
from circuits.patching.grid_runs import Cell, EngineGrid, GridRuns, HookedGrid
from circuits.patching.hooked_engine import check_components
from circuits.patching.metrics import Metric, measured, recovered_logit_difference
from circuits.patching.patches import HEAD_COMPONENTS, Component, Indices, Patch, from_the_start
from circuits.patching.prompts import (
    Prompts,
    check_pair,
    paired_roles,
    position_names,
    token_ids,
)
from circuits.patching.writing import check_patterns

if TYPE_CHECKING:  # xarray takes a second to import
    import xarray as xr


@cores_for_jobs()
def patch_grid(
    model: Model,
    clean: Prompts,
    corrupted: Prompts,
    component: Component = "resid_pre",
    metric: Metric | None = None,
    *,
    layers: Indices | None = None,
    positions: Indices | None = None,
    heads: Indices | None = None,
) -> xr.DataArray:
    """Metric of the corrupted run with one clean activation written into it, for every cell.

    "Denoising" in Heimersheim and Nanda, arXiv 2404.15255, section 2; exchange the prompts for
    noising.

    >>> import torch
    >>> from circuits import HookedTransformer, ModelConfig
    >>> cfg = ModelConfig(n_layers=2, d_model=8, n_ctx=3, d_vocab=10, n_heads=2)
    >>> model = HookedTransformer(cfg).eval()
    >>> clean, corrupted = torch.tensor([[1, 2, 3]]), torch.tensor([[4, 2, 3]])
    >>> grid = patch_grid(model, clean, corrupted, metric=lambda logits: logits[:, -1, 5].mean())
    >>> grid.dims, grid.shape
    (('layer', 'position'), (2, 3))
    >>> bool(abs(grid.sel(layer=0, position=0) - model(clean)[0, -1, 5].item()) < 1e-6)
    True

    Args:
        model: Ours or a bridged one, in eval mode. Hooks that were added to it are run too, in the
            clean run and in every patched run. With hooks, and on a bridged model, each cell takes
            a forward pass.
        clean: Prompts whose activations are taken; row i goes into row i of `corrupted`.
        corrupted: Prompts that are run. Where names are several tokens (queries of a text run, or
            `RolePrompts`), the grid's positions are roles: the state of the last token of a role in
            the clean prompt is written at the last token of that role in the corrupted one, whose
            length may differ. `RolePrompts.of(queries, span)` writes whole names, the tokens after
            them, or both (`circuits.corpus.role_spans`).
        component: Which activation; z, q, k, v and pattern are patched head by head.
        metric: Takes logits [batch, pos, d_vocab] (by role: [batch, role, d_vocab], so that [:, -1]
            is where each answer is read) and returns one number, or one per example. It is called
            once per cell, in any order. None: the share of the clean run's logit difference that is
            recovered (0 as corrupted, 1 as clean), between the clean and the corrupted run's top
            tokens at the last position.
        layers: Blocks; all if None.
        positions: All if None.
        heads: All if None; only for components that have heads.

    Returns:
        Array `(layer, position[, head][, example])`.

    Raises:
        HopscopeError: if the model cannot take the prompts or they do not pair up, if a layer,
            position or head does not exist, if the metric returns anything else, or if the model is
            in training mode.
    """
    check_evaluating(model)
    clean_tokens, corrupted_tokens = (token_ids(model, given) for given in (clean, corrupted))
    roles = paired_roles(corrupted, clean)
    if roles is None:
        check_pair(clean_tokens, corrupted_tokens)
    n, n_pos = (corrupted_tokens if roles is None else roles[0].columns).shape
    if heads is None and component in HEAD_COMPONENTS:
        heads = range(model.cfg.n_heads)
    layers = range(model.depth) if layers is None else layers
    positions = range(n_pos) if positions is None else positions
    grid = Patch(component, layers, positions, heads)
    grid = from_the_start(grid, model.depth, n_pos, model.cfg.n_heads)
    for axis in (grid.layers, grid.positions, grid.heads or ()):
        if len(set(axis)) < len(axis):
            raise HopscopeError(f"{list(axis)} names a part of the grid twice; give each once.")
    check_components(model, (component,))
    if roles is not None:
        check_patterns([grid], (roles[0].written, roles[1].written))
    if runs_hooks(model):
        runs: GridRuns = HookedGrid(model, clean_tokens, corrupted_tokens, grid, roles)
    else:
        engine = engine_for(model)
        assert isinstance(engine, PatchEngine)
        runs = EngineGrid(engine, clean_tokens, corrupted_tokens, grid, roles)
    if metric is None:
        metric = recovered_logit_difference(*runs.unpatched())
    with _uncompiled():
        values = {cell: measured(metric, logits) for cell, logits in runs.cells()}
    return _as_data_array(values, grid, position_names(corrupted), n)


def _uncompiled() -> AbstractContextManager[Any]:
    """Run a metric that went through torch.compile as it was written.

    The compiler cannot trace lazy logits. Only where it was loaded: importing it takes a second.
    """
    loaded = "torch._dynamo" in sys.modules
    return torch.compiler.set_stance("force_eager") if loaded else nullcontext()


def _as_data_array(
    values: Mapping[Cell, np.ndarray], grid: Patch, names: Sequence[str] | None, n: int
) -> xr.DataArray:
    import xarray as xr

    if len(shapes := {value.shape for value in values.values()}) > 1:
        raise HopscopeError(
            f"the metric gave arrays of different shapes, {sorted(shapes)}; let it return one "
            "number, or one per example, for every cell."
        )
    coords: dict[str, Any] = {
        "layer": list(grid.layers),
        "position": [names[p] if names else p for p in grid.positions],
        **({} if grid.heads is None else {"head": list(grid.heads)}),
    }
    cells = product(grid.layers, grid.positions, grid.heads or (None,))
    table = np.stack([values[cell] for cell in cells])
    table = table.reshape(*(len(axis) for axis in coords.values()), *table.shape[1:])
    dims = [*coords, "example"][: table.ndim]
    attrs = {"component": grid.component, "patched": "clean into corrupted", "n": n}
    return xr.DataArray(table, coords=coords, dims=dims, name="patched_metric", attrs=attrs)
