"""Tables and the facts around an entity, drawn into a plotly subplot."""

from __future__ import annotations

import plotly.graph_objects as go

from analyses.figures.renderers.plotly.charts import Cell
from analyses.figures.renderers.style import Theme, category
from analyses.figures.specs.facts import Neighbourhood, Table

ROW = 24
"""Height of a row, pixels."""


def facts_height(spec: Table | Neighbourhood) -> int:
    """Pixels that a table or a neighbourhood needs."""
    if isinstance(spec, Table):
        return ROW * (len(spec.texts()) + 2 + bool(spec.rest)) + 40
    return max(300, 20 * spec.rows + 90)


def draw_table(figure: go.Figure, spec: Table, theme: Theme, cell: Cell) -> None:
    """The table over the whole figure: a table has no axes to share."""
    rows = spec.texts()
    if spec.rest:
        rows.append([spec.rest, *[""] * (len(spec.columns) - 1)])
    sides = ["right" if kind else "left" for kind in spec.formats]
    widths = [max(map(len, column)) + 3 for column in zip(spec.columns, *rows, strict=True)]
    figure.add_trace(
        go.Table(
            columnwidth=widths,
            header={
                "values": [f"<b>{name}</b>" for name in spec.columns], "align": sides,
                "fill_color": theme.paper, "line_color": theme.grid, "font_color": theme.ink,
                "height": ROW,
            },
            cells={
                "values": [list(column) for column in zip(*rows, strict=True)], "align": sides,
                "fill_color": theme.paper, "line_color": theme.grid, "font_color": theme.ink,
                "height": ROW,
            },
        )
    )  # fmt: skip
    figure.update_xaxes(visible=False, **cell.at)
    figure.update_yaxes(visible=False, **cell.at)


def draw_neighbourhood(figure: go.Figure, spec: Neighbourhood, theme: Theme, cell: Cell) -> None:
    """The entity in the middle; facts that are not real have dotted lines."""
    for side, sign in (("in", -1), ("out", 1)):
        facts, heights = spec.side(side), spec.places(side).tolist()  # type: ignore[arg-type]
        for dash, real in (("solid", True), ("dot", False)):
            ends = [
                y for f, y in zip(facts, heights, strict=True) if (f.provenance == "real") == real
            ]
            figure.add_scatter(
                x=[x for _ in ends for x in (0, 0.9 * sign, None)],
                y=[y for end in ends for y in (0, end, None)],
                mode="lines", line={"width": 1, "color": theme.faint, "dash": dash},
                hoverinfo="skip", showlegend=False, **cell.at,
            )  # fmt: skip
        figure.add_scatter(
            x=[0.9 * sign] * len(facts), y=heights, mode="markers+text",
            marker={"size": 8, "color": category(0, theme.name)},
            text=[f.text() for f in facts],
            hovertext=[f"{f.text()} ({f.provenance})" for f in facts],
            textposition="middle right" if sign > 0 else "middle left",
            hoverinfo="text", showlegend=False, **cell.at,
        )  # fmt: skip
        figure.add_annotation(
            x=1.6 * sign, y=1 + 2.2 / spec.rows, text=spec.heading(side), showarrow=False,  # type: ignore[arg-type]
            font={"color": theme.faint}, **cell.at,
        )  # fmt: skip
    figure.add_scatter(
        x=[0], y=[0], mode="markers", marker={"size": 20, "color": category(1, theme.name)},
        hoverinfo="skip", showlegend=False, **cell.at,
    )  # fmt: skip
    figure.add_annotation(
        x=0, y=1 + 2.2 / spec.rows, text=f"<b>{spec.entity}</b>", showarrow=False, **cell.at
    )
    top = 1 + 3.4 / spec.rows
    figure.update_xaxes(visible=False, range=[-2.4, 2.4], **cell.at)
    figure.update_yaxes(visible=False, range=[-1 - 1.2 / spec.rows, top], **cell.at)
