"""The circuit diagram drawn into matplotlib axes."""

from __future__ import annotations

import math
from collections.abc import Iterator

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import FancyBboxPatch

from analyses.figures.renderers.circuit_layout import (
    AGAINST,
    EDGE_COLOURS,
    NODE_HEIGHT,
    NODE_WIDTH,
    SMALL_HEIGHT,
    SMALL_WIDTH,
    TOKEN_Y,
    Stroke,
    line_width,
    node_fill,
    strokes,
)
from analyses.figures.renderers.matplotlib.page import Drawn, Entry, width_of
from analyses.figures.renderers.style import Theme, category, ink_on, mix
from analyses.figures.renderers.text import wrap
from analyses.figures.specs.charts import CircuitDiagram, DrawnNode
from analyses.figures.words import words

BROAD = 4.5
"""From this width in inches a diagram has larger letters and a fixed distance of columns."""


def draw_circuit(ax: Axes, spec: CircuitDiagram, theme: Theme) -> Drawn:
    """Edges below, states above them, tokens at the bottom and the output on top."""
    for stroke in strokes(spec):
        _draw_stroke(ax, stroke, theme)
    for node in spec.nodes:
        _draw_node(ax, node, spec, theme)
    names = spec.tokens or tuple(words(p) for p in spec.positions)
    room = 0.92 * width_of(ax) / len(names)
    for x, name in enumerate(names):
        ax.text(x, TOKEN_Y, wrap(name, room, 7), ha="center", va="center", size=7)
    _box(ax, len(spec.positions) - 1, spec.depth + 1, theme.paper, theme.ink)
    ax.text(
        len(spec.positions) - 1, spec.depth + 1, spec.output, ha="center", va="center", size=6.5,
        zorder=6,
    )  # fmt: skip
    ax.set_xlim(-0.55, len(spec.positions) - 0.45)
    ax.set_ylim(TOKEN_Y - 0.3, spec.depth + 1.4)
    ax.set_yticks(range(spec.depth + 1), list(spec.row_names))
    ax.set_ylabel(spec.row_label)
    ax.set_xticks([])
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
    if width_of(ax) > BROAD:  # keep the columns together on a wide page
        ax.set_aspect(0.5, anchor="C")
    return Drawn(tuple(_entries(spec, theme)))


def _draw_stroke(ax: Axes, stroke: Stroke, theme: Theme) -> None:
    edge = stroke.edge
    colour = category(AGAINST, theme.name) if edge.sign < 0 else EDGE_COLOURS[theme.name][edge.kind]
    x, y = stroke.points.T
    if math.isfinite(edge.high):
        halo = mix(colour, theme.paper, 0.35)
        ax.plot(x, y, color=halo, lw=line_width(edge.high), solid_capstyle="butt", zorder=2)
    ax.plot(x, y, color=colour, lw=line_width(edge.strength), solid_capstyle="butt", zorder=2.1)
    if stroke.arrow:
        size = 3.5 + 1.5 * line_width(edge.strength)
        ax.plot(x[-1:], y[-1:], marker=">", ms=size, mew=0, color=colour, zorder=2.2)


def _box(
    ax: Axes,
    x: float,
    y: float,
    fill: str,
    outline: str,
    small: bool = False,
    hatch: str | None = None,
) -> None:
    width, height = (SMALL_WIDTH, SMALL_HEIGHT) if small else (NODE_WIDTH, NODE_HEIGHT)
    radius = 0.1 if small else 0.14
    ax.add_patch(
        FancyBboxPatch(
            (x - width / 2 + radius, y - height / 2 + radius),
            width - 2 * radius,
            height - 2 * radius,
            boxstyle=f"round,pad={radius}",
            facecolor=fill,
            edgecolor=outline,
            linewidth=0.7,
            hatch=hatch,
            zorder=5,
        )
    )


def _draw_node(ax: Axes, node: DrawnNode, spec: CircuitDiagram, theme: Theme) -> None:
    if node.reading is None and not node.label:
        _box(ax, node.position, node.layer, theme.paper, theme.faint, small=True)
        return
    text = node.label
    if node.reading is not None:
        text = f"{words(node.reading)}\n{node.readings[node.reading]:.2f}"
    fill = node_fill(spec, node, theme)
    pale = mix(theme.faint, theme.paper, 0.45)
    outline, hatch = (theme.ink, None) if node.usable else (pale, "///")
    _box(ax, node.position, node.layer, fill, outline, hatch=hatch)
    ax.text(
        node.position,
        node.layer,
        text,
        size=6.8 if width_of(ax) > BROAD else 5.6,
        ha="center",
        va="center",
        color=ink_on(fill),
        linespacing=1.05,
        zorder=6,
    )


def _entries(spec: CircuitDiagram, theme: Theme) -> Iterator[Entry]:
    """What an edge of each kind is, in words."""
    for kind, meaning in spec.legend:
        colour = EDGE_COLOURS[theme.name][kind]
        yield Entry(meaning, Line2D([], [], color=colour, lw=3), (colour,))
