"""Matrix products with their bias, and activation, in one pass over the result.

PyTorch's `addmm` first fills the result with the bias and then adds the product to it. oneDNN adds
the bias and applies ReLU while the result is still in registers (measured at 3,296 x 128 x 512 in
bf16: 0.58 ms for product, bias and ReLU against 0.81).
"""

from __future__ import annotations

from functools import cache

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def linear(
    x: Float[Tensor, "n d_in"], weight: Float[Tensor, "d_in d_out"], bias: Float[Tensor, " d_out"]
) -> Float[Tensor, "n d_out"]:
    """x @ weight + bias."""
    if _fused(x):
        return torch.ops.mkldnn._linear_pointwise(x, weight.T, bias, "none", [], "")
    return torch.addmm(bias, x, weight)


def linear_activated(
    x: Float[Tensor, "n d_in"],
    weight: Float[Tensor, "d_in d_out"],
    bias: Float[Tensor, " d_out"],
    act_fn: str,
) -> tuple[Float[Tensor, "n d_out"], Float[Tensor, "n d_out"]]:
    """The activation of x @ weight + bias, preceded by what its backward pass needs."""
    if act_fn == "relu":
        if _fused(x):
            post = torch.ops.mkldnn._linear_pointwise(x, weight.T, bias, "relu", [], "")
        else:
            post = torch.addmm(bias, x, weight).relu_()
        return post, post
    pre = linear(x, weight, bias)
    if act_fn == "silu":
        return pre, F.silu(pre)
    return pre, F.gelu(pre, approximate="tanh" if act_fn == "gelu_new" else "none")


def _fused(x: Tensor) -> bool:
    """Whether to use oneDNN's kernel; in fp32 PyTorch's own products are as fast."""
    return x.dtype == torch.bfloat16 and _has_kernels()


@cache
def _has_kernels() -> bool:
    """Whether PyTorch has oneDNN's operator, and this processor the instructions for bf16."""
    if not torch.backends.mkldnn.is_available():
        return False
    found = torch.ops.mkldnn
    needed = ("_linear_pointwise", "_is_mkldnn_bf16_supported")
    return all(hasattr(found, name) for name in needed) and found._is_mkldnn_bf16_supported()
