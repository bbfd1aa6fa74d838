"""What is measured of weights, gradients and losses beside the accuracies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor


def zero_loss_share(losses: Float[Tensor, " n"]) -> float:
    """Share of samples whose loss is exactly 0, which then give no gradient.

    Softmax collapse, Prieto et al., arXiv 2501.04697, section 3.
    """
    return float((losses == 0).float().mean())


def component_of(parameter: str) -> str:
    """Component that a parameter belongs to: embed, attn, mlp, unembed or norm."""
    for part, component in (
        ("unembed.", "unembed"),
        ("embed.", "embed"),
        (".attn.", "attn"),
        (".mlp.", "mlp"),
    ):
        if part in parameter:
            return component
    return "norm"


def weight_norms(parameters: Mapping[str, Tensor]) -> dict[str, float]:
    """L2 norm of all weights ("norm/weights") and of those of each component."""
    squares: dict[str, Tensor] = {}
    for name, weight in parameters.items():
        square = weight.detach().float().square().sum()
        component = component_of(name)
        squares[component] = squares.get(component, torch.zeros_like(square)) + square
    sums = zip(squares, torch.stack(list(squares.values())).tolist(), strict=True)
    norms = {f"norm/{c}": s**0.5 for c, s in sorted(sums)}
    return {"norm/weights": sum(n**2 for n in norms.values()) ** 0.5, **norms}


def gradient_weight_cosine(parameters: Sequence[Tensor]) -> float | None:
    """Cosine between minus the gradient and the weights, over all parameters that have both.

    Positive: the step enlarges the weights along themselves (naive loss minimization, arXiv
    2501.04697, section 4). None before the first step or when either vanishes.
    """
    pairs = [(p.detach().float(), p.grad.float()) for p in parameters if p.grad is not None]
    if not pairs:
        return None
    sums = [torch.stack([(w * g).sum(), w.square().sum(), g.square().sum()]) for w, g in pairs]
    inner, *sizes = map(sum, zip(*torch.stack(sums).tolist(), strict=True))  # one wait for a GPU
    norm = (sizes[0] * sizes[1]) ** 0.5
    return -inner / norm if norm > 0 else None
