"""A state is usable exactly where the answer's logits have a gradient with respect to it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from analyses.usable import usable_states
from circuits import HookedTransformer, ModelConfig


@pytest.mark.parametrize(("n_layers", "n_passes", "n_ctx"), [(1, 1, 3), (2, 1, 4), (2, 2, 3)])
def test_a_state_is_usable_if_and_only_if_the_answer_has_a_gradient_there(
    n_layers: int, n_passes: int, n_ctx: int
) -> None:
    cfg = ModelConfig(
        n_layers=n_layers, n_passes=n_passes, d_model=16, n_heads=2, n_ctx=n_ctx, d_vocab=11
    )
    model = HookedTransformer(cfg)
    states: dict[str, torch.Tensor] = {}

    def keep(state: torch.Tensor, hook: object) -> torch.Tensor:
        states[hook.name] = state.requires_grad_() if state.is_leaf else state  # type: ignore[attr-defined]
        states[hook.name].retain_grad()  # type: ignore[attr-defined]
        return state

    names = ["blocks.0.hook_resid_pre"] + [f"blocks.{i}.hook_resid_post" for i in range(cfg.depth)]
    tokens = torch.arange(n_ctx)[None]
    logits = model.run_with_hooks(tokens, fwd_hooks=[(name, keep) for name in names])
    logits[:, -1].square().sum().backward()
    moved = np.array([[bool(g.any()) for g in _gradient(states[name])] for name in names])
    np.testing.assert_array_equal(moved, usable_states(cfg.depth, n_ctx))


def _gradient(state: torch.Tensor) -> torch.Tensor:
    return torch.zeros_like(state[0]) if state.grad is None else state.grad[0]
