"""Which function draws which kind of panel with plotly, and how high a panel is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import plotly.graph_objects as go

from analyses.figures.renderers.plotly import charts
from analyses.figures.renderers.plotly.cell import Cell
from analyses.figures.renderers.plotly.circuit import draw_circuit
from analyses.figures.renderers.plotly.facts import draw_neighbourhood, draw_table, facts_height
from analyses.figures.renderers.plotly.heatmap import draw_heat_map
from analyses.figures.renderers.style import Theme
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

DRAW: dict[type[Spec], Callable[[go.Figure, Any, Theme, Cell], None]] = {
    Lines: charts.draw_lines,
    StackedArea: charts.draw_stacked_area,
    Bars: charts.draw_bars,
    Scatter: charts.draw_scatter,
    HeatMap: draw_heat_map,
    CircuitDiagram: draw_circuit,
    Table: draw_table,
    Neighbourhood: draw_neighbourhood,
}


def leaves(spec: Spec) -> tuple[Spec, ...]:
    """The panels of a figure; a figure without panels is its own."""
    return spec.panels if isinstance(spec, Panels) else (spec,)


def columns_of(spec: Spec, most: int | None = None) -> int:
    """Panels side by side, at `most` as many as fit."""
    columns = min(spec.columns, len(spec.panels)) if isinstance(spec, Panels) else 1
    return columns if most is None else max(1, min(columns, most))


def height_of(spec: Spec) -> int:
    """Height of one panel with its legend, pixels."""
    if isinstance(spec, HeatMap):
        return 110 + max(18, min(44, 480 // len(spec.rows))) * len(spec.rows)
    if isinstance(spec, CircuitDiagram):
        return 150 + round(72 * (spec.depth + 2.2))
    if isinstance(spec, Table | Neighbourhood):
        return facts_height(spec)
    return 360
