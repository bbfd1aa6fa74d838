"""Metrics with values that are known beforehand."""

from __future__ import annotations

import pytest
import torch

from circuits.runs.grok import (
    GrokSummary,
    accuracy,
    component_of,
    gradient_weight_cosine,
    grok_summary,
    grok_summary_of_rows,
    weight_norms,
    zero_loss_share,
)


def test_generalization_counts_from_memorization_on() -> None:
    steps = [0, 100, 200, 300, 400]
    train = [0.0, 0.98, 0.99, 1.0, 1.0]
    held_out = [0.0, 0.96, 0.5, 0.94, 0.95]
    assert grok_summary(steps, train, held_out) == GrokSummary(200, 400, 2.0)


def test_both_may_fall_on_one_step() -> None:
    assert grok_summary([0, 50], [0.1, 1.0], [0.0, 1.0]) == GrokSummary(50, 50, 1.0)


def test_what_has_not_happened_is_none() -> None:
    assert grok_summary([0, 50], [0.1, 0.9], [0.0, 1.0]) == GrokSummary(None, None, None)
    assert grok_summary([0, 50], [0.1, 1.0], [0.0, 0.9]) == GrokSummary(50, None, None)
    assert grok_summary_of_rows([{"step": 0}]) == GrokSummary(None, None, None)


def test_accuracy_counts_the_largest_logit() -> None:
    logits = torch.tensor([[0.0, 1.0], [2.0, 1.0], [0.0, 3.0]])
    assert accuracy(logits, torch.tensor([1, 1, 1])) == pytest.approx(2 / 3)


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
