"""Accuracies of a run with the number of questions behind them and their 95% intervals."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from circuits.runs.run import Run
from circuits.statistics import wilson


class Accuracy(NamedTuple):
    """A share of right answers at each evaluation, with the ends of its Wilson interval."""

    share: Float[np.ndarray, " n"]
    low: Float[np.ndarray, " n"]
    high: Float[np.ndarray, " n"]


def evaluated(run: Run, split: str) -> int:
    """Questions of a split behind each accuracy that was measured while training."""
    return min(run.recipe.evaluation.items, len(run.corpus.splits.get(split, ())))


def with_interval(share: Float[np.ndarray, " n"], n: int) -> Accuracy:
    """The accuracies with their intervals; NaN where nothing was measured.

    >>> accuracy = with_interval(np.array([0.72, np.nan]), 1000)
    >>> [f"{end[0]:.3f}" for end in accuracy], accuracy.low[1]
    (['0.720', '0.691', '0.747'], np.float64(nan))
    """
    low, high = wilson(np.round(np.nan_to_num(share) * n), np.full(len(share), n))
    known = np.isfinite(share)
    return Accuracy(share, np.where(known, low, np.nan), np.where(known, high, np.nan))
