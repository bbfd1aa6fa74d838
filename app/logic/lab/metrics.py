"""What a cell of the lab's map can say of the run with this cell alone written.

X is the answer that the swapped bridge gives, A the question's own answer, and D = logit(X) -
logit(A), as in Heimersheim and Nanda (2024, arXiv 2404.15255).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

Metric = Callable[[Float[Tensor, "batch pos d_vocab"]], Tensor]


@dataclass(frozen=True)
class LabMetric:
    """One measure of a patched run."""

    title: str
    """With {X} and {A} for the answers' names."""
    about: str
    """How it is read."""
    of: Callable[[Float[Tensor, " d_vocab"], int, int], Metric]
    """The measure, from the unpatched logits and the tokens X and A."""
    limits: tuple[float, float] | None = (0.0, 1.0)
    """Ends of the colour scale; None: as far as the values reach, on both sides of zero."""


def _probability(logits: Tensor, token: int) -> Tensor:
    return logits[0, -1].softmax(-1)[token]


def _difference(logits: Float[Tensor, " d_vocab"], x: int, a: int) -> Tensor:
    return logits[x] - logits[a]


def _turned(before: Float[Tensor, " d_vocab"], x: int, a: int) -> Metric:
    start = _difference(before, x, a)
    return lambda logits: (start - _difference(logits[0, -1], x, a)) / (2 * start)


METRICS = {
    "p_swapped": LabMetric(
        "P({X})", "probability of the answer that the swapped bridge gives",
        lambda _, x, a: lambda logits: _probability(logits, x),
    ),
    "p_own": LabMetric(
        "P({A})", "probability of the question's own answer",
        lambda _, x, a: lambda logits: _probability(logits, a),
    ),
    "logit_difference": LabMetric(
        "logit({X}) - logit({A})", "difference of logits; above zero the swapped answer wins",
        lambda _, x, a: lambda logits: _difference(logits[0, -1], x, a), None,
    ),
    "normalised": LabMetric(
        "logit difference turned round, {A} to {X}",
        "0: the logit difference is as without a patch; 1: it is turned round",
        _turned,
    ),
    "flips": LabMetric(
        "{X} is the top answer", "1 where the top answer becomes the swapped one",
        lambda _, x, a: lambda logits: (logits[0, -1].argmax() == x).float(),
    ),
}  # fmt: skip
"""The measures by name, the first one is shown at first."""
