"""Attention knockout in models that are not ours, by their patterns.

Bridges may discard edits of scores, so the pattern itself is cut and divided by what is left of it:
the same as a score of -inf, unless a head gives less than 1e-38 to all that is left.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from circuits.patching.hooked_engine import HookedEngine, HookedTrace, check_components
from circuits.patching.role_trace import RoleTrace


def in_roles(trace: HookedTrace | RoleTrace[HookedTrace]) -> RoleTrace[HookedTrace]:
    """Runs read by role, also where every column is one."""
    if isinstance(trace, RoleTrace):
        return trace
    columns = torch.arange(trace.pos, device=trace.tokens.device).expand(trace.n, -1)
    return RoleTrace(trace, columns)


@torch.no_grad()
def hooked_cut_run(
    engine: HookedEngine,
    base: RoleTrace[HookedTrace],
    blocked: Mapping[int, Bool[Tensor, "n query key"]],
) -> Float[Tensor, "n d_vocab"]:
    """`circuits.patching.cut_runs.cut_run` by hooks: a forward pass of the whole model.

    Raises:
        HopscopeError: if the model's patterns cannot be changed.
    """
    check_components(engine.model, ("pattern",))
    tokens, ends = base.whole.tokens, base.columns[:, -1]
    parts = []
    for rows in engine.parts(len(tokens), base.whole.pos):
        hooks = [
            (f"blocks.{i}.attn.hook_pattern", partial(_without, cut=cut[rows][:, None]))
            for i, cut in blocked.items()
        ]
        with engine.model.hooks(fwd_hooks=hooks):
            logits = engine.model(tokens[rows])
        parts.append(_at(logits, ends[rows]))
    return torch.cat(parts)


def _at(
    logits: Float[Tensor, "n pos d_vocab"], ends: Int[Tensor, " n"]
) -> Float[Tensor, "n d_vocab"]:
    return logits[torch.arange(len(logits), device=logits.device), ends]


def _without(pattern: Tensor, hook: Any, *, cut: Bool[Tensor, "n 1 query key"]) -> Tensor:
    left = pattern.masked_fill(cut, 0.0)
    return left / left.sum(-1, keepdim=True).clamp_min(torch.finfo(left.dtype).tiny)
