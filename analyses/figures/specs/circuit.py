"""The specification of a circuit diagram: states, and the measured edges between them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pandas as pd

from analyses.figures.specs.base import Spec


@dataclass(frozen=True, kw_only=True)
class DrawnNode:
    """A state S[layer, position]: what can be read there and what depends on it."""

    layer: int
    position: int
    readings: Mapping[str, float] = field(default_factory=dict)
    """MRR of each lens target."""
    reading: str | None = None
    """The target that is read best; None if no target is above `CircuitDiagram.readable`."""
    label: str = ""
    """Text of the box if nothing is read there: a component's name."""
    usable: bool = True
    """Whether the answer can depend on the state; if not, it is hatched."""
    strength: float = math.nan
    low: float = math.nan
    high: float = math.nan


@dataclass(frozen=True, kw_only=True)
class DrawnEdge:
    """A measured dependence between two states, or of the output on a state."""

    kind: Literal["carried", "read", "output", "path"]
    """carried: along one position; read: by another position through attention; output: into the
    answer; path: between two named components, by path patching."""
    source: tuple[int, int] | None
    """(layer, position); None: the input token."""
    target: tuple[int, int] | None
    """(layer, position); None: the output, or a later position that was not identified."""
    strength: float
    low: float = math.nan
    high: float = math.nan
    sign: Literal[1, -1] = 1
    """-1: the edge counts against the answer."""
    shown: bool = True
    """False: measured, but too weak to draw."""


@dataclass(frozen=True, kw_only=True, eq=False)
class CircuitDiagram(Spec):
    """States on a grid of positions (columns) and layers (rows, embeddings at the bottom)."""

    positions: tuple[str, ...]
    depth: int
    """Number of blocks; there are depth + 1 rows of states (or of components, see `rows`)."""
    nodes: tuple[DrawnNode, ...]
    edges: tuple[DrawnEdge, ...]
    targets: tuple[str, ...]
    """Lens targets of the nodes."""
    tokens: tuple[str, ...] = ()
    """Names under the columns, for one question; otherwise the positions are shown."""
    rows: tuple[str, ...] = ()
    """Names of the rows from the bottom; none: the layers of states, 0 to depth."""
    output: str = "answer"
    hatched_label: str = ""
    """What is so of nodes that are not usable."""
    readable: float = 0.1
    """MRR from which a target counts as readable."""
    strength_label: str = "share of answers changed"
    legend: tuple[tuple[str, str], ...] = ()
    """(edge kind, its meaning in words)."""

    def frame(self) -> pd.DataFrame:
        """One row per state and per edge."""
        states = [
            {
                "element": "state",
                "layer": n.layer,
                "position": self.positions[n.position],
                "strength": n.strength,
                "low": n.low,
                "high": n.high,
                "readable": n.reading or "",
                "usable": n.usable,
                **{f"MRR {k}": v for k, v in n.readings.items()},
            }
            for n in self.nodes
        ]
        edges = [
            {
                "element": f"edge: {e.kind}",
                "layer": np.nan if e.source is None else e.source[0],
                "position": self._column(e),
                "to_layer": np.nan if e.target is None else e.target[0],
                "to_position": self._place(e),
                "strength": e.sign * e.strength,
                "low": e.low,
                "high": e.high,
                "drawn": e.shown,
            }
            for e in self.edges
        ]
        return pd.DataFrame([*states, *edges])

    @property
    def row_label(self) -> str:
        """Label of the vertical axis."""
        return "" if self.rows else "layer (blocks before the state)"

    @property
    def row_names(self) -> tuple[str, ...]:
        """A name for each row, from the bottom."""
        return self.rows or tuple(str(i) for i in range(self.depth + 1))

    def _column(self, edge: DrawnEdge) -> str:
        end = edge.source or edge.target
        return "" if end is None else self.positions[end[1]]

    def _place(self, edge: DrawnEdge) -> str:
        if edge.target is not None:
            return self.positions[edge.target[1]]
        return "later positions" if edge.kind == "read" else self.output
