"""A frozen linear map whose weight is kept as oneDNN's fp32 kernels want it.

On CPUs from other makers than Intel, PyTorch's default products (MKL) use half the vector width
that oneDNN uses: measured on an AMD EPYC, 95 against 210 GFLOP/s per core. oneDNN also applies the
activation or adds the residual stream while the result is still in registers. Where PyTorch has no
such kernels, or the weights are elsewhere or not fp32, the plain operations are used.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from circuits.components import ACTIVATIONS

_FUSED = {  # our names: oneDNN's name and form
    "relu": ("relu", ""),
    "gelu": ("gelu", "none"),
    "gelu_new": ("gelu", "tanh"),
    "silu": ("swish", ""),
}


def _kernels() -> Any | None:
    """oneDNN's operators; None where PyTorch was built without them."""
    if not torch.backends.mkldnn.is_available():
        return None
    found = torch.ops.mkldnn
    needed = ("_linear_pointwise", "_reorder_linear_weight")
    return found if all(hasattr(found, name) for name in needed) else None


class PackedLinear:
    """x @ weight.T + bias, for inference; the weight must not change afterwards."""

    def __init__(self, weight: Float[Tensor, "d_out d_in"], bias: Float[Tensor, " d_out"]) -> None:
        self.weight, self.bias = weight.detach(), bias.detach()
        usable = weight.device.type == "cpu" and weight.dtype == torch.float32
        self._kernels = _kernels() if usable else None
        self._linear = self._kernels._linear_pointwise if self._kernels else None
        self._packed: Tensor | None = None

    def packed(self) -> Tensor:
        """The weight in the order of the kernels, made when first needed."""
        if self._packed is None and self._kernels is not None:
            self._packed = self._kernels._reorder_linear_weight(self.weight)
        return self.weight if self._packed is None else self._packed

    def __call__(self, x: Float[Tensor, "*shape d_in"]) -> Float[Tensor, "*shape d_out"]:
        """The product."""
        if self._linear is None:
            return F.linear(x, self.weight, self.bias)
        return self._linear(x, self.packed(), self.bias, "none", [], "")

    def activated(
        self, x: Float[Tensor, "*shape d_in"], act_fn: str
    ) -> Float[Tensor, "*shape d_out"]:
        """The activation function of the product."""
        if self._linear is None:
            return ACTIVATIONS[act_fn](F.linear(x, self.weight, self.bias))
        name, form = _FUSED[act_fn]
        return self._linear(x, self.packed(), self.bias, name, [], form)

    def added_to(
        self, resid: Float[Tensor, "*shape d_out"], x: Float[Tensor, "*shape d_in"]
    ) -> Float[Tensor, "*shape d_out"]:
        """`resid` plus the product."""
        if self._linear is None:
            return F.linear(x, self.weight, self.bias).add_(resid)
        return self._linear.binary(x, resid.contiguous(), self.packed(), self.bias, "add")
