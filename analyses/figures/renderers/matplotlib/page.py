"""What stands around the axes of a figure: header, legend and colour bars."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from analyses.figures.renderers.fonts import wrap
from analyses.figures.renderers.matplotlib.heatmap import colour_bar
from analyses.figures.renderers.style import Theme
from analyses.figures.specs.charts import (
    Bars,
    CircuitDiagram,
    HeatMap,
    Lines,
    Scatter,
    Spec,
    StackedArea,
)

TITLE, SUBTITLE, LABEL = 8.5, 6.5, 7.0
"""Font sizes, points."""

HeaderLine = tuple[str, float, str]
"""Wrapped text, size in points, weight."""


def header_lines(spec: Spec, inches: float) -> list[HeaderLine]:
    """Title and subtitle, broken to the figure's width."""
    lines = [
        (wrap(spec.title, inches - 0.1, TITLE, bold=True), TITLE, "bold"),
        (wrap(spec.subtitle, inches - 0.1, SUBTITLE), SUBTITLE, "normal"),
    ]
    return [line for line in lines if line[0]]


def header_height(header: Sequence[HeaderLine]) -> float:
    """Inches that the header takes."""
    return sum(size * 1.3 * (text.count("\n") + 1) for text, size, _ in header) / 72


def place_header(figure: Figure, header: Sequence[HeaderLine], theme: Theme) -> None:
    """Title and subtitle at the top left, the rest of the figure below them."""
    width, height = figure.get_size_inches()
    y = height - 0.03
    for line in header:
        text, size, weight = line
        colour = theme.ink if weight == "bold" else theme.faint
        drawn = figure.text(0.05 / width, y / height, text, va="top", linespacing=1.25)
        drawn.set(size=size, weight=weight, color=colour)
        y -= header_height([line])
    engine = figure.get_layout_engine()
    assert isinstance(engine, ConstrainedLayoutEngine)
    taken = (header_height(header) + 0.04 if header else 0) / height
    engine.set(rect=(0, 0, 1, 1 - taken), w_pad=0.03, h_pad=0.03)


def colour_bars(
    figure: Figure, panels: Sequence[Spec], drawn: Sequence[tuple[Axes, Any]], theme: Theme
) -> None:
    """One colour bar for all heat maps on one scale, else one for each."""
    maps = [
        (p, ax, mesh) for p, (ax, mesh) in zip(panels, drawn, strict=True) if isinstance(p, HeatMap)
    ]
    shared = len({(p.limits, p.value_label, p.diverging) for p, _, _ in maps}) == 1
    for group in [maps] if shared else [[m] for m in maps]:
        spec, _, mesh = group[0]
        colour_bar(figure, spec, mesh, [ax for _, ax, _ in group], theme)


def _columns(labels: Sequence[str], inches: float) -> int:
    """Legend entries side by side below a figure."""
    widest = max(len(label) for label in labels) * 0.56 * SUBTITLE / 72 + 0.27
    return max(1, min(len(labels), int((inches - 0.1) / widest)))


def legend_rows(spec: Spec, inches: float) -> int:
    """Lines that the legend below a figure takes."""
    labels: list[str] = []
    if isinstance(spec, Lines | Bars):
        labels = [s.label for s in spec.series] + [r.label for r in spec.references]
    elif isinstance(spec, Scatter):
        labels = [g.label for g in spec.groups]
    elif isinstance(spec, StackedArea):
        labels = list(spec.labels)
    elif isinstance(spec, CircuitDiagram):
        labels = [meaning for _, meaning in spec.legend]
    return -(-len(labels) // _columns(labels, inches)) if len(labels) > 1 else 0


def legend(figure: Figure, axes: Sequence[Axes]) -> None:
    """A legend below the figure, outside the data; none for a single series."""
    entries: dict[str, Any] = {}
    for ax in axes:
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    if len(entries) > 1:
        figure.legend(
            entries.values(),
            entries.keys(),
            loc="outside lower center",
            ncols=_columns(list(entries), figure.get_figwidth()),
            columnspacing=0.9,
            handlelength=1.6,
            handletextpad=0.5,
        )
