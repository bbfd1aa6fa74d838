"""Learning rate by step: linear warm-up, then constant, cosine or linear, with a cool-down."""

from __future__ import annotations

import math

from circuits.recipes.schema import TrainingSection


def learning_rate(training: TrainingSection, step: int) -> float:
    """Learning rate of optimizer step `step`, counted from 1.

    The warm-up rises linearly and reaches `lr` at step `warmup`. The cosine and linear schedules
    then fall to 0, which they would reach one step after the last, so that the last step still
    changes the weights. Over the last `cooldown` steps every schedule is also multiplied by a
    factor that falls linearly in the same way.
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
