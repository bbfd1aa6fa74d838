"""The layout of a circuit diagram, shared by all renderers.

Coordinates: x is the position (0 at the left), y the layer (0 at the bottom, the embeddings);
input tokens are at y = -0.95, the output at y = depth + 1 above the last position. Strengths
are shares, so widths are comparable between steps, runs and figures.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from analyses.figures.renderers.style import VEILED, Theme, category, mix
from analyses.figures.specs.charts import CircuitDiagram, DrawnEdge, DrawnNode
from analyses.figures.words import VERMILION, target_of

TOKEN_Y = -0.95
NODE_WIDTH, NODE_HEIGHT = 0.66, 0.56
MOST_BOW = 1 - NODE_WIDTH / 2 - 0.15
"""Size of the box of a state in which something can be read."""

SMALL_WIDTH, SMALL_HEIGHT = 0.24, 0.26
"""Size of the box of any other state."""

EDGE_COLOURS = {
    "light": {"carried": "#9AA3AD", "output": "#9AA3AD", "read": "#333333", "path": "#333333"},
    "dark": {"carried": "#6C7683", "output": "#6C7683", "read": "#E6E6E6", "path": "#E6E6E6"},
}
AGAINST = VERMILION
"""Category that colours edges with a negative sign."""


@dataclass(frozen=True)
class Stroke:
    """One drawn edge."""

    edge: DrawnEdge
    points: Float[np.ndarray, "points 2"]
    arrow: bool
    """Whether the edge ends in an arrow head."""


def line_width(strength: float, unit: float = 7.0) -> float:
    """Width of an edge in points: `unit` at strength 1, a hairline near 0."""
    return 0.35 + unit * float(np.clip(strength, 0, 1))


def node_fill(spec: CircuitDiagram, node: DrawnNode, theme: Theme) -> str:
    """Colour of the target read best at a state, deeper for a higher MRR and paler if the answer
    cannot depend on it; the paper's if none is."""
    if node.reading is None:
        return theme.paper
    colour = category(target_of(node.reading).colour)
    full = mix(colour, theme.paper, min(1.0, 0.12 + 0.88 * node.readings[node.reading]))
    return full if node.usable else mix(full, theme.paper, VEILED)


def strokes(spec: CircuitDiagram) -> list[Stroke]:
    """The edges to draw, widest first, so that thin ones stay visible."""
    shown = [e for e in spec.edges if e.shown and np.isfinite(e.strength)]
    return [_stroke(spec, e) for e in sorted(shown, key=lambda e: -e.strength)]


def _stroke(spec: CircuitDiagram, edge: DrawnEdge) -> Stroke:
    if edge.kind == "carried":
        assert edge.target is not None
        layer, position = edge.target
        bottom = TOKEN_Y + 0.3 if edge.source is None else edge.source[0]
        return Stroke(edge, np.array([[position, bottom], [position, layer]]), arrow=False)
    assert edge.source is not None
    layer, position = edge.source
    start = np.array([position, layer], float)
    if edge.kind == "path" and (edge.target is None or edge.target[1] == position):
        top = spec.depth + 1 if edge.target is None else edge.target[0]
        return Stroke(edge, _upwards(start, top), arrow=False)
    if edge.kind == "output":
        end = np.array([len(spec.positions) - 1, spec.depth + 0.72])
        return Stroke(edge, _curve(start, end), arrow=False)
    if edge.target is None:  # read by a later position, which the measurement does not identify
        end = np.array([position + 0.52, layer + 0.5])
    else:
        boxed = any(
            (n.reading or n.label) and (n.layer, n.position) == edge.target for n in spec.nodes
        )
        gap = (NODE_WIDTH if boxed else SMALL_WIDTH) / 2 + 0.09
        end = np.array([edge.target[1] - gap, edge.target[0] - 0.08])
    return Stroke(edge, _curve(start, end), arrow=True)


def _upwards(start: Float[np.ndarray, " 2"], top: float) -> np.ndarray:
    """Within a column: straight to the next row, or curved to the right around rows between."""
    t = np.linspace(0, 1, 24)
    # an arc may not run over the cards of the next column, nor out of the picture
    bow = 0.0 if top - start[1] <= 1 else min(MOST_BOW, 0.34 + 0.04 * (top - start[1]))
    across = bow * np.sin(np.pi * t) ** 0.5
    return np.column_stack([start[0] + across, start[1] + (top - start[1]) * t])


def _curve(start: Float[np.ndarray, " 2"], end: Float[np.ndarray, " 2"]) -> np.ndarray:
    """Cubic curve that leaves and arrives to the right, as 24 points."""
    t = np.linspace(0, 1, 24)[:, None]
    across = np.array([0.6 * (end[0] - start[0]), 0.0])
    first, second = start + across, end - across
    return (
        (1 - t) ** 3 * start
        + 3 * (1 - t) ** 2 * t * first
        + 3 * (1 - t) * t**2 * second
        + t**3 * end
    )
