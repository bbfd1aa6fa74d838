"""A sheet as one plotly figure: panels at places of their own, letters above, legends below.

1. All panels are drawn as one row of subplots: plotly's grids have rows and columns of one size.
2. The axes, tables, colour scales and legends of each are then moved to its place on the sheet.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from analyses.figures.renderers.plotly.cell import Cell
from analyses.figures.renderers.plotly.markup import plain
from analyses.figures.renderers.plotly.panels import DRAW, columns_of, height_of, leaves
from analyses.figures.renderers.style import Theme
from analyses.figures.renderers.text import wrap
from analyses.figures.specs.base import Spec
from analyses.figures.specs.sheet import Place, Sheet

WIDTH = 1000
"""Pixels that the sheet is taken to be wide where text is broken and frames get their margins."""
HEAD, LINE, GAP = 30, 17, 16
"""Pixels of a panel's title, of a line of its notes or of a legend, and between two rows."""
LEAST = 220
"""The least pixels of each of several panels in a panel."""
LEFT, RIGHT, BELOW, BAR = 66, 14, 52, 96
"""Pixels beside and below a panel's frame, for ticks and labels; and for a colour scale."""
INNER = 26
"""Pixels above each of a panel's own panels, for its title."""
NOTES, INCH = 8.5, 96
"""Font size of notes in points; pixels of an inch."""


@dataclass(frozen=True)
class Part:
    """A drawn panel."""

    place: Place
    spec: Spec
    subplots: range
    """Numbers of its subplots, from 1."""
    traces: range
    x: tuple[float, float]
    """From where to where it goes, as shares of the sheet's width."""
    labels: tuple[str, ...]
    """What its traces are called in legends."""
    title: str
    notes: str

    @property
    def columns(self) -> int:
        """Its own panels side by side."""
        return columns_of(self.spec, int((self.x[1] - self.x[0]) * WIDTH / LEAST))

    @property
    def head(self) -> int:
        """Pixels above the panel."""
        notes = self.notes.count("<br>") + 1 if self.notes else 0
        return HEAD + LINE * (notes + self.title.count("<br>"))

    def body(self, own: Sequence[str]) -> int:
        """Pixels of the panel with its axes and a legend of its own."""
        panels = leaves(self.spec)
        rows = -(-len(panels) // self.columns)
        inner = INNER * (len(panels) > 1)
        return rows * (inner + max(map(height_of, panels))) + LINE * len(own) + GAP


def draw_sheet(sheet: Sheet, theme: Theme, title: bool) -> go.Figure:
    """The sheet without its header; `title`: whether with titles and notes beside letters."""
    specs = sheet.drawn_panels()
    figure = make_subplots(1, sum(len(leaves(spec)) for spec in specs))
    parts = list(_drawn(figure, sheet, specs, theme, title))
    several = Counter(label for part in parts for label in part.labels)
    joint = [label for label, n in several.items() if n > 1 and sheet.joint_legend]
    own = [[label for label in part.labels if label not in joint] for part in parts]
    rows = range(1 + max(part.place.row for part in parts))
    heads = [max(p.head for p in parts if p.place.row == row) for row in rows]
    bodies = [
        max(p.body(o) for p, o in zip(parts, own, strict=True) if p.place.row == row)
        for row in rows
    ]
    height = sum(heads) + sum(bodies) + LINE * len(joint) + 10
    mover = Mover(figure, theme, height)
    for part, labels in zip(parts, own, strict=True):
        row = part.place.row
        top = sum(heads[:row]) + sum(bodies[:row])
        mover.head(part, top)
        mover.body(part, top + heads[row], bodies[row], labels)
    if joint:
        mover.legend("legend", LEFT / WIDTH, height - LINE * len(joint) - 4)
    figure.update_layout(height=height)
    return figure


def _drawn(
    figure: go.Figure, sheet: Sheet, specs: Sequence[Spec], theme: Theme, title: bool
) -> Iterator[Part]:
    """Draw the panels side by side."""
    entries: dict[tuple[str, ...], str] = {}
    subplot = 1
    for place, spec in zip(sheet.places(), specs, strict=True):
        if not sheet.joint_legend:
            entries = {(place.letter, str(i)): "" for i in range(len(figure.data))}
        first = len(figure.data)
        ends = (place.column / sheet.columns, (place.column + place.span) / sheet.columns)
        panels, n = leaves(spec), columns_of(spec, int((ends[1] - ends[0]) * WIDTH / LEAST))
        for i, panel in enumerate(panels):
            cell = Cell(1, subplot + i, first=i % n == 0, alone=i == 0, legend=entries)
            DRAW[type(panel)](figure, panel, theme, cell)
        subplots = range(subplot, subplot + len(panels))
        subplot = subplots.stop
        traces = range(first, len(figure.data))
        _hide_shared(figure, place, subplots)
        names = [t.name for t in figure.data[first:] if getattr(t, "legendgroup", None)]
        inches = (ends[1] - ends[0]) * WIDTH / INCH - 0.3
        yield Part(
            place, spec, subplots, traces, ends, tuple(dict.fromkeys(names)),
            plain(wrap(spec.title, inches, 11, bold=True)) if title else "",
            plain(wrap(spec.subtitle, inches, NOTES)) if title and spec.subtitle else "",
        )  # fmt: skip


def _hide_shared(figure: go.Figure, place: Place, subplots: range) -> None:
    for number in subplots:
        at = {"row": 1, "col": number}
        if place.hide_x:
            figure.update_xaxes(title="", showticklabels=False, **at)
        if place.hide_y:
            figure.update_yaxes(title="", showticklabels=False, **at)


@dataclass(frozen=True)
class Mover:
    """Moves what was drawn to its place on a figure `height` pixels high."""

    figure: go.Figure
    theme: Theme
    height: float

    def up(self, pixels: float) -> float:
        """plotly's vertical place of what is so many pixels below the upper edge."""
        return 1 - pixels / self.height

    def write(self, text: str, x: float, top: float, **font: Any) -> None:
        """Text that begins at x (a share of the width), `top` pixels below the upper edge."""
        self.figure.add_annotation(
            x=x, y=self.up(top), xref="paper", yref="paper", xanchor="left", yanchor="top",
            align="left", showarrow=False, text=text, font={"color": self.theme.ink, **font},
        )  # fmt: skip

    def head(self, part: Part, top: float) -> None:
        """The letter with the title beside it, and the notes below."""
        letter = f"<b>{part.place.letter}</b>"
        self.write(f"{letter}  <b>{part.title}</b>" if part.title else letter, part.x[0], top,
                   size=15)  # fmt: skip
        if part.notes:
            below = top + HEAD - 6 + LINE * part.title.count("<br>")
            self.write(part.notes, part.x[0], below, size=11.5, color=self.theme.faint)

    def body(self, part: Part, top: float, height: float, own: Sequence[str]) -> None:
        """The panel's frames, its colour scale, and its own legend below them."""
        traces = [self.figure.data[i] for i in part.traces]
        scales = [t for t in traces if t.type == "heatmap" and t.showscale]
        left, right = part.x[0] + LEFT / WIDTH, part.x[1] - (BAR if scales else RIGHT) / WIDTH
        bottom = top + height - LINE * len(own) - GAP
        panels, n = leaves(part.spec), part.columns
        rows = -(-len(panels) // n)
        step = (right - left + LEFT / WIDTH * 0.5) / n
        inner = INNER * (len(panels) > 1)
        for i, (panel, number) in enumerate(zip(panels, part.subplots, strict=True)):
            row, column = divmod(i, n)
            upper = top + row * (bottom - top) / rows + inner
            lower = top + (row + 1) * (bottom - top) / rows - BELOW
            x = left + column * step
            if inner:
                self.write(plain(panel.title), x, upper - INNER, size=12.5)
            self._frame(
                number, (x, x + step - LEFT / WIDTH * 0.5), (self.up(lower), self.up(upper))
            )
        for scale in scales:
            ends = self.up(bottom - BELOW), self.up(top + inner)
            scale.colorbar.update(
                x=right + 0.008, xanchor="left", y=sum(ends) / 2, len=ends[1] - ends[0]
            )
        for table in (t for t in traces if t.type == "table"):
            table.domain.update(x=[part.x[0], part.x[1]], y=[self.up(bottom), self.up(top)])
        self._own_legend(part, own, bottom)

    def _frame(self, number: int, x: tuple[float, float], y: tuple[float, float]) -> None:
        at = {"row": 1, "col": number}
        self.figure.update_xaxes(domain=[max(0, x[0]), min(1, x[1])], **at)
        self.figure.update_yaxes(domain=[max(0, y[0]), min(1, y[1])], **at)

    def _own_legend(self, part: Part, own: Sequence[str], top: float) -> None:
        if not own:
            return
        name = f"legend{part.subplots.start + 1}"
        for i in part.traces:
            if getattr(self.figure.data[i], "name", None) in own:
                self.figure.data[i].legend = name
        self.legend(name, part.x[0] + LEFT / WIDTH, top)

    def legend(self, name: str, x: float, top: float) -> None:
        """A legend whose upper left corner is here, one entry a line."""
        self.figure.update_layout(
            {name: {"x": x, "y": self.up(top), "xanchor": "left", "yanchor": "top",
                    "orientation": "v", "font": {"size": 12}, "tracegroupgap": 0,
                    "bgcolor": "rgba(0,0,0,0)"}}
        )  # fmt: skip
