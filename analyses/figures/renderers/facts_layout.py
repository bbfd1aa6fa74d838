"""How tables and the facts around an entity fill a width, shared by all renderers.

Text is broken into lines, never cut: a column shrinks only down to its widest word, and words are
broken only if even that is too wide.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from analyses.figures.renderers.text import text_width, widest_piece, wrap
from analyses.figures.specs.facts import Neighbourhood, Table

NARROWEST = 0.3
"""The narrowest a column gets, in inches, even if its words are broken."""
STEP = 0.02
"""Inches by which columns are narrowed in turn."""


@dataclass(frozen=True)
class TableLayout:
    """A table whose texts fit into their columns."""

    widths: tuple[float, ...]
    """Inches of each column."""
    rows: tuple[tuple[str, ...], ...]
    """Cells with their line breaks, the heading first."""

    @property
    def lines(self) -> tuple[int, ...]:
        """Number of lines of each row's tallest cell."""
        return tuple(max(text.count("\n") for text in row) + 1 for row in self.rows)


def table_layout(spec: Table, inches: float, size: float, gap: float) -> TableLayout:
    """The shown rows of a table in `inches`, with `gap` between columns, at `size` points."""
    rows = [list(spec.columns), *spec.texts()]
    columns = list(zip(*rows, strict=True))
    widths = [_widest(column, size, text_width) for column in columns]
    room = inches - gap * (len(columns) - 1)
    _narrow(widths, [_widest(column, size, widest_piece) for column in columns], room)
    _narrow(widths, [NARROWEST] * len(widths), room)
    broken = tuple(
        tuple(wrap(t, w, size, bold=r == 0) for t, w in zip(row, widths, strict=True))
        for r, row in enumerate(rows)
    )
    return TableLayout(tuple(widths), broken)


def _widest(column: Sequence[str], size: float, measure: Callable[..., float]) -> float:
    heading, *rest = column
    return max(measure(heading, size, bold=True), *(measure(t, size) for t in rest), 0.0) + 0.01


def _narrow(widths: list[float], least: Sequence[float], room: float) -> None:
    """Narrow the widest columns in turn until the table fits or all are at their least width."""
    while (excess := sum(widths) - room) > 1e-6:
        givers = [i for i, w in enumerate(widths) if w > least[i] + 1e-6]
        if not givers:
            return
        first, *others = sorted(givers, key=lambda i: -widths[i])
        ahead = widths[first] - (widths[others[0]] if others else 0.0)
        widths[first] -= min(widths[first] - least[first], max(ahead, STEP), excess)


def fact_texts(
    spec: Neighbourhood, side: Literal["in", "out"], inches: float, size: float
) -> list[str]:
    """The texts beside the points of a side, broken to `inches`."""
    return [wrap(fact.text(), inches, size) for fact in spec.side(side)]


def fact_lines(spec: Neighbourhood, inches: float, size: float) -> int:
    """Number of lines of the longest fact, which sets the distance of all."""
    texts = fact_texts(spec, "in", inches, size) + fact_texts(spec, "out", inches, size)
    return max((text.count("\n") for text in texts), default=0) + 1
