"""The surroundings of a figure's axes: header above, legend below.

The legend is made from what the panels say they have drawn. matplotlib's own legends are made from
the labels of artists and leave out those that begin with an underscore; names of facts may begin
with anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure, SubFigure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from analyses.figures.renderers.style import Theme
from analyses.figures.renderers.text import text_width, wrap
from analyses.figures.specs.charts import Bars, CircuitDiagram, Lines, Scatter, Spec, StackedArea

TITLE, LABEL = 8.5, 7.0
"""Font sizes, points."""
SUBTITLE = 6.5
"""Font size of subtitles, ticks and legends, points."""
SIGN = 0.27
"""Inches of an entry's line sample and of the gap after it."""

HeaderLine = tuple[str, float, str]
"""Wrapped text, size in points, weight."""


AnyFigure = Figure | SubFigure
"""A figure, or a part of a sheet that is drawn like one."""


@dataclass(frozen=True)
class Entry:
    """A line of the legend."""

    label: str
    handle: Any
    """The artist, or the container of artists, that it explains."""
    look: tuple[Any, ...]
    """What distinguishes it from another entry with that label: colour, dash."""


@dataclass(frozen=True)
class Drawn:
    """What a panel has drawn and what the legend must explain."""

    entries: tuple[Entry, ...] = ()
    mesh: QuadMesh | None = None
    """The cells of a heat map, for the colour bar."""


def width_of(ax: Axes) -> float:
    """Inches of the figure that these axes are in, or of their part of a sheet."""
    part = ax.get_figure(root=False)
    assert part is not None
    return float(part.bbox.width / part.dpi)


def height_of(ax: Axes) -> float:
    """Height in inches of the figure that these axes are in, or of their part of a sheet."""
    part = ax.get_figure(root=False)
    assert part is not None
    return float(part.bbox.height / part.dpi)


def different(drawn: Sequence[Drawn]) -> list[Entry]:
    """The entries of all panels; entries with equal label and look appear once."""
    found: dict[tuple[Any, ...], Entry] = {}
    for panel in drawn:
        for entry in panel.entries:
            found.setdefault((entry.label, *entry.look), entry)
    return list(found.values())


def _columns(labels: Sequence[str], inches: float) -> int:
    """Entries side by side below a figure."""
    widest = max(text_width(label, SUBTITLE) for label in labels) + SIGN
    return max(1, min(len(labels), int((inches - 0.1) / widest)))


def labels_of(panels: Sequence[Spec]) -> list[str]:
    """The legend's labels, before anything is drawn, because its height is needed first."""
    found: dict[str, None] = {}
    for spec in panels:
        if isinstance(spec, Lines | Bars):
            found |= dict.fromkeys(part.label for part in (*spec.series, *spec.references))
        elif isinstance(spec, Scatter):
            found |= dict.fromkeys(group.label for group in spec.groups)
        elif isinstance(spec, StackedArea):
            found |= dict.fromkeys(spec.labels)
        elif isinstance(spec, CircuitDiagram):
            found |= dict.fromkeys(meaning for _, meaning in spec.legend)
    return list(found)


def _broken(labels: Sequence[str], inches: float) -> list[str]:
    """The labels, those that are wider than the figure on several lines."""
    return [wrap(label, inches - 0.1 - SIGN, SUBTITLE) or label for label in labels]


def legend_rows(labels: Sequence[str], inches: float) -> int:
    """Number of lines of a legend with these labels; a single series needs none."""
    if len(labels) < 2:
        return 0
    broken = _broken(labels, inches)
    more = sum(label.count("\n") for label in broken)
    return -(-len(broken) // _columns(broken, inches)) + more


def legend(figure: AnyFigure, entries: Sequence[Entry], least: int = 2) -> None:
    """A legend below a figure, outside the data; none for fewer than `least` entries."""
    if len(entries) < least:
        return
    inches = figure.bbox.width / figure.dpi
    labels = _broken([entry.label for entry in entries], inches)
    figure.legend(
        [entry.handle for entry in entries],
        labels,
        loc="outside lower center",
        ncols=_columns(labels, inches),
        columnspacing=0.9,
        handlelength=1.6,
        handletextpad=0.5,
    )


def header_lines(spec: Spec, inches: float) -> list[HeaderLine]:
    """Title and subtitle, broken to the figure's width."""
    lines = [
        (wrap(spec.title, inches - 0.1, TITLE, bold=True), TITLE, "bold"),
        (wrap(spec.subtitle, inches - 0.1, SUBTITLE), SUBTITLE, "normal"),
    ]
    return [line for line in lines if line[0]]


def header_height(header: Sequence[HeaderLine]) -> float:
    """Height of the header in inches."""
    return sum(size * 1.3 * (text.count("\n") + 1) for text, size, _ in header) / 72


def draw_header(part: AnyFigure, header: Sequence[HeaderLine], theme: Theme) -> None:
    """Title and subtitle at the top left of a figure, or of a part of a sheet."""
    width, height = part.bbox.width / part.dpi, part.bbox.height / part.dpi
    y = height - 0.03
    for line in header:
        text, size, weight = line
        colour = theme.ink if weight == "bold" else theme.faint
        drawn = part.text(0.05 / width, y / height, text, va="top", linespacing=1.25)
        drawn.set(size=size, weight=weight, color=colour)
        y -= header_height([line])


def place_header(figure: Figure, header: Sequence[HeaderLine], theme: Theme) -> None:
    """Title and subtitle at the top left, the rest of the figure below them."""
    draw_header(figure, header, theme)
    engine = figure.get_layout_engine()
    assert isinstance(engine, ConstrainedLayoutEngine)
    taken = (header_height(header) + 0.04 if header else 0) / figure.get_figheight()
    engine.set(rect=(0, 0, 1, 1 - taken), w_pad=0.03, h_pad=0.03)
