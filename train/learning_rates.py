"""The learning rate of each step: linear warm-up, then constant, cosine or linear; cool-down."""

from __future__ import annotations

import math

from circuits.recipes.schema import TrainingSection


def learning_rate(training: TrainingSection, step: int) -> float:
    """Learning rate of optimizer step `step`, counted from 1.

    Warm-up rises linearly and reaches `lr` at step `warmup`. Cosine and linear then fall and
    would reach 0 one step after the last, so that the last step still moves the weights. Over
    the last `cooldown` steps any schedule also falls linearly, to 0 one step after the last.
    """
    left = (training.steps + 1 - step) / training.cooldown if training.cooldown else 1.0
    return _scheduled(training, step) * min(1.0, left)


def _scheduled(training: TrainingSection, step: int) -> float:
    if step <= training.warmup:
        return training.lr * step / training.warmup
    if training.schedule == "constant":
        return training.lr
    rest = (step - training.warmup) / max(1, training.steps + 1 - training.warmup)
    if training.schedule == "cosine":
        return training.lr * 0.5 * (1 + math.cos(math.pi * rest))
    return training.lr * (1 - rest)
