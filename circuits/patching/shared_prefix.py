"""Patching between runs that agree before the patched position: half the work of a sweep.

If two prompts have the same tokens before position p, a state S[l, p] written from one into the
other goes on at p exactly as in the run it came from, since p attends to itself and to what both
share. Its keys and values in all later blocks are known, and only positions after p are run. In
the block where a patch enters, even their queries, keys and values are still those of the base.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from circuits.patching.engine import PatchEngine, Trace
from circuits.patching.short_attention import attend


@torch.no_grad()
def sweep_after(
    engine: PatchEngine,
    base: Trace,
    source: Trace,
    position: int,
    layers: Sequence[int],
    stop: int,
) -> dict[int, Float[Tensor, "draws n d_vocab"]]:
    """Logits at the last position of runs of `base` with S[layer, position] from `source`.

    Args:
        engine: Of the model.
        base: The n runs that are patched.
        source: draws * n runs (all of draw 0 first) with base's tokens before `position`.
        position: Any but the last one, whose state is read in the end.
        layers: Rising, each below `stop`.
        stop: Number of blocks before the state whose logits are read (the depth: the output).
    """
    assert position < base.pos - 1
    if not layers:
        return {}
    draws = source.n // base.n
    step = engine.rows_at_once(len(layers) * draws * (base.pos - 1 - position))
    chunks = [slice(first, first + step) for first in range(0, base.n, step)]
    parts = [_swept(engine, base, source, position, layers, stop, rows) for rows in chunks]
    return dict(zip(layers, torch.cat(parts, 1).split(draws), strict=True))


def _swept(
    engine: PatchEngine,
    base: Trace,
    source: Trace,
    position: int,
    layers: Sequence[int],
    stop: int,
    rows: slice,
) -> Float[Tensor, "cells n d_vocab"]:
    draws = source.n // base.n
    suffix = base.pos - 1 - position
    x: Tensor | None = None
    for i in range(layers[0], stop):
        last_only = i == stop - 1
        parts = []
        if x is not None:
            parts.append((*engine.qkv(i, x, last_only=last_only), x))
        if i in layers:
            later = (part[i][rows, -suffix:] for part in (base.q, base.k, base.v, base.resid))
            q, k, v, resid = (part.expand(draws, *part.shape) for part in later)
            parts.append((q[:, :, -1:] if last_only else q, k, v, resid))
        q, k, v, x = (torch.cat(same) for same in zip(*parts, strict=True))
        entered = len(x) // draws
        patched_k, patched_v = (
            new[i][:, position].unflatten(0, (draws, -1))[:, rows].repeat(entered, 1, 1, 1)
            for new in (source.k, source.v)
        )
        keys = [*base.k[i][rows, :position].unbind(1), patched_k, *k.unbind(2)]
        values = [*base.v[i][rows, :position].unbind(1), patched_v, *v.unbind(2)]
        x = engine.rest_of_block(i, x[:, :, -1:] if last_only else x, attend(q, keys, values))
    assert x is not None
    return engine.logits(x[:, :, -1])
