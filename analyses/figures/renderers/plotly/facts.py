"""Tables and the facts around an entity, drawn into a plotly subplot."""

from __future__ import annotations

import plotly.graph_objects as go

from analyses.figures.renderers.facts_layout import (
    TableLayout,
    fact_lines,
    fact_texts,
    table_layout,
)
from analyses.figures.renderers.plotly.cell import Cell
from analyses.figures.renderers.plotly.markup import plain
from analyses.figures.renderers.style import Theme, category
from analyses.figures.specs.facts import Neighbourhood, Table

POINTS = 9.75
"""Font size: 13 pixels."""
ROW, LINE = 28, 20
"""Height of a row of one line, and of each further line, pixels."""
WIDTH, PADDING = 8.0, 0.3
"""Width of a table in a window of usual size, and the padding of each cell, inches."""
SIDE = 2.5
"""Inches for the facts of a side."""


def facts_height(spec: Table | Neighbourhood) -> int:
    """Height that a table or a neighbourhood needs, pixels."""
    if isinstance(spec, Table):
        rows = sum(ROW + LINE * (lines - 1) for lines in _layout(spec).lines)
        return rows + ROW * bool(spec.rest) + 80
    apart = 20 + LINE * (fact_lines(spec, SIDE, POINTS) - 1)
    return max(300, apart * spec.rows + 90)


def _layout(spec: Table) -> TableLayout:
    return table_layout(spec, WIDTH, POINTS, PADDING)


def draw_table(figure: go.Figure, spec: Table, theme: Theme, cell: Cell) -> None:
    """The table over the whole figure: a table has no axes to share."""
    layout = _layout(spec)
    rows = [*layout.rows[1:]]
    if spec.rest:
        rows.append((spec.rest, *[""] * (len(spec.columns) - 1)))
    sides = ["right" if kind else "left" for kind in spec.formats]
    look = {
        "align": sides, "fill_color": theme.paper, "line_color": theme.grid,
        "font_color": theme.ink, "height": ROW,
    }  # fmt: skip
    figure.add_trace(
        go.Table(
            columnwidth=[width + PADDING for width in layout.widths],
            header={"values": [f"<b>{plain(name)}</b>" for name in layout.rows[0]], **look},
            cells={
                "values": [[plain(t) for t in column] for column in zip(*rows, strict=True)],
                **look,
            },
        )
    )
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
            text=[plain(text) for text in fact_texts(spec, side, SIDE, POINTS)],  # type: ignore[arg-type]
            cliponaxis=False,
            hovertext=[plain(f"{f.text()} ({f.provenance})") for f in facts],
            textposition="middle right" if sign > 0 else "middle left",
            hoverinfo="text", showlegend=False, **cell.at,
        )  # fmt: skip
        figure.add_annotation(
            x=1.6 * sign, y=1 + 2.2 / spec.rows, text=plain(spec.heading(side)), showarrow=False,  # type: ignore[arg-type]
            font={"color": theme.faint}, **cell.at,
        )  # fmt: skip
    figure.add_scatter(
        x=[0], y=[0], mode="markers", marker={"size": 20, "color": category(1, theme.name)},
        hoverinfo="skip", showlegend=False, **cell.at,
    )  # fmt: skip
    figure.add_annotation(
        x=0, y=1 + 2.2 / spec.rows, text=f"<b>{plain(spec.entity)}</b>", showarrow=False, **cell.at
    )
    top = 1 + 3.4 / spec.rows
    figure.update_xaxes(visible=False, range=[-2.4, 2.4], **cell.at)
    figure.update_yaxes(visible=False, range=[-1 - 1.2 / spec.rows, top], **cell.at)
