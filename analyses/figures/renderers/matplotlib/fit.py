"""How much room the words of maps take, so that values stay in their cells and titles apart.

A figure's width is fixed by the paper; what can give way is how many maps stand side by side and
into how many lines their names are broken.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from analyses.figures.renderers.fonts import wrap
from analyses.figures.specs.charts import HeatMap

VALUE, TICK = 5.5, 6.5
"""Font sizes of a cell's value and of row and column names, points."""

MOST_ANNOTATED = 60
"""Cells up to which each value is also written out."""

BAR = 0.68
"""Inches that a colour bar takes with its label."""

MOST_FOR_NAMES = 0.47
"""Share of a figure's width that row names may take before they are broken into lines."""


def words_width(text: str, size: float) -> float:
    """Inches of the longest line of `text` at `size` points, by the average letter."""
    return max(len(line) for line in f"{text}\n".split("\n")) * 0.57 * size / 72


def value_text(value: float, spec: HeatMap) -> str:
    """A cell's value, short: two decimals, one where values reach 10; differences as +.25."""
    if spec.diverging:
        text = f"{value:+.2f}".replace("0.", ".") if abs(value) >= 0.005 else "0"
    else:
        decimals = 1 if max(map(abs, spec.limits)) >= 10 else 2
        text = f"{round(value, decimals) + 0.0:.{decimals}f}"  # + 0.0: no minus before a zero
    return text.replace("-", "\N{MINUS SIGN}")


def row_names(spec: HeatMap, inches: float) -> list[str]:
    """The names beside the rows of a map in a figure `inches` wide, broken where they are long."""
    return [wrap(name, MOST_FOR_NAMES * inches, TICK) for name in spec.rows]


def row_height(spec: HeatMap, inches: float) -> float:
    """Inches of one row: enough for its name."""
    lines = max(name.count("\n") + 1 for name in row_names(spec, inches))
    return max(0.04 + 0.115 * lines, min(0.26, 2.6 / len(spec.rows)))


def map_width(spec: HeatMap, inches: float, side_by_side: int) -> float:
    """Inches of each of so many maps beside one column of row names and one colour bar."""
    names = max(words_width(name, TICK) for name in row_names(spec, inches))
    return (inches - BAR - 0.2 - names) / side_by_side - 0.08


def map_columns(maps: Sequence[HeatMap], most: int, inches: float) -> int:
    """How many maps may stand side by side so that every value fits into its cell."""
    fitting = (
        n
        for n in range(min(most, len(maps)), 1, -1)
        if all(map_width(m, inches, n) >= _least_width(m) for m in maps)
    )
    return next(fitting, 1)


def _least_width(spec: HeatMap) -> float:
    if spec.values.size > MOST_ANNOTATED:
        return 0.6
    values = spec.values[np.isfinite(spec.values)]
    widest = max((words_width(value_text(float(v), spec), VALUE) for v in values), default=0.0)
    return max(0.5, len(spec.columns) * (widest + 0.03))
