"""A figure without its header and legend: panels on a grid, in a figure or in a part of a sheet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from matplotlib.axes import Axes

from analyses.figures.renderers.matplotlib import charts
from analyses.figures.renderers.matplotlib.circuit import draw_circuit
from analyses.figures.renderers.matplotlib.facts import draw_neighbourhood, draw_table
from analyses.figures.renderers.matplotlib.fit import panel_columns, panel_height, title_width
from analyses.figures.renderers.matplotlib.heatmap import (
    colour_bars,
    draw_heat_map,
    drop_values_that_overflow,
)
from analyses.figures.renderers.matplotlib.page import (
    LABEL,
    AnyFigure,
    Drawn,
    Entry,
    different,
    labels_of,
    legend_rows,
)
from analyses.figures.renderers.style import Theme
from analyses.figures.renderers.text import wrap
from analyses.figures.specs.charts import (
    Bars,
    CircuitDiagram,
    HeatMap,
    Lines,
    Panels,
    Scatter,
    Spec,
    StackedArea,
)
from analyses.figures.specs.facts import Neighbourhood, Table

DRAW: dict[type[Spec], Callable[[Axes, Any, Theme], Drawn]] = {
    Lines: charts.draw_lines,
    StackedArea: charts.draw_stacked_area,
    Bars: charts.draw_bars,
    Scatter: charts.draw_scatter,
    HeatMap: draw_heat_map,
    CircuitDiagram: draw_circuit,
    Table: draw_table,
    Neighbourhood: draw_neighbourhood,
}

Body = list[tuple[Spec, Axes, Drawn]]
"""Each panel with its axes and what was drawn into them."""


def leaves(spec: Spec) -> tuple[Spec, ...]:
    """The panels of a figure; a figure without panels is its own."""
    return spec.panels if isinstance(spec, Panels) else (spec,)


def body_height(spec: Spec, inches: float, labels: Sequence[str] | None = None) -> float:
    """Inches that the panels need, with a legend of these labels (None: of all that they have)."""
    panels = leaves(spec)
    n_columns = panel_columns(spec, inches)
    n_rows = -(-len(panels) // n_columns)
    rows = legend_rows(labels_of(panels) if labels is None else labels, inches)
    return n_rows * max(panel_height(p, inches, n_columns) for p in panels) + 0.14 * rows


def draw_body(part: AnyFigure, spec: Spec, inches: float, theme: Theme) -> Body:
    """Draw the panels and their colour bars into a figure, or a part of one, `inches` wide."""
    panels = leaves(spec)
    n_columns = panel_columns(spec, inches)
    n_rows = -(-len(panels) // n_columns)
    axes = part.subplots(n_rows, n_columns, squeeze=False, sharey=_same_rows(panels))
    drawn = _draw_panels(axes, panels, theme, inches, captions=isinstance(spec, Panels))
    colour_bars(part, panels, drawn, theme)
    return [(panel, *pair) for panel, pair in zip(panels, drawn, strict=True)]


def entries_of(body: Body) -> list[Entry]:
    """What the legend of these panels must explain."""
    return different([drawn for _, _, drawn in body])


def tidy_values(body: Body) -> None:
    """Once the layout is fixed: no values in heat maps whose cells are too narrow for them."""
    for panel, ax, _ in body:
        if isinstance(panel, HeatMap):
            drop_values_that_overflow(ax, panel)


def _same_rows(panels: Sequence[Spec]) -> bool:
    """Whether panels can share their vertical axis."""
    if all(isinstance(p, HeatMap) for p in panels):
        return len({p.rows for p in panels if isinstance(p, HeatMap)}) == 1
    if all(isinstance(p, Lines) and p.y_limits for p in panels):
        return len({p.y_limits for p in panels if isinstance(p, Lines)}) == 1
    return False


def _draw_panels(
    axes: Any, panels: Sequence[Spec], theme: Theme, inches: float, captions: bool
) -> list[tuple[Axes, Drawn]]:
    """Draw each panel into its axes; pairs of axes and the drawing's return value."""
    drawn = []
    n_columns = axes.shape[1]
    for i, ax in enumerate(axes.flat):
        if i >= len(panels):
            ax.set_axis_off()
            continue
        drawn.append((ax, DRAW[type(panels[i])](ax, panels[i], theme)))
        if captions:
            room = title_width(panels[i], inches, n_columns)
            ax.set_title(wrap(panels[i].title, room, LABEL), loc="left")
        if i % n_columns and _same_rows(panels):
            ax.set_ylabel("")
        room = panel_height(panels[i], inches, n_columns) - 0.55
        ax.set_ylabel(wrap(ax.get_ylabel(), room, LABEL))
        below = i + n_columns < len(panels)
        if below and isinstance(panels[i], Lines):
            ax.set_xlabel("")
    return drawn
