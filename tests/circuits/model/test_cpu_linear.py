"""Fused products are PyTorch's own, with and without oneDNN's instructions for bf16."""

from __future__ import annotations

import pytest
import torch

from circuits.model.components import ACTIVATIONS
from circuits.model.cpu import linear as module


@pytest.fixture(params=[True, False], ids=["as here", "older processor"])
def supported(request, monkeypatch):
    if not request.param:
        monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: False)
        monkeypatch.setattr(torch.ops.mkldnn, "_linear_pointwise", _refuse)
    module._has_kernels.cache_clear()
    yield request.param
    module._has_kernels.cache_clear()


def _refuse(*given):
    raise AssertionError("this processor has no such instructions")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("act_fn", ["relu", "gelu", "gelu_new", "silu"])
def test_a_product_with_its_bias_and_activation_is_that_of_pytorch(supported, act_fn, dtype):
    generator = torch.Generator().manual_seed(0)
    x, weight, bias = (
        torch.randn(size, generator=generator).to(dtype) for size in ((40, 16), (16, 24), (24,))
    )
    expected = x.double() @ weight.double() + bias.double()
    close = {"atol": 1e-5, "rtol": 1e-5} if dtype == torch.float32 else {"atol": 0.1, "rtol": 0.02}
    found = module.linear(x, weight, bias)
    assert found.dtype == dtype
    torch.testing.assert_close(found.double(), expected, **close)
    _, post = module.linear_activated(x, weight, bias, act_fn)
    torch.testing.assert_close(post.double(), ACTIVATIONS[act_fn](expected), **close)
