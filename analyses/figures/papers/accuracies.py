"""Accuracy of a family of runs: over training, and at its end, with intervals.

With enough seeds the interval is Student's over runs; with fewer it is Wilson's over the questions
of the first run.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from analyses.figures.builders.training import training_of
from analyses.figures.papers.families import Family
from analyses.figures.specs.charts import Series
from analyses.figures.words import shortcut_words, split_of, words
from circuits.statistics import over_runs

TRAIN, ID, OOD = "train_inferred", "id_test", "ood_test"


@dataclass(frozen=True)
class Curve:
    """Mean accuracy of a family on a split over training."""

    steps: Float[np.ndarray, " steps"]
    mean: Float[np.ndarray, " steps"]
    low: Float[np.ndarray, " steps"]
    high: Float[np.ndarray, " steps"]
    questions: int
    """Of one run."""
    over: str
    """What the interval is over: "runs" or "questions"."""


def curve(family: Family, split: str) -> Curve | None:
    """Accuracy at the steps that all runs of the family have; None: the split does not exist."""
    tables = [training_of(run) for run in family.runs]
    if any(split not in table["split"].values for table in tables):
        return None
    steps = sorted(set.intersection(*(set(t["step"].values.tolist()) for t in tables)))
    if not steps:
        return None
    picked = [t.sel(split=split, step=steps) for t in tables]
    values = np.stack([t["accuracy"].values for t in picked])
    found = over_runs(values)
    low, high, over = np.clip(found.low, 0, 1), np.clip(found.high, 0, 1), "runs"
    if np.isnan(low).all():
        low, high = picked[0]["accuracy_low"].values, picked[0]["accuracy_high"].values
        over = "questions" if len(family.runs) == 1 else "questions of the first run"
    known = np.isfinite(found.mean)
    return Curve(
        np.asarray(steps, float)[known], found.mean[known], low[known], high[known],
        int(picked[0]["n"]), over,
    )  # fmt: skip


def accuracy_series(family: Family, splits: tuple[str, ...]) -> tuple[tuple[Series, ...], str]:
    """Curves of several splits, and the note that says what they are."""
    found = {split: c for split in splits if (c := curve(family, split)) is not None}
    series = tuple(
        Series(label=words(split), x=c.steps, y=c.mean, low=c.low, high=c.high,
               colour=split_of(split).colour)
        for split, c in found.items()
    )  # fmt: skip
    counts = ", ".join(f"{c.questions:,} ({words(s)})" for s, c in found.items())
    over = next((c.over for c in found.values()), "questions")
    return series, f"n = {counts} · bands: 95% intervals over {over}"


@dataclass(frozen=True)
class Shortcut:
    """The best answerer that does not compose."""

    accuracy: float
    how: str
    """What it relies on, in words."""


def best_shortcut(family: Family, split: str) -> Shortcut | None:
    """The best shortcut on a split, averaged over the family's runs; None if none was measured."""
    rows = [run.baselines.get(split, {}) for run in family.runs]
    names = set.intersection(*(set(row) for row in rows))
    means = {name: float(np.mean([row[name] for row in rows])) for name in sorted(names)}
    finite = {name: value for name, value in means.items() if np.isfinite(value)}
    if not finite:
        return None
    best = max(finite, key=lambda name: finite[name])
    return Shortcut(finite[best], shortcut_words(best))
