"""A linear map by oneDNN's fp32 kernels.

On CPUs not made by Intel, PyTorch's default products (MKL) use half the vector width of oneDNN: 95
against 210 GFLOP/s per core, measured on an AMD EPYC. oneDNN also applies ReLU or adds the residual
stream while the result is still in registers. Its GELU and SiLU take nearly as long as a product of
768 numbers each, PyTorch's vectorized ones a tenth of it, so these are applied afterwards. If
PyTorch lacks these kernels, or the weights are not fp32 on the CPU, plain operations are used.
Weights are not reordered for the kernels beforehand: that saves 1 to 2% of a product and takes
0.1 ms each.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from circuits.model.components import ACTIVATIONS

_AFTERWARDS: dict[str, Callable[[Tensor], Tensor]] = {  # in place
    "gelu": torch.ops.aten.gelu_,
    "gelu_new": partial(torch.ops.aten.gelu_, approximate="tanh"),
    "silu": torch.ops.aten.silu_,
}


def _kernel() -> Any | None:
    """oneDNN's operator; None if PyTorch was built without it."""
    if not torch.backends.mkldnn.is_available():
        return None
    found = torch.ops.mkldnn
    return found._linear_pointwise if hasattr(found, "_linear_pointwise") else None


class FusedLinear:
    """x @ weight + bias, for inference; the weight must not change afterwards."""

    def __init__(self, weight: Float[Tensor, "d_in d_out"], bias: Float[Tensor, " d_out"]) -> None:
        # on a view of a larger weight the kernels take hundreds of times as long
        self.weight, self.bias = weight.detach().contiguous(), bias.detach()
        usable = weight.device.type == "cpu" and weight.dtype == torch.float32
        self._transposed = self.weight.T
        self._linear = _kernel() if usable else None

    def __call__(self, x: Float[Tensor, "*shape d_in"]) -> Float[Tensor, "*shape d_out"]:
        """The product."""
        if self._linear is None:
            return F.linear(x, self._transposed, self.bias)
        return self._linear(x, self._transposed, self.bias, "none", [], "")

    def activated(
        self, x: Float[Tensor, "*shape d_in"], act_fn: str
    ) -> Float[Tensor, "*shape d_out"]:
        """The activation function of the product."""
        if self._linear is None:
            return ACTIVATIONS[act_fn](F.linear(x, self._transposed, self.bias))
        if act_fn == "relu":
            return self._linear(x, self._transposed, self.bias, "relu", [], "")
        return _AFTERWARDS[act_fn](self(x))

    def added_to(
        self, resid: Float[Tensor, "*shape d_out"], x: Float[Tensor, "*shape d_in"]
    ) -> Float[Tensor, "*shape d_out"]:
        """`resid` plus the product."""
        if self._linear is None:
            return F.linear(x, self._transposed, self.bias).add_(resid)
        return self._linear.binary(x, resid.contiguous(), self._transposed, self.bias, "add")
