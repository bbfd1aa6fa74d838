"""The surroundings of a figure's axes: header and colour bars."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from analyses.figures.renderers.matplotlib.heatmap import colour_bar
from analyses.figures.renderers.matplotlib.legend import SUBTITLE, Drawn
from analyses.figures.renderers.style import Theme
from analyses.figures.renderers.wrapping import wrap
from analyses.figures.specs.charts import HeatMap, Spec

TITLE, LABEL = 8.5, 7.0
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
    """Height of the header in inches."""
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
    figure: Figure, panels: Sequence[Spec], drawn: Sequence[tuple[Axes, Drawn]], theme: Theme
) -> None:
    """One colour bar if all heat maps share a scale, else one for each."""
    maps = [
        (panel, ax, found.mesh)
        for panel, (ax, found) in zip(panels, drawn, strict=True)
        if isinstance(panel, HeatMap) and found.mesh is not None
    ]
    shared = len({(p.limits, p.value_label, p.diverging) for p, _, _ in maps}) == 1
    for group in [maps] if shared else [[m] for m in maps]:
        spec, _, mesh = group[0]
        colour_bar(figure, spec, mesh, [ax for _, ax, _ in group], theme)
