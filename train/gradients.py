"""Gradient filters, applied in place between the backward pass and the optimizer."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


class GrokfastEMA:
    """Amplify the slow part of the gradients (Lee et al., arXiv 2405.20233, algorithm 1).

    mu <- alpha mu + (1 - alpha) g, starting from the first gradient; then g <- g + lambda mu.
    """

    def __init__(self, alpha: float, amplification: float) -> None:
        self.alpha = alpha
        self.amplification = amplification
        self.averages: list[Tensor] = []
        """mu of each parameter; empty before the first step."""

    def __call__(self, parameters: Sequence[Tensor]) -> None:
        """Filter the gradients of these parameters, which must be the same ones each time."""
        gradients = _gradients(parameters)
        if not self.averages:
            self.averages = [gradient.clone() for gradient in gradients]
        torch._foreach_lerp_(self.averages, gradients, 1 - self.alpha)
        torch._foreach_add_(gradients, self.averages, alpha=self.amplification)


def project_orthogonally(parameters: Sequence[Tensor]) -> None:
    """Remove from each gradient its part along the weights, and keep its norm.

    The orthogonal-gradient projection of Prieto et al., arXiv 2501.04697, section 5, per
    parameter tensor: g' = g - (w.g / w.w) w, rescaled to the norm of g. The loss can then no
    longer be lowered by scaling the logits up. A gradient entirely along its weights becomes zero.
    """
    tiny = 1e-30
    for weight, gradient in zip(parameters, _gradients(parameters), strict=True):
        w, g = weight.detach().reshape(-1), gradient.reshape(-1)
        orthogonal = g - (w @ g) / (w @ w + tiny) * w
        size, left = g.norm(), orthogonal.norm()
        rescaled = torch.where(left > 1e-6 * size, orthogonal * (size / (left + tiny)), 0.0)
        gradient.copy_(rescaled.view_as(gradient))


def _gradients(parameters: Sequence[Tensor]) -> list[Tensor]:
    gradients = [p.grad for p in parameters if p.grad is not None]
    assert len(gradients) == len(parameters), "a parameter has no gradient"
    return gradients
