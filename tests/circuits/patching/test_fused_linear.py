"""The fused linear map is PyTorch's, whatever kernels it runs on."""

import pytest
import torch
import torch.nn.functional as F

from circuits.model.components import ACTIVATIONS
from circuits.patching import fused_linear
from circuits.patching.fused_linear import FusedLinear

WEIGHT, BIAS = torch.randn(16, 24), torch.randn(24)


@pytest.fixture(params=["oneDNN", "plain"])
def linear(request, monkeypatch):
    if request.param == "plain":
        monkeypatch.setattr(fused_linear, "_kernel", lambda: None)
    return FusedLinear(WEIGHT, BIAS)


@pytest.mark.parametrize("strided", [False, True])
def test_product_and_sum_equal_pytorch(linear, strided):
    x, resid = torch.randn(7, 5, 3, 16), torch.randn(7, 5, 3, 24)
    if strided:
        x, resid = x[:, :, -1:], resid[:, :, :1]
    expected = F.linear(x, WEIGHT.T, BIAS)
    torch.testing.assert_close(linear(x), expected, atol=1e-5, rtol=1e-5)
    before = resid.clone()
    torch.testing.assert_close(linear.added_to(resid, x), expected + before, atol=1e-5, rtol=1e-5)
    assert torch.equal(resid, before)


@pytest.mark.parametrize("act_fn", ACTIVATIONS)
def test_every_activation_equals_pytorch(linear, act_fn):
    x = 3 * torch.randn(40, 16)
    expected = ACTIVATIONS[act_fn](F.linear(x, WEIGHT.T, BIAS))
    torch.testing.assert_close(linear.activated(x, act_fn), expected, atol=1e-5, rtol=1e-5)


def test_a_weight_inside_a_larger_one_is_taken_out_of_it():
    linear, x = FusedLinear(WEIGHT[:, 8:], BIAS[8:]), torch.randn(6, 16)
    assert linear.weight.is_contiguous()
    torch.testing.assert_close(linear(x), F.linear(x, WEIGHT.T, BIAS)[:, 8:], atol=1e-5, rtol=1e-5)


def test_double_precision_stays_double():
    linear = FusedLinear(WEIGHT.double(), BIAS.double())
    assert linear.activated(torch.randn(2, 16).double(), "relu").dtype == torch.float64
