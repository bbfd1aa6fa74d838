"""What is measured while training: accuracy, the grok rule, norms, softmax collapse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

MEMORIZED = 0.99
"""Accuracy on trained inferred facts from which they count as memorized (methods, section 1)."""

GENERALIZED = 0.95
"""ID-test accuracy from which the model counts as grokked."""

TRAIN_SPLIT = "train_inferred"
ID_SPLIT = "id_test"


@dataclass(frozen=True)
class GrokSummary:
    """When a run memorized and when it generalized; None for what has not happened."""

    memorization_step: int | None
    """First evaluated step with train accuracy >= `MEMORIZED`."""
    grok_step: int | None
    """First evaluated step, not before memorization, with ID-test accuracy >= `GENERALIZED`."""
    delay_ratio: float | None
    """grok_step / memorization_step; 1 when they coincide."""

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)


def grok_summary(
    steps: Sequence[int], train_accuracy: Sequence[float], id_accuracy: Sequence[float]
) -> GrokSummary:
    """Apply the grok rule of methods section 1 to the evaluations of a run, in order of step.

    Args:
        steps: Evaluated steps, rising.
        train_accuracy: Accuracy on trained inferred facts at each.
        id_accuracy: Accuracy on held-out ID inferred facts at each.
    """
    memorized = grokked = None
    for step, train, held_out in zip(steps, train_accuracy, id_accuracy, strict=True):
        if memorized is None and train >= MEMORIZED:
            memorized = step
        if memorized is not None and held_out >= GENERALIZED:
            grokked = step
            break
    ratio = grokked / memorized if grokked is not None and memorized else None
    return GrokSummary(memorized, grokked, ratio)


def grok_summary_of_rows(rows: Sequence[Mapping[str, Any]]) -> GrokSummary:
    """The same from rows of `metrics.jsonl`; rows without both splits are passed over."""
    train, held_out = f"accuracy/{TRAIN_SPLIT}", f"accuracy/{ID_SPLIT}"
    used = [row for row in rows if train in row and held_out in row]
    return grok_summary(
        [row["step"] for row in used], [row[train] for row in used], [row[held_out] for row in used]
    )


def accuracy(logits: Float[Tensor, "n d_vocab"], answer: Int[Tensor, " n"]) -> float:
    """Share of rows whose largest logit is the answer's."""
    return float((logits.argmax(-1) == answer).float().mean())


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
