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
from analyses.figures.renderers.matplotlib.fit import TICK, circuit_row
from analyses.figures.renderers.matplotlib.page import Drawn, Entry, width_of
from analyses.figures.renderers.style import Theme, category, ink_on, mix
from analyses.figures.renderers.text import text_width, widest_piece, wrap
from analyses.figures.specs.charts import CircuitDiagram, DrawnNode
from analyses.figures.words import position_of, target_of, words

BROAD = 4.5
"""From this width in inches a diagram has larger letters and a fixed distance of columns."""


ASPECT = 0.5
"""Height of a row over the width of a column there."""

WIDEST = 7.0
"""Points of an edge of strength 1 where rows have their usual distance."""

LEAST_SIZE = 4.5
"""Points; smaller letters are not printed."""


def draw_circuit(ax: Axes, spec: CircuitDiagram, theme: Theme) -> Drawn:
    """Edges below, states above them, tokens at the bottom and the output on top."""
    unit = WIDEST * min(1.0, circuit_row(spec, width_of(ax)) / 0.42)
    for stroke in strokes(spec):
        _draw_stroke(ax, stroke, theme, unit)
    for node in spec.nodes:
        _draw_node(ax, node, spec, theme)
    room = _column_inches(ax, spec)
    for x, name in enumerate(_names(spec, 0.92 * room)):
        ax.text(x, TOKEN_Y, wrap(name, 0.92 * room, 7), ha="center", va="center", size=7)
    _box(ax, len(spec.positions) - 1, spec.depth + 1, theme.paper, theme.ink)
    size = min(6.5, (NODE_WIDTH * room - 0.03) / text_width(spec.output, 1.0))
    ax.text(
        len(spec.positions) - 1, spec.depth + 1, spec.output, ha="center", va="center", size=size,
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
        ax.set_aspect(ASPECT, anchor="C")
    return Drawn(tuple(_entries(spec, theme)))


def _draw_stroke(ax: Axes, stroke: Stroke, theme: Theme, unit: float) -> None:
    edge = stroke.edge
    colour = category(AGAINST, theme.name) if edge.sign < 0 else EDGE_COLOURS[theme.name][edge.kind]
    x, y = stroke.points.T
    if math.isfinite(edge.high):
        halo = mix(colour, theme.paper, 0.35)
        ax.plot(x, y, color=halo, lw=line_width(edge.high, unit), solid_capstyle="butt", zorder=2)
    ax.plot(
        x, y, color=colour, lw=line_width(edge.strength, unit), solid_capstyle="butt", zorder=2.1
    )
    if stroke.arrow:
        size = 3.5 + 1.5 * line_width(edge.strength, unit)
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
    fill = node_fill(spec, node, theme)
    pale = mix(theme.faint, theme.paper, 0.45)
    outline, hatch = (theme.ink, None) if node.usable else (pale, "///")
    _box(ax, node.position, node.layer, fill, outline, hatch=hatch)
    text, size = _label(node, _box_inches(ax, spec), 6.8 if width_of(ax) > BROAD else 5.6)
    ax.text(
        node.position,
        node.layer,
        text,
        size=size,
        ha="center",
        va="center",
        color=ink_on(fill),
        linespacing=1.05,
        zorder=6,
    )


def _column_inches(ax: Axes, spec: CircuitDiagram) -> float:
    """From one column to the next."""
    beside = max(text_width(name, TICK) for name in spec.row_names) + (
        0.4 if spec.row_label else 0.2
    )
    column = (width_of(ax) - beside) / (len(spec.positions) + 0.1)
    return min(column, circuit_row(spec, width_of(ax)) / ASPECT) if width_of(ax) > BROAD else column


def _names(spec: CircuitDiagram, room: float) -> tuple[str, ...]:
    """What stands below the columns: tokens, or positions, by their symbols if names do not fit."""
    if spec.tokens:
        return spec.tokens
    names = tuple(words(p) for p in spec.positions)
    if all(widest_piece(name, 7) <= room for name in names):
        return names
    return tuple(position_of(p).symbol for p in spec.positions)


def _box_inches(ax: Axes, spec: CircuitDiagram) -> tuple[float, float]:
    """Width and height of the box of a state."""
    row = circuit_row(spec, width_of(ax))
    return NODE_WIDTH * _column_inches(ax, spec), NODE_HEIGHT * row


def _label(node: DrawnNode, room: tuple[float, float], size: float) -> tuple[str, float]:
    """The text of a box in the size in which it fits; a symbol, or nothing, where none is legible.

    The name of a component is that of its row, which stands beside the rows, too.
    """
    if node.reading is None:
        texts = [node.label, node.label.replace("attention", "attn"), ""]
    else:
        value = f"{node.readings[node.reading]:.2f}"
        symbol = target_of(node.reading).symbol
        texts = [f"{words(node.reading)}\n{value}", f"{symbol}\n{value}", symbol, ""]
    for text in texts:
        lines = text.split("\n")
        wide = max(text_width(line, 1.0) for line in lines)
        fits = min(size, (room[0] - 0.02) / max(wide, 1e-9), 72 * room[1] / (1.25 * len(lines)))
        if fits >= LEAST_SIZE:
            return text, fits
    return "", size


def _entries(spec: CircuitDiagram, theme: Theme) -> Iterator[Entry]:
    """What an edge of each kind is, in words."""
    for kind, meaning in spec.legend:
        colour = EDGE_COLOURS[theme.name][kind]
        yield Entry(meaning, Line2D([], [], color=colour, lw=3), (colour,))
