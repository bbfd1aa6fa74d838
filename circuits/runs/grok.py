"""The grok rule: when a run has memorized its questions, and when it has generalized.

A run has memorized at the first evaluation with accuracy >= `MEMORIZED` on its trained inferred
facts, and generalized at the first evaluation from then on with accuracy >= `GENERALIZED` on the
held-out ID questions. Both are steps of evaluations, so they are only as precise as evaluations are
frequent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from circuits.corpus.names import ID_TEST, TRAIN

MEMORIZED = 0.99
"""Accuracy on trained inferred facts at which they count as memorized."""

GENERALIZED = 0.95
"""ID-test accuracy at which the model counts as grokked."""

TRAIN_SPLIT, ID_SPLIT = TRAIN, ID_TEST


@dataclass(frozen=True)
class GrokSummary:
    """When a run memorized and generalized; None for an event that has not happened."""

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
    """Apply the grok rule to the evaluations of a run, in order of step.

    Args:
        steps: Evaluated steps, rising.
        train_accuracy: Accuracy on trained inferred facts at each.
        id_accuracy: Accuracy on held-out ID inferred facts at each.

    >>> grok_summary([0, 100, 200, 400], [0.0, 0.99, 1.0, 1.0], [0.0, 0.4, 0.8, 0.96])
    GrokSummary(memorization_step=100, grok_step=400, delay_ratio=4.0)
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
    """The grok rule applied to rows of `metrics.jsonl`; rows without both splits are skipped."""
    train, held_out = f"accuracy/{TRAIN_SPLIT}", f"accuracy/{ID_SPLIT}"
    used = [row for row in rows if train in row and held_out in row]
    return grok_summary(
        [row["step"] for row in used], [row[train] for row in used], [row[held_out] for row in used]
    )


def first_checkpoint(step: int, checkpoints: Sequence[int]) -> int | None:
    """The first checkpoint at which an event of this step has happened; None: not saved yet.

    >>> first_checkpoint(700, [0, 400, 800]), first_checkpoint(400, [0, 400, 800])
    (800, 400)
    """
    return min((at for at in checkpoints if at >= step), default=None)


def by_step(step: int, checkpoints: Sequence[int]) -> str:
    """When an event was measured while training, and from which checkpoint on a model has it.

    >>> by_step(700, [0, 400, 800])
    'by step 700; first checkpoint after it: 800'
    >>> by_step(400, [0, 400, 800])
    'by step 400'
    """
    at = first_checkpoint(step, checkpoints)
    after = "" if at in (None, step) else f"; first checkpoint after it: {at:,}"
    return f"by step {step:,}{after}"
