"""The circuit diagram drawn into a plotly subplot, with the numbers under the pointer."""

from __future__ import annotations

import math

import plotly.graph_objects as go

from analyses.figures.renderers.circuit_layout import (
    AGAINST,
    EDGE_COLOURS,
    NODE_HEIGHT,
    NODE_WIDTH,
    TOKEN_Y,
    Stroke,
    line_width,
    node_fill,
    strokes,
)
from analyses.figures.renderers.plotly.cell import Cell, hatch
from analyses.figures.renderers.plotly.markup import plain
from analyses.figures.renderers.style import Theme, category, ink_on, mix
from analyses.figures.specs.charts import CircuitDiagram, DrawnEdge, DrawnNode
from analyses.figures.words import words

UNIT = 15.0
"""Pixels of an edge with strength 1."""


def draw_circuit(figure: go.Figure, spec: CircuitDiagram, theme: Theme, cell: Cell) -> None:
    """Edges below, states above them, tokens at the bottom and the output on top."""
    for stroke in strokes(spec):
        _draw_stroke(figure, spec, stroke, theme, cell)
    for node in spec.nodes:
        _draw_node(figure, spec, node, theme, cell)
    last = len(spec.positions) - 1
    _box(figure, last, spec.depth + 1, theme.paper, theme.ink, cell)
    figure.add_annotation(
        x=last, y=spec.depth + 1, text=plain(spec.output), showarrow=False,
        font={"size": 13, "color": theme.ink}, **cell.at,
    )  # fmt: skip
    names = [plain(name) for name in spec.tokens or map(words, spec.positions)]
    figure.add_scatter(
        x=list(range(last + 1)), y=[TOKEN_Y] * (last + 1), text=names,
        mode="text", textfont={"size": 13, "color": theme.ink}, showlegend=False,
        hoverinfo="skip", **cell.at,
    )  # fmt: skip
    _legend(figure, spec, theme, cell)
    figure.update_xaxes(visible=False, range=[-0.55, last + 0.55], **cell.at)
    figure.update_yaxes(
        title=plain(spec.row_label), range=[TOKEN_Y - 0.35, spec.depth + 1.45],
        tickvals=list(range(spec.depth + 1)), ticktext=[plain(name) for name in spec.row_names],
        showgrid=False, zeroline=False, **cell.at,
    )  # fmt: skip


def _draw_stroke(
    figure: go.Figure, spec: CircuitDiagram, stroke: Stroke, theme: Theme, cell: Cell
) -> None:
    edge = stroke.edge
    colour = category(AGAINST, theme.name) if edge.sign < 0 else EDGE_COLOURS[theme.name][edge.kind]
    x, y = stroke.points.T
    layers = [(mix(colour, theme.paper, 0.35), edge.high)] if math.isfinite(edge.high) else []
    for shade, strength in [*layers, (colour, edge.strength)]:
        figure.add_scatter(
            x=x, y=y, mode="lines", line={"color": shade, "width": line_width(strength, UNIT)},
            showlegend=False, hoverinfo="text", text=_edge_text(spec, edge), **cell.at,
        )  # fmt: skip
    if stroke.arrow:
        figure.add_scatter(
            x=x[-1:], y=y[-1:], mode="markers", showlegend=False, hoverinfo="skip",
            marker={"symbol": "triangle-right", "color": colour,
                    "size": 8 + 1.3 * line_width(edge.strength, UNIT)},
            **cell.at,
        )  # fmt: skip


def _edge_text(spec: CircuitDiagram, edge: DrawnEdge) -> str:
    """What an edge means, with its numbers."""
    start = "the token" if edge.source is None else _state(spec, edge.source)
    if edge.target is not None:
        end = _state(spec, edge.target)
    else:
        end = f"the {spec.output}" if edge.kind != "read" else "later positions"
    interval = f" [{edge.low:.2f}, {edge.high:.2f}]" if math.isfinite(edge.low) else ""
    label = plain(f"{start} to {end}\n{spec.strength_label}")
    return f"{label}: {edge.strength:.2f}{interval}"


def _state(spec: CircuitDiagram, place: tuple[int, int]) -> str:
    position = words(spec.positions[place[1]])
    if spec.rows:
        return f"{spec.rows[place[0]]} at {position}"
    return f"S[{place[0]}, {position}]"


def _box(
    figure: go.Figure, x: float, y: float, fill: str, outline: str, cell: Cell, small: bool = False
) -> None:
    width, height = (0.14, 0.22) if small else (NODE_WIDTH, NODE_HEIGHT)
    figure.add_shape(
        type="rect", x0=x - width / 2, x1=x + width / 2, y0=y - height / 2, y1=y + height / 2,
        fillcolor=fill, line={"color": outline, "width": 1}, layer="above", **cell.at,
    )  # fmt: skip


def _draw_node(
    figure: go.Figure, spec: CircuitDiagram, node: DrawnNode, theme: Theme, cell: Cell
) -> None:
    fill = node_fill(spec, node, theme)
    _box(
        figure,
        node.position,
        node.layer,
        fill,
        theme.faint,
        cell,
        small=node.reading is None and not node.label,
    )
    if node.reading is not None and not node.usable:
        hatch(figure, node.position, node.layer, NODE_WIDTH, NODE_HEIGHT, theme, cell)
    numbers = [
        _state(spec, (node.layer, node.position))
        + ("" if node.usable else f": {spec.hatched_label}"),
        f"{spec.strength_label}: {node.strength:.2f}",
        *(f"MRR of the {words(t)}: {v:.2f}" for t, v in node.readings.items()),
    ]
    figure.add_scatter(
        x=[node.position], y=[node.layer], mode="markers", marker={"opacity": 0, "size": 30},
        showlegend=False, hoverinfo="text",
        text=plain("\n".join(numbers)), **cell.at,
    )  # fmt: skip
    text = plain(node.label)
    if node.reading is not None:
        text = plain(f"{words(node.reading)} {node.readings[node.reading]:.2f}")
    if text:
        figure.add_annotation(
            x=node.position, y=node.layer, showarrow=False, text=text,
            font={"size": 12, "color": ink_on(fill)}, **cell.at,
        )  # fmt: skip


def _legend(figure: go.Figure, spec: CircuitDiagram, theme: Theme, cell: Cell) -> None:
    """What an edge of each kind is, in words."""
    for kind, meaning in spec.legend:
        colour = EDGE_COLOURS[theme.name][kind]
        figure.add_scatter(
            x=[None], y=[None], mode="lines", line={"width": 6, "color": colour},
            **cell.entry(meaning, colour), **cell.at,
        )  # fmt: skip
