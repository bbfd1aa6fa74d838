"""How much room each picture and its text take, so that values stay in their cells and titles do
not overlap.

The paper fixes a figure's width; only the number of maps side by side and the lines of their names
can vary.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analyses.figures.renderers.matplotlib.facts import facts_height
from analyses.figures.renderers.text import text_width, widest_piece, wrap
from analyses.figures.specs.charts import Bars, CircuitDiagram, HeatMap, Panels, Spec
from analyses.figures.specs.facts import Neighbourhood, Table

VALUE, TICK = 5.5, 6.5
"""Font sizes of a cell's value and of row and column names, points."""

LINE = 0.115
"""Inches from one line of names to the next."""

ANGLE = 55
"""Degrees by which names are turned that do not fit below their places."""

HIGHEST_CIRCUIT, CLOSEST_ROWS = 7.8, 0.24
"""Inches of all rows of a circuit, and between two of them at least."""

MOST_LINES = 4
"""The most lines of a name below its place before it is turned."""

LONGEST_TURNED = 1.3
"""Length in inches from which a turned name is broken into lines."""

MOST_ANNOTATED = 60
"""The most cells of a map whose values are also written out."""

BAR = 0.68
"""Inches that a colour bar takes with its label."""

MOST_NAMED = 12
"""The most columns that are all named; of more (training steps) only some are."""

MOST_ROWS, MANY_ROWS = 40, 4.0
"""The most rows that are all named, and the inches that more rows take together."""

TITLE_BELOW = 7.0
"""Font size of what the columns are, points."""

MOST_FOR_NAMES = 0.47
"""Share of a figure's width that row names may take before they are broken into lines."""


CHART, SMALLEST_CHART = 1.9, 1.05
"""Inches that a chart is wide at least, and where the figure would not fit a page."""

BESIDE = 0.5
"""Inches that the vertical axis of a chart takes with its numbers and label."""

PAGE = 8.5
"""Inches of a page for the charts of one figure; more would not fit beside a caption."""


def panel_columns(spec: Spec, inches: float) -> int:
    """Number of panels side by side at this width."""
    if not isinstance(spec, Panels):
        return 1
    maps = [p for p in spec.panels if isinstance(p, HeatMap)]
    if len(maps) == len(spec.panels):
        return map_columns(maps, spec.columns, inches)
    least = max(1, min(spec.columns, len(spec.panels), int(inches / CHART)))
    most = max(least, min(spec.columns, len(spec.panels), int(inches / SMALLEST_CHART)))
    for n in range(least, most):
        if -(-len(spec.panels) // n) * max(panel_height(p, inches, n) for p in spec.panels) <= PAGE:
            return n
    return most


def panel_height(spec: Spec, figure_inches: float, n_columns: int) -> float:
    """Height of one of `n_columns` pictures side by side, without header and legend, inches."""
    inches = figure_inches / n_columns
    if isinstance(spec, HeatMap):
        rows = row_height(spec, figure_inches) * len(spec.rows)
        names = column_labels(spec, figure_inches, n_columns).height
        names += LINE * column_title(spec, figure_inches, n_columns).count("\n")
        return 0.75 - LINE + names + max(1.1, rows)  # room for the label of the colour bar
    if isinstance(spec, CircuitDiagram):
        return 0.45 + circuit_row(spec, inches) * (spec.depth + 2.2)
    if isinstance(spec, Table | Neighbourhood):
        return facts_height(spec, inches)
    below = category_labels(spec, inches).height - LINE if isinstance(spec, Bars) else 0.0
    return min(max(0.58 * inches, 1.75), 2.6) + below


def circuit_row(spec: CircuitDiagram, inches: float) -> float:
    """Inches from one row of a circuit to the next; deep circuits draw together to fit a page."""
    usual = 0.42 if inches < 4.5 else 0.56
    return min(usual, max(CLOSEST_ROWS, HIGHEST_CIRCUIT / (spec.depth + 2.2)))


def title_width(spec: Spec, figure_inches: float, n_columns: int) -> float:
    """Inches above a panel that are reserved for its title."""
    if isinstance(spec, HeatMap):
        return 1.06 * map_width(spec, figure_inches, n_columns)
    inches = figure_inches / n_columns
    return min(0.85 * inches, inches - BESIDE)


def most_ticks(widest: str, figure_inches: float, n_columns: int) -> int:
    """How many numbers fit below a chart, given the widest of them; 6 are enough."""
    room = figure_inches / n_columns - BESIDE
    return max(2, min(6, int(room / (text_width(widest, TICK) + 0.08))))


def value_text(value: float, spec: HeatMap) -> str:
    """A cell's value, short: two decimals, one if values reach 10; differences as +.25."""
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
    """Inches of one row: enough for its name, or of very many rows for some of the names."""
    if len(spec.rows) > MOST_ROWS:
        return MANY_ROWS / len(spec.rows)
    lines = max(name.count("\n") + 1 for name in row_names(spec, inches))
    return max(0.04 + LINE * lines, min(0.26, 2.6 / len(spec.rows)))


def map_width(spec: HeatMap, inches: float, side_by_side: int) -> float:
    """Width in inches of each of several maps beside one column of row names and one colour bar."""
    names = max(text_width(name, TICK) for name in row_names(spec, inches))
    return (inches - BAR - 0.2 - names) / side_by_side - 0.08


def map_columns(maps: Sequence[HeatMap], most: int, inches: float) -> int:
    """How many maps may stand side by side so that every value fits into its cell."""
    fitting = (
        n
        for n in range(min(most, len(maps)), 1, -1)
        if all(_free_width(m, inches, n) >= _least_width(m) for m in maps)
    )
    return next(fitting, 1)


def _free_width(spec: HeatMap, inches: float, side_by_side: int) -> float:
    """Width in inches of a map's cells if turned names stick out to its left."""
    labels = column_labels(spec, inches, side_by_side)
    return map_width(spec, inches, side_by_side) - labels.reach


def _least_width(spec: HeatMap) -> float:
    if spec.values.size > MOST_ANNOTATED:
        return 0.6
    values = spec.values[np.isfinite(spec.values)]
    widest = max((text_width(value_text(float(v), spec), VALUE) for v in values), default=0.0)
    return max(0.5, len(spec.columns) * (widest + 0.03))


def column_labels(spec: HeatMap, inches: float, side_by_side: int) -> TickLabels:
    """The names below the columns of a map, given how many maps are side by side.

    Of many columns (training steps) only some are named, on one line.
    """
    if some_named(spec, inches, side_by_side):
        return TickLabels(spec.columns, False, LINE)
    return tick_labels(spec.columns, map_width(spec, inches, side_by_side) / len(spec.columns))


def some_named(spec: HeatMap, inches: float, side_by_side: int) -> bool:
    """Whether only some columns can be named: there are many, or numbers closer than a line."""
    if len(spec.columns) > MOST_NAMED:
        return True
    cell = map_width(spec, inches, side_by_side) / len(spec.columns)
    widest = max((text_width(name, TICK) for name in spec.columns), default=0.0)
    return cell < min(LINE, widest) and all(name.isdecimal() for name in spec.columns)


def column_title(spec: HeatMap, inches: float, side_by_side: int) -> str:
    """What the columns are, on as many lines as fit below one of several maps."""
    return wrap(spec.column_label, title_width(spec, inches, side_by_side), TITLE_BELOW)


def category_labels(spec: Bars, inches: float) -> TickLabels:
    """The names below groups of bars in a chart `inches` wide."""
    return tick_labels(spec.categories, 0.8 * inches / max(1, len(spec.categories)))


@dataclass(frozen=True)
class TickLabels:
    """Names below an axis, unabridged."""

    texts: tuple[str, ...]
    turned: bool
    """Whether they stand at `ANGLE` degrees, their ends at the ticks."""
    height: float
    """Inches below the axis."""
    reach: float = 0.0
    """Inches by which turned names stick out to the left of their places."""


def tick_labels(names: Sequence[str], cell: float) -> TickLabels:
    """Names for places `cell` inches apart: flat on as many lines as fit, else turned."""
    if not names:
        return TickLabels((), False, 0.0)
    room = cell - 0.04
    if max(widest_piece(name, TICK) for name in names) <= room:
        flat = tuple(wrap(name, room, TICK) for name in names)
        lines = max(name.count("\n") + 1 for name in flat)
        if lines <= MOST_LINES:
            return TickLabels(flat, False, LINE * lines)
    return _turned(names, cell)


def _turned(names: Sequence[str], cell: float) -> TickLabels:
    """Names at `ANGLE` degrees, on two lines if long ones then do not touch."""
    angle = math.radians(ANGLE)
    room = LONGEST_TURNED if cell * math.sin(angle) >= 2 * LINE else math.inf
    texts = tuple(wrap(name, room, TICK) for name in names)
    width = max(text_width(name, TICK) for name in texts)
    lines = max(name.count("\n") + 1 for name in texts)
    height = width * math.sin(angle) + LINE * lines * math.cos(angle)
    return TickLabels(texts, True, height, max(0.0, width * math.cos(angle) - cell / 2))
