"""Lines, stacked areas, bars and scatter plots drawn into plotly subplots.

Coordinates are numbers; names are written beside them.
"""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from analyses.figures.renderers.plotly.cell import Cell, cursor_line, name_ticks
from analyses.figures.renderers.plotly.markup import plain
from analyses.figures.renderers.style import Theme, category, rgb, series_colour
from analyses.figures.specs.charts import Bars, Lines, Reference, Scatter, StackedArea


def _faded(colour: str, alpha: float) -> str:
    return "rgba({},{},{},{})".format(*(round(255 * c) for c in rgb(colour)), alpha)


def draw_lines(figure: go.Figure, spec: Lines, theme: Theme, cell: Cell) -> None:
    """Curves, bands, reference levels, events and the cursor."""
    for s in spec.series:
        colour = series_colour(s.colour, theme.name)
        entry = cell.entry(s.label, colour, s.dash)
        if s.low is not None and s.high is not None:
            figure.add_scatter(
                x=np.concatenate([s.x, s.x[::-1]]), y=np.concatenate([s.high, s.low[::-1]]),
                fill="toself", fillcolor=_faded(colour, 0.2), line={"width": 0}, hoverinfo="skip",
                **{**entry, "showlegend": False}, mode="lines", **cell.at,
            )  # fmt: skip
        figure.add_scatter(
            x=s.x, y=s.y, **entry,
            mode="lines+markers" if s.marked(int(np.isfinite(s.y).sum())) else "lines",
            line={"color": colour, "width": 2.2, "dash": s.dash},
            hovertemplate=f"%{{fullData.name}}<br>{_in_template(spec.x_label)} %{{x:,}}: %{{y:.3f}}"
            "<extra></extra>",
            **cell.at,
        )  # fmt: skip
    _references(figure, spec.references, _extent(spec), theme, cell)
    figure.update_xaxes(
        title=plain(spec.x_label), type="log" if spec.x_log else "linear", tickformat=",",
        showgrid=False, ticks="outside", tickcolor=theme.grid, **cell.at,
    )  # fmt: skip
    figure.update_yaxes(
        title=plain(spec.y_label) if cell.first else "", type="log" if spec.y_log else "linear",
        gridcolor=theme.grid, zeroline=False, **cell.at,
    )  # fmt: skip
    if spec.y_log:
        figure.update_yaxes(exponentformat="power", dtick=1, **cell.at)
    if spec.x_limits is not None:
        figure.update_xaxes(range=_range(spec.x_limits, spec.x_log), **cell.at)
    if spec.y_limits is not None:
        figure.update_yaxes(range=_range(spec.y_limits, spec.y_log), **cell.at)
    for event in spec.events:
        figure.add_vline(
            event.x, line={"color": theme.faint, "width": 1, "dash": "dot"},
            annotation={"text": plain(event.label), "font": {"size": 11, "color": theme.faint},
                        "xanchor": "center", "yanchor": "bottom"},
            **cell.at,
        )  # fmt: skip
    cursor_line(figure, spec.cursor, theme, cell)


def _range(limits: tuple[float, float], log: bool) -> list[float]:
    """plotly's range of an axis with a little air; of a logarithmic one, in powers of ten."""
    low, high = np.log10(limits) if log else limits
    air = 0.03 * (high - low)
    return [float(low - air), float(high + air)]


def _in_template(label: str) -> str:
    """An axis' name inside a hover template."""
    return plain(label).replace("%", "&#37;")


def _extent(spec: Lines) -> list[float]:
    if spec.x_limits is not None:
        return list(spec.x_limits)
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
            x=x_range, y=[r.value] * len(x_range), mode="lines", **cell.entry(r.label, colour),
            line={"color": colour, "width": 1.3, "dash": "dash"},
            hovertemplate="%{fullData.name}: %{y:.3f}<extra></extra>", **cell.at,
        )  # fmt: skip


def draw_stacked_area(figure: go.Figure, spec: StackedArea, theme: Theme, cell: Cell) -> None:
    """Shares on top of each other, the first one at the bottom."""
    colours = spec.colours or tuple(range(len(spec.labels)))
    for label, share, number in zip(spec.labels, spec.shares, colours, strict=True):
        colour = category(number, theme.name)
        figure.add_scatter(
            x=spec.x, y=share, stackgroup="shares", **cell.entry(label, colour),
            line={"width": 0.6, "color": theme.paper}, mode="lines", fillcolor=colour,
            hovertemplate="%{fullData.name}: %{y:.3f}<extra></extra>", **cell.at,
        )  # fmt: skip
    figure.update_xaxes(title=plain(spec.x_label), tickformat=",", showgrid=False, **cell.at)
    figure.update_yaxes(title=plain(spec.y_label), range=[0, 1], showgrid=False, **cell.at)
    cursor_line(figure, spec.cursor, theme, cell)


def draw_bars(figure: go.Figure, spec: Bars, theme: Theme, cell: Cell) -> None:
    """Groups of bars with their intervals; group i is at i."""
    places = list(range(len(spec.categories)))
    for s in spec.series:
        error = None
        if s.low is not None and s.high is not None:
            error = {"array": s.high - s.values, "arrayminus": s.values - s.low, "color": theme.ink}
        colour = category(s.colour, theme.name)
        figure.add_bar(
            x=places, y=s.values, **cell.entry(s.label, colour), marker_color=colour,
            customdata=[plain(name) for name in spec.categories], error_y=error,
            hovertemplate="%{customdata}<br>%{fullData.name}: %{y:.3f}<extra></extra>", **cell.at,
        )  # fmt: skip
    _references(figure, spec.references, [-0.5, len(places) - 0.5], theme, cell)
    figure.update_xaxes(title=plain(spec.x_label), **name_ticks(spec.categories), **cell.at)
    figure.update_yaxes(
        title=plain(spec.y_label), gridcolor=theme.grid,
        range=None if spec.y_limits is None else list(spec.y_limits), **cell.at,
    )  # fmt: skip


def draw_scatter(figure: go.Figure, spec: Scatter, theme: Theme, cell: Cell) -> None:
    """Points by group, named when pointed at."""
    for g in spec.groups:
        colour = series_colour(g.colour, theme.name)
        figure.add_scatter(
            x=g.x, y=g.y, mode="markers", text=[plain(name) for name in g.names] or None,
            marker={"color": colour, "size": 7, "opacity": 0.8},
            **cell.entry(g.label, colour), **cell.at,
        )  # fmt: skip
    if spec.diagonal:
        ends = np.concatenate([[g.x.min(), g.x.max(), g.y.min(), g.y.max()] for g in spec.groups])
        low, high = float(ends.min()), float(ends.max())
        figure.add_scatter(
            x=[low, high], y=[low, high], mode="lines", showlegend=False, hoverinfo="skip",
            line={"color": theme.faint, "width": 1, "dash": "dash"}, **cell.at,
        )  # fmt: skip
    figure.update_xaxes(title=plain(spec.x_label), gridcolor=theme.grid, zeroline=False, **cell.at)
    figure.update_yaxes(title=plain(spec.y_label), gridcolor=theme.grid, zeroline=False, **cell.at)
    if spec.equal_axes:
        figure.update_yaxes(scaleanchor="x", **cell.at)
