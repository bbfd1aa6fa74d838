"""Many runs with one patched activation each.

An activation inside a block is first turned into the block's output S[layer + 1, position:], which
needs only that block's output projection and MLP; from there on all components are alike, and
`circuits.patching.batched_runs` runs them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from circuits.errors import HopscopeError
from circuits.model.added_hooks import check_hook_free
from circuits.patching.aligned import aligned
from circuits.patching.batched_runs import PlannedBatch, plan_batch, plan_batch_after
from circuits.patching.engine import INSTEAD, PatchEngine, Trace
from circuits.patching.engines import AnyTrace, Engine
from circuits.patching.hooked_engine import HookedEngine, HookedTrace
from circuits.patching.packed_runs import run_packed
from circuits.patching.patched_run import mixed_values, whole_run
from circuits.patching.patches import HEAD_COMPONENTS, Patch, from_the_start
from circuits.patching.role_trace import Batch, RoleTrace
from circuits.patching.short_attention import pattern
from circuits.patching.writing import check_patterns


def patched_logits(
    engine: Engine, source: AnyTrace, base: AnyTrace, patch: Patch, *, all_positions: bool = False
) -> dict[tuple[int, int], Float[Tensor, "cells n *suffix d_vocab"]]:
    """Logits of runs with one activation patched in each, by layer and position.

    >>> import torch
    >>> from circuits import HookedTransformer, ModelConfig
    >>> from circuits.patching import Patch, PatchEngine
    >>> cfg = ModelConfig(n_layers=2, d_model=8, n_ctx=3, d_vocab=10, n_heads=2)
    >>> engine = PatchEngine(HookedTransformer(cfg).eval())
    >>> clean, corrupted = (engine.trace(torch.tensor([[i, 2, 3]])) for i in (1, 4))
    >>> found = patched_logits(engine, clean, corrupted, Patch("z", (0, 1), 2, heads=(0, 1)))
    >>> {cell: tuple(logits.shape) for cell, logits in found.items()}
    {(0, 2): (2, 1, 10), (1, 2): (2, 1, 10)}

    Args:
        engine: The engine that made the traces.
        source: Runs whose activations are written, row i into row i of `base`.
        base: Runs that are patched.
        patch: Its layers, positions and heads are patched one at a time. Its source must be
            "cache".
        all_positions: Return logits of every position from the patched one on, instead of the last;
            of a `RoleTrace`, at every role.

    Returns:
        By (layer, position): the last position's logits of one run per head in the order of
        `patch.heads` (of a component without heads: of one run), [cells, n, d_vocab], or
        [cells, n, pos - position, d_vocab].

    Raises:
        HopscopeError: if the patch has another source, or a layer, position or head that does not
            exist; by role, if a pattern is to be written from a prompt in which the role is at
            another column.
    """
    if patch.source != "cache":
        raise HopscopeError(
            f"single patches write activations of the source runs, not source {patch.source!r}; "
            "use run_patched, which takes such a patch."
        )
    patch = from_the_start(patch, engine.depth, base.pos, engine.cfg.n_heads)
    if patch.component in HEAD_COMPONENTS and patch.heads is None:
        patch = replace(patch, heads=tuple(range(engine.cfg.n_heads)))
    if isinstance(base, RoleTrace):
        assert isinstance(source, RoleTrace)
        return _by_role(engine, source, base, patch, all_positions)
    assert not isinstance(source, RoleTrace)
    return _at_columns(engine, source, base, patch, all_positions)


def _by_role(
    engine: Engine, source: RoleTrace[Any], base: RoleTrace[Any], patch: Patch, all_roles: bool
) -> dict[tuple[int, int], Tensor]:
    """The same with roles as positions: batches of prompts with the role at the same columns."""
    check_patterns([patch], (base.written, source.written))
    found: dict[tuple[int, int], Tensor] = {}
    together = isinstance(engine, PatchEngine) and patch.component in _STATES and not all_roles
    for role in patch.positions:
        if together:
            found |= _packed(engine, source, base, patch, role)
            continue
        if base.spans is not None:
            found |= _whole_runs(engine, source, base, replace(patch, positions=(role,)), all_roles)
            continue
        there = source.columns[:, role]

        def part(batch: Batch[Any], there: Tensor = there, role: int = role) -> dict[Any, Tensor]:
            column = int(there[batch.rows[0]])
            given = source.whole.part(batch.rows, column + 1)
            one = replace(patch, positions=(batch.column,))
            logits = _at_columns(engine, given, batch.trace, one, all_roles, column)
            by_role = {(i, role): values for (i, _), values in logits.items()}
            if not all_roles:
                return by_role
            return {key: _at_roles(engine, base, batch, v) for key, v in by_role.items()}

        found |= base.by_batch(role, part, there)
    return {(i, p): found[i, p] for i in patch.layers for p in patch.positions}


_STATES = ("resid_pre", "resid_mid", "resid_post", "attn_out", "mlp_out")
"""Components that change a single state."""


def _packed(
    engine: Any, source: RoleTrace[Any], base: RoleTrace[Any], patch: Patch, role: int
) -> dict[tuple[int, int], Tensor]:
    """`_by_role` of a component that changes a single state, all prompts together."""
    row, column, there = aligned(base.written[:, role], source.written[:, role], keep_all=True)
    theirs, ours = source.whole.at(row, there), base.whole.at(row, column)
    shift = 0 if patch.component == "resid_pre" else 1
    given = (source.written[:, role, 0] < source.written[:, role, 1])[row, None]
    entering = {}
    for i in sorted(patch.layers):
        new = _entering(engine, theirs, ours, patch, i, 0, 0)[:, :, 0]
        entering[i + shift] = torch.where(given, new, ours.resid[i + shift][:, 0])
    found = run_packed(engine, base, role, entering, engine.depth)
    return {(i, role): found[i + shift] for i in patch.layers}


def _whole_runs(
    engine: Engine, source: RoleTrace[Any], base: RoleTrace[Any], patch: Patch, all_roles: bool
) -> dict[tuple[int, int], Tensor]:
    """`_by_role` of several tokens at one role that change others at once: a whole run per cell."""
    assert isinstance(engine, PatchEngine)  # a bridged model runs its own grids
    (role,), spans = patch.positions, (base.written, source.written)
    columns = base.columns if all_roles else base.columns[:, -1:]

    def logits(layer: int, head: int | None) -> Tensor:
        one = Patch(patch.component, layer, role, head)
        final = whole_run(engine, base.whole.resid[0], [one], source.whole, spans)
        return engine.logits(final.take_along_dim(columns[..., None], 1))

    found = {}
    for i in patch.layers:
        runs = torch.stack([logits(i, head) for head in patch.heads or (None,)])
        found[i, role] = runs if all_roles else runs[:, :, 0]
    return found


def _at_roles(
    engine: Engine, base: RoleTrace[Any], batch: Batch[Any], after: Float[Tensor, "cells k _ v"]
) -> Float[Tensor, "cells k roles v"]:
    """Logits at each role, from those at the patched column and after it."""
    at = base.columns[batch.rows] - batch.column
    unpatched = engine.logits(base.rows(batch.rows).resid[-1])
    patched = after.take_along_dim(at.clamp(min=0)[None, :, :, None], 2)
    return torch.where((at >= 0)[None, :, :, None], patched, unpatched)


def _at_columns(
    engine: Engine,
    source: Trace | HookedTrace,
    base: Trace | HookedTrace,
    patch: Patch,
    all_positions: bool,
    there: int | None = None,
) -> dict[tuple[int, int], Tensor]:
    """`patched_logits`; the single position of a patch may be another one in the source."""
    if isinstance(engine, HookedEngine):
        assert isinstance(source, HookedTrace)
        assert isinstance(base, HookedTrace)
        return engine.patched_logits(source, base, patch, all_positions=all_positions, there=there)
    assert isinstance(source, Trace)
    assert isinstance(base, Trace)
    check_hook_free(engine.model, INSTEAD)
    shift = 0 if patch.component == "resid_pre" else 1
    reaching = {
        p: all_positions or p == base.pos - 1 or patch.component in ("k", "v")
        for p in patch.positions
    }
    planned = {}
    for p, reaches in reaching.items():
        states = sorted({i + shift for i in patch.layers if reaches or i + shift < engine.depth})
        from_column = p if there is None else there
        planned[p] = _planned(engine, source, base, patch, p, from_column, all_positions, states)
    engine.side_by_side([job for batch in planned.values() for job in batch.jobs])
    found = {p: batch.found for p, batch in planned.items()}
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
    there: int,
    all_positions: bool,
    states: Sequence[int],
) -> PlannedBatch:
    """The runs of one position, started from the first changed state S[., position]."""
    whole_state = patch.component in ("resid_pre", "resid_post")
    if whole_state and position == there == 0 < base.pos - 1 and not all_positions:
        # no position precedes the first one, so the runs agree before it
        return plan_batch_after(engine, base, source, 0, states, engine.depth)
    shift = 0 if patch.component == "resid_pre" else 1

    def entering(state: int, rows: slice) -> Tensor:
        ours, theirs = base.rows(rows), source.rows(rows)
        return _entering(engine, theirs, ours, patch, state - shift, position, there)

    cells = dict.fromkeys(states, len(patch.heads or (0,)))
    return plan_batch(
        engine, base, position, cells, entering, stop=engine.depth, all_positions=all_positions
    )


def _entering(
    engine: PatchEngine,
    source: Trace,
    base: Trace,
    patch: Patch,
    layer: int,
    position: int,
    there: int,
) -> Float[Tensor, "cells n changed d_model"]:
    """States S[layer + 1, position:] after a patch (resid_pre: S[layer, position:]).

    Only the changed ones: one position, or for k and v all from there on.
    """
    at, given = slice(position, position + 1), slice(there, there + 1)
    if patch.component == "resid_pre":
        return source.resid[layer][None, :, given]
    if patch.component == "resid_post":
        return source.resid[layer + 1][None, :, given]
    if patch.component == "mlp_out":
        added = (source.resid[layer + 1] - source.mid[layer])[:, given]
        return (base.mid[layer][:, at] + added)[None]
    if patch.component == "resid_mid":
        mid = source.mid[layer][None, :, given]
    elif patch.component == "attn_out":
        added = (source.mid[layer] - source.resid[layer])[:, given]
        mid = (base.resid[layer][:, at] + added)[None]
    else:
        change = _change_of_attention(engine, source, base, patch, layer, position, there)
        mid = base.mid[layer][:, position : position + change.shape[2]] + change
    return engine.mlp(layer, mid)


def _change_of_attention(
    engine: PatchEngine,
    source: Trace,
    base: Trace,
    patch: Patch,
    layer: int,
    position: int,
    there: int,
) -> Float[Tensor, "cells n changed d_model"]:
    """The change that a patch of single heads makes to attention's output where it changes it."""
    component = patch.component
    assert patch.heads is not None
    last = base.pos if component in ("k", "v") else position + 1
    ours = {name: getattr(base, name)[layer][:, : base.pos] for name in "qkv"}
    theirs = {name: getattr(source, name)[layer] for name in "qkv"}
    old = mixed_values(ours["q"][:, position:last], ours["k"][:, :last], ours["v"][:, :last])
    if component == "z":
        at = there + 1
        new = mixed_values(theirs["q"][:, there:at], theirs["k"][:, :at], theirs["v"][:, :at])
    elif component == "pattern":
        weights = pattern(theirs["q"][:, position:last], theirs["k"][:, :last])
        new = torch.einsum("nhqk,nkhd->nqhd", weights, ours["v"][:, :last])
    else:
        patched = ours[component].clone()
        patched[:, position] = theirs[component][:, there]
        ours[component] = patched
        new = mixed_values(ours["q"][:, position:last], ours["k"][:, :last], ours["v"][:, :last])
    heads = list(patch.heads)
    change = (new - old)[:, :, heads]
    return torch.einsum("nqhd,hdm->hnqm", change, engine.head_output(layer)[heads])
