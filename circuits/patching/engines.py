"""Which engine runs a model: ours without hooks, anybody's with them."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from circuits.model.added_hooks import hooked_modules
from circuits.model.bridged import BridgedModel
from circuits.model.hook_free import fast_logits
from circuits.patching.engine import PatchEngine, Trace
from circuits.patching.hooked_engine import HookedEngine, HookedTrace

Engine = PatchEngine | HookedEngine
AnyTrace = Trace | HookedTrace


def engine_for(model: Any) -> Engine:
    """The engine for a model: `PatchEngine` for ours, `HookedEngine` for a bridged one.

    >>> from circuits import HookedTransformer, ModelConfig
    >>> cfg = ModelConfig(n_layers=1, d_model=8, n_ctx=3, d_vocab=10, n_heads=2)
    >>> type(engine_for(HookedTransformer(cfg).eval())).__name__
    'PatchEngine'
    """
    return HookedEngine(model) if isinstance(model, BridgedModel) else PatchEngine(model)


def runs_hooks(model: Any) -> bool:
    """Whether patched runs of this model go through its hook points."""
    return isinstance(model, BridgedModel) or bool(hooked_modules(model))


@torch.no_grad()
def last_logits(model: Any, tokens: Int[Tensor, "n pos"]) -> Float[Tensor, "n d_vocab"]:
    """Logits at the last position, by the fastest way that the model has.

    >>> import torch
    >>> from circuits import HookedTransformer, ModelConfig
    >>> cfg = ModelConfig(n_layers=1, d_model=8, n_ctx=3, d_vocab=10, n_heads=2)
    >>> last_logits(HookedTransformer(cfg).eval(), torch.tensor([[1, 2, 3]])).shape
    torch.Size([1, 10])
    """
    tokens = tokens.to(model.device)
    if not isinstance(model, BridgedModel):
        return fast_logits(model, tokens)
    engine = HookedEngine(model)
    return torch.cat([model(tokens[rows])[:, -1] for rows in engine.parts(*tokens.shape)])
