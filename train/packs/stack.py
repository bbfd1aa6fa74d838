"""The weights of several models in one tensor per parameter, of which each model holds a view."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from circuits.model.plain import PlainTransformer
from circuits.model.stacked import stacked


class ModelStack:
    """Models of one shape, whose parameters from now on are rows of common tensors.

    What updates, saves or loads a model's parameters works as before; what computes with all of
    them uses `weights`.
    """

    def __init__(self, models: Sequence[PlainTransformer]) -> None:
        names = [name for name, _ in models[0].named_parameters()]
        self.cfg = models[0].cfg
        copies = stacked(models)
        self.weights: dict[str, Tensor] = copies | {n: nn.Parameter(copies[n]) for n in names}
        """For `stacked_logits`, [models, ...] each."""
        self._columns: list[tuple[Tensor, list[nn.Parameter]]] = []
        by_model = [dict(model.named_parameters()) for model in models]
        for name in names:
            own = [parameters[name] for parameters in by_model]
            for parameter, row in zip(own, self.weights[name].detach(), strict=True):
                parameter.data = row
            self._columns.append((self.weights[name], own))

    def zero_grad(self) -> None:
        """Drop all gradients, those of the models included."""
        for whole, own in self._columns:
            whole.grad = None
            for parameter in own:
                parameter.grad = None

    def hand_out_gradients(self) -> None:
        """Give each model's parameters their rows of the gradients."""
        for whole, own in self._columns:
            assert whole.grad is not None
            for parameter, row in zip(own, torch.unbind(whole.grad), strict=True):
                parameter.grad = row
