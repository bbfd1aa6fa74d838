"""Norms and activations with their backward passes, for `circuits.model.cpu.block`."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from circuits.model.config import ModelConfig

aten = torch.ops.aten


def normalize(
    x: Float[Tensor, "n d_model"], weights: tuple[Tensor, ...], cfg: ModelConfig
) -> tuple[Float[Tensor, "n d_model"], Any]:
    """The configuration's norm, and what its backward pass needs."""
    if cfg.normalization_type is None:
        return x, None
    if cfg.normalization_type == "LN":
        w, b = weights
        out, mean, rstd = aten.native_layer_norm(x, [cfg.d_model], w, b, cfg.eps)
        return out, (x, mean, rstd)
    rstd = torch.rsqrt(x.square().mean(-1, keepdim=True) + cfg.eps)
    unit = x * rstd
    return unit * weights[0], (unit, rstd)


def normalize_backward(
    dout: Float[Tensor, "n d_model"], saved: Any, weights: tuple[Tensor, ...], cfg: ModelConfig
) -> tuple[Float[Tensor, "n d_model"], tuple[Tensor, ...]]:
    """Gradients of the norm's input and of its weights."""
    if cfg.normalization_type is None:
        return dout, ()
    if cfg.normalization_type == "LN":
        (x, mean, rstd), (w, b) = saved, weights
        wanted = [True, True, True]
        dx, dw, db = aten.native_layer_norm_backward(
            dout, x, [cfg.d_model], mean, rstd, w, b, wanted
        )
        return dx, (dw, db)
    unit, rstd = saved
    dunit = dout * weights[0]
    along = (dunit * unit).mean(-1, keepdim=True)
    return (dunit - unit * along) * rstd, ((dout * unit).sum(0),)


def activate_backward(
    dpost: Float[Tensor, "n d_mlp"], kept: Float[Tensor, "n d_mlp"], act_fn: str
) -> Float[Tensor, "n d_mlp"]:
    """Gradient of the activation's input; ReLU's overwrites dpost."""
    if act_fn == "relu":
        return aten.threshold_backward(dpost, kept, 0, grad_input=dpost)
    if act_fn == "silu":
        return aten.silu_backward(dpost, kept)
    approximate = "tanh" if act_fn == "gelu_new" else "none"
    return aten.gelu_backward(dpost, kept, approximate=approximate)
