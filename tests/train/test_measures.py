"""Measures with values that are known beforehand."""

from __future__ import annotations

import pytest
import torch

from train.evaluation import component_of, gradient_weight_cosine, weight_norms, zero_loss_share


def test_only_exact_zeros_are_collapsed() -> None:
    assert zero_loss_share(torch.tensor([0.0, 1e-30, 0.0, 2.0])) == 0.5


def test_norms_add_up_in_squares() -> None:
    norms = weight_norms(
        {"embed.W_E": torch.tensor([3.0]), "blocks.0.mlp.W_in": torch.tensor([[4.0]])}
    )
    assert norms == {"norm/weights": 5.0, "norm/embed": 3.0, "norm/mlp": 4.0}


def test_every_parameter_has_its_component() -> None:
    assert component_of("unembed.W_U") == "unembed"
    assert component_of("pos_embed.W_pos") == "embed"
    assert component_of("blocks.3.attn.W_Q") == "attn"
    assert component_of("blocks.3.ln1.w") == "norm"


def test_a_step_along_the_weights_has_cosine_one() -> None:
    weight = torch.tensor([3.0, 4.0], requires_grad=True)
    assert gradient_weight_cosine([weight]) is None
    weight.grad = -2 * weight.detach()
    assert gradient_weight_cosine([weight]) == pytest.approx(1.0)
    weight.grad = torch.tensor([4.0, -3.0])
    assert gradient_weight_cosine([weight]) == pytest.approx(0.0)
