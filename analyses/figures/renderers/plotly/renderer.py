"""Specs as plotly figures, for notebooks, the dashboard and HTML export."""

from __future__ import annotations

import html
from collections.abc import Sequence

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from analyses.figures.renderers.plotly.cell import Cell
from analyses.figures.renderers.plotly.markup import plain
from analyses.figures.renderers.plotly.panels import DRAW, columns_of, height_of, leaves
from analyses.figures.renderers.plotly.sheet import draw_sheet
from analyses.figures.renderers.style import Theme, theme_of
from analyses.figures.renderers.text import wrap
from analyses.figures.specs.charts import HeatMap, Panels, Spec
from analyses.figures.specs.sheet import Sheet

FONT = "system-ui, -apple-system, 'Segoe UI', 'Noto Sans', 'DejaVu Sans', sans-serif"
HEADER, LINE = 76, 16
"""Pixels that title and subtitle take, and each further line of the subtitle."""

SUBTITLE_WIDTH = 7.5
"""Width of a line of the subtitle in inches, 720 pixels."""


def to_plotly(
    spec: Spec, *, theme: str = "light", title: bool = True, height: int | None = None
) -> go.Figure:
    """The plotly figure of `spec`, as wide as its container, `height` pixels high or as needed."""
    page = theme_of(theme)
    if isinstance(spec, Sheet):
        return _sheet(spec, page, title)
    panels, n_columns = leaves(spec), columns_of(spec)
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
        cell = Cell(
            row + 1,
            column + 1,
            first=column == 0,
            named=column == 0 or not _shared(panels, "rows"),
            lowest=i + n_columns >= len(panels) or not _shared(panels, "column_label"),
            alone=i == 0,
            legend=legend,
        )
        DRAW[type(panel)](figure, panel, page, cell)
    needed = n_rows * max(height_of(p) for p in panels) + (_header(spec) if title else 20)
    _layout(figure, spec, page, title, height or needed)
    return figure


def _shared(panels: Sequence[Spec], what: str) -> bool:
    """Whether all panels are maps that have this in common."""
    maps = [panel for panel in panels if isinstance(panel, HeatMap)]
    return len(maps) == len(panels) and len({getattr(panel, what) for panel in maps}) == 1


def _sheet(spec: Sheet, theme: Theme, title: bool) -> go.Figure:
    figure = draw_sheet(spec, theme, title)
    panels = figure.layout.height
    top = _header(spec) if title else 20
    _layout(figure, spec, theme, title, panels + top + 10)
    figure.update_layout(margin={"l": 10, "r": 10, "t": top, "b": 10})
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
        hoverlabel={"font": {"family": FONT}},
    )  # fmt: skip
    if not isinstance(spec, Sheet):
        below = {"orientation": "h", "yref": "container", "y": 0, "yanchor": "bottom", "x": 0}
        figure.update_layout(legend=below)
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
        if isinstance(spec, Panels) and (annotation.xref, annotation.yref) == ("paper", "paper"):
            annotation.update(font={"size": 13, "color": theme.ink})
