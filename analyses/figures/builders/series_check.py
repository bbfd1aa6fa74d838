"""The figure of a check: how far each step lies from the one before."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from analyses.figures.builders import pick
from analyses.figures.specs.charts import Event, Lines, Series, Spec

if TYPE_CHECKING:
    from circuits.series.record import SeriesCheck

MOST_MARKED = 8
"""Flagged steps that are marked one by one; of more, only their number is said."""


def neighbour_distances(check: SeriesCheck, *, x_log: bool | None = None) -> Spec:
    """Distance of each step from the one before, and the steps that something is wrong with.

    Args:
        check: From `circuits.series.check_series`.
        x_log: Logarithmic steps; None: where steps are spaced like that. Step 0 is no place on it.
    """
    steps = np.array([float(one.step) for one in check.neighbours])
    if x_log is None:
        x_log = len(steps) > 2 and bool(np.median(steps) < 0.1 * steps[-1])
    wrong = f"{len(check.flagged):,} of {len(check.steps):,} steps flagged"
    marked = check.flagged if len(check.flagged) <= MOST_MARKED else ()
    column = {name: np.array([getattr(one, name) for one in check.neighbours])
              for name in ("distance", "low", "high")}  # fmt: skip
    return Lines(
        name="neighbour_distances",
        title="Distance of neighbouring steps",
        subtitle=pick.subtitle(
            wrong if check.flagged else "nothing is wrong",
            "1: root mean square over all pairs of steps",
            "band: 95% interval over tensors",
        ),
        series=(
            Series(
                label="from the step before", x=steps,
                y=column["distance"].astype(float),
                low=column["low"].astype(float), high=column["high"].astype(float),
            ),
        ),
        y_label="distance from the step before",
        x_log=x_log,
        events=tuple(Event(label=f"step {step:,}", x=float(step)) for step in marked),
        provenance={"check": check.source, "layout": check.layout,
                    "flagged": [int(step) for step in check.flagged]},
    )  # fmt: skip
