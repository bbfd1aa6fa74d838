"""Lines, heat maps, stacked areas, bars and scatter plots drawn into plotly subplots."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from analyses.figures.renderers.style import (
    Theme,
    category,
    diverging,
    ink_on,
    rgb,
    sequential,
    series_colour,
    stop_at,
)
from analyses.figures.specs.charts import Bars, HeatMap, Lines, Reference, Scatter, StackedArea

MOST_ANNOTATED = 60
"""Cells of a heat map up to which each value is also written out."""


@dataclass(frozen=True)
class Cell:
    """Where in a grid of subplots a panel is drawn (counting from 1)."""

    row: int
    column: int
    first: bool = True
    """Leftmost in its row: only there does the vertical axis have a title."""
    alone: bool = True
    """First panel of all: only its entries are put into the legend."""

    @property
    def at(self) -> dict[str, int]:
        """As plotly's keywords."""
        return {"row": self.row, "col": self.column}


def _faded(colour: str, alpha: float) -> str:
    return "rgba({},{},{},{})".format(*(round(255 * c) for c in rgb(colour)), alpha)


def draw_lines(figure: go.Figure, spec: Lines, theme: Theme, cell: Cell) -> None:
    """Curves, bands, reference levels, events and the cursor."""
    for s in spec.series:
        colour = series_colour(s.colour, theme.name)
        if s.low is not None and s.high is not None:
            figure.add_scatter(
                x=np.concatenate([s.x, s.x[::-1]]), y=np.concatenate([s.high, s.low[::-1]]),
                fill="toself", fillcolor=_faded(colour, 0.2), line={"width": 0}, hoverinfo="skip",
                legendgroup=s.label, showlegend=False, mode="lines", **cell.at,
            )  # fmt: skip
        figure.add_scatter(
            x=s.x, y=s.y, name=s.label, legendgroup=s.label, showlegend=cell.alone, mode="lines",
            line={"color": colour, "width": 2.2, "dash": s.dash},
            hovertemplate=f"{s.label}<br>{spec.x_label} %{{x:,}}: %{{y:.3f}}<extra></extra>",
            **cell.at,
        )  # fmt: skip
    x_range = _extent(spec)
    _references(figure, spec.references, x_range, theme, cell)
    figure.update_xaxes(
        title=spec.x_label, type="log" if spec.x_log else "linear", tickformat=",",
        showgrid=False, ticks="outside", tickcolor=theme.grid, **cell.at,
    )  # fmt: skip
    figure.update_yaxes(
        title=spec.y_label if cell.first else "", type="log" if spec.y_log else "linear",
        gridcolor=theme.grid, zeroline=False, **cell.at,
    )  # fmt: skip
    if spec.y_log:
        figure.update_yaxes(exponentformat="power", dtick=1, **cell.at)
    if spec.y_limits is not None:
        air = 0.03 * (spec.y_limits[1] - spec.y_limits[0])
        figure.update_yaxes(range=[spec.y_limits[0] - air, spec.y_limits[1] + air], **cell.at)
    for event in spec.events:
        figure.add_vline(
            event.x, line={"color": theme.faint, "width": 1, "dash": "dot"},
            annotation={"text": event.label, "font": {"size": 11, "color": theme.faint},
                        "xanchor": "center", "yanchor": "bottom"},
            **cell.at,
        )  # fmt: skip
    _cursor(figure, spec.cursor, theme, cell)


def _extent(spec: Lines) -> list[float]:
    ends = [x for s in spec.series for x in s.x if x > 0 or not spec.x_log]
    return [min(ends), max(ends)] if ends else []


def _references(
    figure: go.Figure,
    references: tuple[Reference, ...],
    x_range: list[float],
    theme: Theme,
    cell: Cell,
) -> None:
    for r in references:
        colour = theme.faint if r.colour is None else category(r.colour, theme.name)
        figure.add_scatter(
            x=x_range, y=[r.value] * len(x_range), name=r.label, mode="lines",
            line={"color": colour, "width": 1.3, "dash": "dash"}, showlegend=cell.alone,
            hovertemplate=f"{r.label}: %{{y:.3f}}<extra></extra>", **cell.at,
        )  # fmt: skip


def _cursor(figure: go.Figure, cursor: float | None, theme: Theme, cell: Cell) -> None:
    if cursor is not None:
        figure.add_vline(cursor, line={"color": theme.ink, "width": 1.4}, **cell.at)


def draw_heat_map(figure: go.Figure, spec: HeatMap, theme: Theme, cell: Cell) -> None:
    """Cells from the bottom row up, with their intervals in the hover texts."""
    stops = diverging(theme.name) if spec.diverging else sequential(theme.name)
    scale = [[i / (len(stops) - 1), colour] for i, colour in enumerate(stops)]
    nothing = np.full(spec.values.shape, np.nan)
    bounds = np.dstack([nothing if b is None else b for b in (spec.low, spec.high)])
    interval = " [%{customdata[0]:.3f}, %{customdata[1]:.3f}]" if spec.low is not None else ""
    across = f"{spec.column_label} " if spec.column_label else ""
    figure.add_heatmap(
        z=spec.values, x=list(spec.columns), y=list(spec.rows), customdata=bounds,
        zmin=spec.limits[0], zmax=spec.limits[1], colorscale=scale, showscale=cell.alone,
        xgap=1 if spec.values.size <= 200 else 0, ygap=1 if spec.values.size <= 200 else 0,
        colorbar={"title": {"text": spec.value_label, "side": "right"}, "thickness": 14,
                  "outlinewidth": 0},
        hovertemplate=f"layer %{{y}}, {across}%{{x}}<br>{spec.value_label}: %{{z:.3f}}{interval}"
        "<extra></extra>",
        **cell.at,
    )  # fmt: skip
    if spec.values.size <= MOST_ANNOTATED:
        _annotate(figure, spec, stops, cell)
    figure.update_xaxes(
        title=spec.column_label, type="category", showgrid=False, nticks=12, **cell.at
    )
    figure.update_yaxes(
        title=spec.row_label if cell.first else "", type="category", showgrid=False, **cell.at
    )
    _cursor(figure, spec.cursor, theme, cell)


def _annotate(figure: go.Figure, spec: HeatMap, stops: tuple[str, ...], cell: Cell) -> None:
    for (row, column), value in np.ndenumerate(spec.values):
        if np.isfinite(value):
            ground = stop_at(stops, float(value), spec.limits)
            figure.add_annotation(
                x=spec.columns[column], y=spec.rows[row], showarrow=False,
                text=f"{value:+.2f}" if spec.diverging else f"{value:.2f}",
                font={"size": 11, "color": ink_on(ground)},
                **cell.at,
            )  # fmt: skip


def draw_stacked_area(figure: go.Figure, spec: StackedArea, theme: Theme, cell: Cell) -> None:
    """Shares on top of each other, the first one at the bottom."""
    colours = spec.colours or tuple(range(len(spec.labels)))
    for label, share, colour in zip(spec.labels, spec.shares, colours, strict=True):
        figure.add_scatter(
            x=spec.x, y=share, name=label, stackgroup="shares", showlegend=cell.alone,
            line={"width": 0.6, "color": theme.paper}, mode="lines",
            fillcolor=category(colour, theme.name),
            hovertemplate=f"{label}: %{{y:.3f}}<extra></extra>", **cell.at,
        )  # fmt: skip
    figure.update_xaxes(title=spec.x_label, tickformat=",", showgrid=False, **cell.at)
    figure.update_yaxes(title=spec.y_label, range=[0, 1], showgrid=False, **cell.at)
    _cursor(figure, spec.cursor, theme, cell)


def draw_bars(figure: go.Figure, spec: Bars, theme: Theme, cell: Cell) -> None:
    """Groups of bars with their intervals."""
    for s in spec.series:
        error = None
        if s.low is not None and s.high is not None:
            error = {"array": s.high - s.values, "arrayminus": s.values - s.low, "color": theme.ink}
        figure.add_bar(
            x=list(spec.categories), y=s.values, name=s.label,
            marker_color=category(s.colour, theme.name),
            error_y=error, showlegend=cell.alone, **cell.at,
        )  # fmt: skip
    _references(figure, spec.references, list(spec.categories), theme, cell)  # type: ignore[arg-type]
    figure.update_xaxes(title=spec.x_label, **cell.at)
    figure.update_yaxes(
        title=spec.y_label, gridcolor=theme.grid,
        range=None if spec.y_limits is None else list(spec.y_limits), **cell.at,
    )  # fmt: skip


def draw_scatter(figure: go.Figure, spec: Scatter, theme: Theme, cell: Cell) -> None:
    """Points by group, named when pointed at."""
    for g in spec.groups:
        figure.add_scatter(
            x=g.x, y=g.y, name=g.label, mode="markers", text=list(g.names) or None,
            marker={"color": series_colour(g.colour, theme.name), "size": 7, "opacity": 0.8},
            showlegend=cell.alone, **cell.at,
        )  # fmt: skip
    if spec.diagonal:
        ends = np.concatenate([[g.x.min(), g.x.max(), g.y.min(), g.y.max()] for g in spec.groups])
        low, high = float(ends.min()), float(ends.max())
        figure.add_scatter(
            x=[low, high], y=[low, high], mode="lines", showlegend=False, hoverinfo="skip",
            line={"color": theme.faint, "width": 1, "dash": "dash"}, **cell.at,
        )  # fmt: skip
    figure.update_xaxes(title=spec.x_label, gridcolor=theme.grid, zeroline=False, **cell.at)
    figure.update_yaxes(title=spec.y_label, gridcolor=theme.grid, zeroline=False, **cell.at)
    if spec.equal_axes:
        figure.update_yaxes(scaleanchor="x", **cell.at)
