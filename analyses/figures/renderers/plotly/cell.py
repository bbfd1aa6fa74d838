"""A place in a grid of subplots, the legend that its panels share, and axes with names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import plotly.graph_objects as go

from analyses.figures.renderers.plotly.markup import plain
from analyses.figures.renderers.style import Theme

MOST_TICKS = 12
"""The most names below an axis; of more columns, every n-th is named."""


@dataclass(frozen=True)
class Cell:
    """Where in a grid of subplots a panel is drawn (counting from 1)."""

    row: int
    column: int
    first: bool = True
    """Leftmost in its row: only there does the vertical axis have a title."""
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
