"""Patching by single hooks, the slow way, as the oracle of the patching tests; small models."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from torch import Tensor

from circuits.model.transformer import HookedTransformer, ModelConfig
from circuits.patching import HEAD_COMPONENTS

HOOKS = {
    "resid_pre": "hook_resid_pre",
    "resid_mid": "hook_resid_mid",
    "resid_post": "hook_resid_post",
    "attn_out": "hook_attn_out",
    "mlp_out": "hook_mlp_out",
    **{name: f"attn.hook_{name}" for name in HEAD_COMPONENTS},
}


def model_with(**changes: object) -> HookedTransformer:
    fields: dict = {
        "n_layers": 3,
        "d_model": 24,
        "n_ctx": 4,
        "d_vocab": 13,
        "n_heads": 3,
        "init_range": 0.2,
        "act_fn": "gelu",
        **changes,
    }
    model = HookedTransformer(ModelConfig(**fields)).eval()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():  # biases and norms are trivial at initialization; make them count
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
    return model


def prompts(n: int = 9, pos: int = 3, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    clean, corrupted = torch.randint(13, (2, n, pos), generator=generator)
    return clean, corrupted


assert_close = partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-5)


def last_logit(logits: Tensor) -> Tensor:
    return logits[:, -1, 3] - 0.5 * logits[:, -1, 4]


def slow_grid(
    model: HookedTransformer, clean: Tensor, corrupted: Tensor, component: str, metric=last_logit
) -> np.ndarray:
    """One hooked forward pass per cell: layer, position[, head], example."""
    _, cache = model.run_with_cache(clean)
    heads = range(model.cfg.n_heads) if component in HEAD_COMPONENTS else [None]
    layers = []
    for layer in range(model.depth):
        name = f"blocks.{layer}.{HOOKS[component]}"
        cells = []
        for position in range(clean.shape[1]):
            for head in heads:

                def write(x: Tensor, hook: object, p=position, h=head, name=name) -> Tensor:
                    index: tuple = (slice(None), p) if h is None else (slice(None), p, h)
                    if component == "pattern":
                        index = (slice(None), h, p)
                    x = x.clone()
                    x[index] = cache[name][index]
                    return x

                logits = model.run_with_hooks(corrupted, fwd_hooks=[(name, write)])
                cells.append(metric(logits).detach().numpy())
        layers.append(np.stack(cells))
    found = np.stack(layers).reshape(model.depth, clean.shape[1], len(heads), -1)
    return found if component in HEAD_COMPONENTS else found[:, :, 0]
