"""Predictions at several positions of a row are those of one row each."""

from __future__ import annotations

import pytest
import torch

from circuits.model.config import ModelConfig
from circuits.model.hook_free import fast_logits, plain_logits
from circuits.model.plain import PlainTransformer

TOKENS = torch.randint(0, 5, (40, 7), generator=torch.Generator().manual_seed(0))
OF_ROW = torch.tensor([0, 0, 0, 3, 7, 7, 20, 39, 39, 39, 39])
AT = torch.tensor([0, 3, 6, 2, 5, 1, 4, 0, 1, 2, 3])


@pytest.mark.parametrize("n_layers", [1, 2, 3])
@pytest.mark.parametrize("logits", [fast_logits, plain_logits])
def test_several_predictions_of_a_row_are_those_of_one_row_each(n_layers: int, logits) -> None:  # type: ignore[no-untyped-def]
    cfg = ModelConfig(n_layers=n_layers, d_model=16, n_ctx=7, d_vocab=5, n_heads=2, init_range=0.4)
    model = PlainTransformer(cfg)
    together = logits(model, TOKENS, AT, of_row=OF_ROW)
    alone = plain_logits(model, TOKENS[OF_ROW], AT)
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)
    weights = torch.randn(len(AT), 5, generator=torch.Generator().manual_seed(1))
    gradients = [
        torch.autograd.grad((found * weights).sum(), list(model.parameters()), allow_unused=True)
        for found in (together, alone)
    ]
    for ours, theirs in zip(*gradients, strict=True):
        if theirs is not None and ours is not None:
            torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)
