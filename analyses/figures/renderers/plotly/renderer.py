"""Specs as plotly figures, for notebooks, the dashboard and HTML export."""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from analyses.figures.renderers.plotly import charts
from analyses.figures.renderers.plotly.cell import Cell
from analyses.figures.renderers.plotly.circuit import draw_circuit
from analyses.figures.renderers.plotly.facts import draw_neighbourhood, draw_table, facts_height
from analyses.figures.renderers.plotly.heatmap import draw_heat_map
from analyses.figures.renderers.plotly.markup import plain
from analyses.figures.renderers.style import Theme, theme_of
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

FONT = "system-ui, -apple-system, 'Segoe UI', 'Noto Sans', 'DejaVu Sans', sans-serif"
HEADER, LINE = 76, 16
"""Pixels that title and subtitle take, and each further line of the subtitle."""

SUBTITLE_WIDTH = 7.5
"""Width of a line of the subtitle in inches, 720 pixels."""

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


def to_plotly(
    spec: Spec, *, theme: str = "light", title: bool = True, height: int | None = None
) -> go.Figure:
    """The plotly figure of `spec`, as wide as its container, `height` pixels high or as needed."""
    page = theme_of(theme)
    panels = spec.panels if isinstance(spec, Panels) else (spec,)
    n_columns = min(spec.columns, len(panels)) if isinstance(spec, Panels) else 1
    n_rows = -(-len(panels) // n_columns)
    figure = make_subplots(
        n_rows,
        n_columns,
        subplot_titles=[plain(p.title) for p in panels] if isinstance(spec, Panels) else None,
        horizontal_spacing=0.08 if n_columns > 1 else 0,
        vertical_spacing=0.3 / n_rows if n_rows > 1 else 0,
    )
    legend: dict[tuple[str, ...], str] = {}
    for i, panel in enumerate(panels):
        row, column = divmod(i, n_columns)
        cell = Cell(row + 1, column + 1, first=column == 0, alone=i == 0, legend=legend)
        DRAW[type(panel)](figure, panel, page, cell)
    needed = n_rows * max(_height(p) for p in panels) + (_header(spec) if title else 20)
    _layout(figure, spec, page, title, height or needed)
    return figure


def to_html(spec: Spec, *, theme: str = "light", title: bool = True) -> str:
    """A whole page that needs no network: plotly.js is inside."""
    page = theme_of(theme)
    body = to_plotly(spec, theme=theme, title=title).to_html(
        full_html=False, include_plotlyjs=True, div_id="figure", config={"displaylogo": False}
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{html.escape(spec.title)}</title>"
        f"<style>body{{margin:12px;background:{page.paper}}}</style></head>\n"
        f"<body>{body}</body></html>\n"
    )


def _height(spec: Spec) -> int:
    """Height of one panel with its legend, pixels."""
    if isinstance(spec, HeatMap):
        return 110 + max(18, min(44, 480 // len(spec.rows))) * len(spec.rows)
    if isinstance(spec, CircuitDiagram):
        return 150 + round(72 * (spec.depth + 2.2))
    if isinstance(spec, Table | Neighbourhood):
        return facts_height(spec)
    return 360


def _header(spec: Spec) -> int:
    """Pixels above the plots: title and every line of the subtitle."""
    return HEADER + LINE * wrap(spec.subtitle, SUBTITLE_WIDTH, 9).count("\n")


def _layout(figure: go.Figure, spec: Spec, theme: Theme, title: bool, height: int) -> None:
    subtitle = plain(wrap(spec.subtitle, SUBTITLE_WIDTH, 9))
    top = _header(spec) + 24 * isinstance(spec, Panels) if title else 28
    figure.update_layout(
        template="plotly_white" if theme.name == "light" else "plotly_dark",
        paper_bgcolor=theme.paper,
        plot_bgcolor=theme.paper,
        font={"family": FONT, "size": 13, "color": theme.ink},
        height=height,
        margin={"l": 64, "r": 24, "t": top, "b": 56},
        legend={"orientation": "h", "yref": "container", "y": 0, "yanchor": "bottom", "x": 0},
        hoverlabel={"font": {"family": FONT}},
    )  # fmt: skip
    if title:
        figure.update_layout(
            title={
                "text": f"<b>{plain(spec.title)}</b>",
                "subtitle": {"text": subtitle, "font": {"size": 12, "color": theme.faint}},
                "x": 0.01,
                "yref": "container",
                "y": 1 - 24 / height,
                "yanchor": "middle",
                "font": {"size": 16},
            }
        )
    for annotation in figure.layout.annotations:
        if annotation.xref == "paper" and annotation.yref == "paper":  # titles of panels
            annotation.update(font={"size": 13, "color": theme.ink})
