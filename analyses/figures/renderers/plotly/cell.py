"""A place in a grid of subplots, the legend that its panels share, and axes with names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import plotly.graph_objects as go

from analyses.figures.renderers.plotly.markup import plain
from analyses.figures.renderers.style import VEILED, Theme

HATCHES = 5
"""Half the number of lines of a hatched box."""

MOST_TICKS = 12
"""The most names below an axis; of more columns, every n-th is named."""


@dataclass(frozen=True)
class Cell:
    """Where in a grid of subplots a panel is drawn (counting from 1)."""

    row: int
    column: int
    first: bool = True
    """Leftmost in its row: only there does the vertical axis have a title."""
    named: bool = True
    """Whether its rows have names: maps of the same rows have them at the left only."""
    lowest: bool = True
    """Whether no panel is below it: of maps of the same columns only these say what those are."""
    alone: bool = True
    """First of all panels: only its colour scale is drawn."""
    legend: dict[tuple[str, ...], str] = field(default_factory=dict)
    """What is already explained, by label and look; all panels share this object."""

    @property
    def at(self) -> dict[str, int]:
        """As plotly's keywords."""
        return {"row": self.row, "col": self.column}

    def entry(self, label: str, *look: str) -> dict[str, Any]:
        """plotly's keywords of a trace with this label and look, explained only once."""
        new = (label, *look) not in self.legend
        group = self.legend.setdefault((label, *look), f"entry {len(self.legend)}")
        return {"name": plain(label), "legendgroup": group, "showlegend": new}


def name_ticks(names: Sequence[str], most: int | None = None) -> dict[str, Any]:
    """plotly's keywords of an axis with name i at i."""
    stride = 1 if most is None else max(1, -(-len(names) // most))
    places = list(range(0, len(names), stride))
    return {
        "type": "linear",
        "tickvals": places,
        "ticktext": [plain(names[i]) for i in places],
        "range": [-0.5, len(names) - 0.5],
    }


def cursor_line(figure: go.Figure, cursor: float | None, theme: Theme, cell: Cell) -> None:
    """The vertical line at the timeline's step."""
    if cursor is not None:
        figure.add_vline(cursor, line={"color": theme.ink, "width": 1.4}, **cell.at)


def hatch(
    figure: go.Figure, x: float, y: float, width: float, height: float, theme: Theme, cell: Cell
) -> None:
    """Fade the box around (x, y) towards the paper and hatch it (plotly hatches only bars)."""
    left, bottom = x - width / 2, y - height / 2
    figure.add_shape(
        type="rect", x0=left, x1=left + width, y0=bottom, y1=bottom + height, layer="above",
        fillcolor=theme.paper, opacity=1 - VEILED, line={"width": 0}, **cell.at,
    )  # fmt: skip
    lines = []
    for k in range(1, 2 * HATCHES):
        low, high = max(0.0, k / HATCHES - 1), min(1.0, k / HATCHES)
        start, end = (left + low * width, high * height), (left + high * width, low * height)
        lines.append(f"M{start[0]},{bottom + start[1]}L{end[0]},{bottom + end[1]}")
    figure.add_shape(
        type="path", path="".join(lines), layer="above",
        line={"color": theme.faint, "width": 1}, opacity=0.7, **cell.at,
    )  # fmt: skip
