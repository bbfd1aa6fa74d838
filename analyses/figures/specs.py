"""Figure specifications: what a picture says, without a word on how it is drawn.

A spec is made from a result by a pure function (the builders in this package) and read by the
renderers. It carries the numbers it shows, so `frame()` is the table behind the picture, and
`provenance` says where they come from.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd
from jaxtyping import Float

Array = np.ndarray


@dataclass(frozen=True, kw_only=True, eq=False)
class Spec:
    """What every figure has."""

    name: str
    """Name within its analysis, also the stem of exported files."""
    title: str
    subtitle: str = ""
    """Questions, step, n: what must stand beside the numbers."""
    provenance: Mapping[str, Any] = field(default_factory=dict)
    """Analysis, options, run, seed, step, versions."""

    def frame(self) -> pd.DataFrame:
        """The numbers shown, one observation per row."""
        raise NotImplementedError

    def to_json(self) -> dict[str, Any]:
        """Plain JSON data with a "type"; what is not a finite number becomes null."""
        return _plain(self)


@dataclass(frozen=True, kw_only=True, eq=False)
class Series:
    """One curve with an optional 95% interval."""

    label: str
    x: Float[Array, " points"]
    y: Float[Array, " points"]
    low: Float[Array, " points"] | None = None
    high: Float[Array, " points"] | None = None
    colour: int | float = 0
    """int: a category of the palette; float in 0..1: a place on the sequential map."""
    dash: Literal["solid", "dash", "dot"] = "solid"


@dataclass(frozen=True, kw_only=True)
class Reference:
    """A dashed level to hold curves against, e.g. a shortcut's accuracy."""

    label: str
    value: float
    colour: int | None = None
    """Category of the series that it belongs to; None: neutral."""


@dataclass(frozen=True, kw_only=True)
class Event:
    """A marked place on the x axis, e.g. the step of memorization."""

    label: str
    x: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Lines(Spec):
    """Curves over a common x axis, mostly training steps."""

    series: tuple[Series, ...]
    x_label: str = "training step"
    y_label: str = ""
    y_limits: tuple[float, float] | None = None
    x_log: bool = False
    y_log: bool = False
    cursor: float | None = None
    references: tuple[Reference, ...] = ()
    events: tuple[Event, ...] = ()

    def frame(self) -> pd.DataFrame:
        """Columns: series, x, y, low, high; reference levels as rows with no x."""
        rows = [
            pd.DataFrame(
                {
                    "series": s.label,
                    self.x_label: s.x,
                    self.y_label: s.y,
                    "low": np.nan if s.low is None else s.low,
                    "high": np.nan if s.high is None else s.high,
                }
            )
            for s in self.series
        ]
        levels = {
            "series": [r.label for r in self.references],
            self.y_label: [r.value for r in self.references],
        }
        return pd.concat([*rows, *([pd.DataFrame(levels)] if self.references else [])])


@dataclass(frozen=True, kw_only=True, eq=False)
class HeatMap(Spec):
    """A value for every row and column, on a colour scale with fixed ends."""

    values: Float[Array, "rows columns"]
    low: Float[Array, "rows columns"] | None = None
    high: Float[Array, "rows columns"] | None = None
    rows: tuple[str, ...]
    """Row names from the bottom to the top."""
    columns: tuple[str, ...]
    row_label: str = "layer"
    column_label: str = ""
    value_label: str = ""
    limits: tuple[float, float] = (0.0, 1.0)
    """Ends of the colour scale, the same at every step."""
    diverging: bool = False
    cursor: int | None = None
    """Index of the column that the timeline stands on, where columns are steps."""

    def frame(self) -> pd.DataFrame:
        """Columns: row, column, value, low, high."""
        n_rows, n_columns = self.values.shape
        nothing = np.full(self.values.shape, np.nan)
        return pd.DataFrame(
            {
                self.row_label or "row": np.repeat(self.rows, n_columns),
                self.column_label or "column": np.tile(self.columns, n_rows),
                self.value_label: self.values.ravel(),
                "low": (nothing if self.low is None else self.low).ravel(),
                "high": (nothing if self.high is None else self.high).ravel(),
            }
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class StackedArea(Spec):
    """Shares that add up to one over a common x axis."""

    x: Float[Array, " points"]
    labels: tuple[str, ...]
    shares: Float[Array, "series points"]
    colours: tuple[int, ...] = ()
    x_label: str = "training step"
    y_label: str = "share"
    cursor: float | None = None

    def frame(self) -> pd.DataFrame:
        """Columns: series, x, share."""
        return pd.DataFrame(
            {
                "series": np.repeat(self.labels, len(self.x)),
                self.x_label: np.tile(self.x, len(self.labels)),
                self.y_label: self.shares.ravel(),
            }
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class BarSeries:
    """One bar per category."""

    label: str
    values: Float[Array, " categories"]
    low: Float[Array, " categories"] | None = None
    high: Float[Array, " categories"] | None = None
    colour: int = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class Bars(Spec):
    """Grouped bars with intervals."""

    categories: tuple[str, ...]
    series: tuple[BarSeries, ...]
    x_label: str = ""
    y_label: str = ""
    y_limits: tuple[float, float] | None = None
    references: tuple[Reference, ...] = ()

    def frame(self) -> pd.DataFrame:
        """Columns: series, category, value, low, high."""
        return pd.concat(
            pd.DataFrame(
                {
                    "series": s.label,
                    self.x_label or "category": self.categories,
                    self.y_label: s.values,
                    "low": np.nan if s.low is None else s.low,
                    "high": np.nan if s.high is None else s.high,
                }
            )
            for s in self.series
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class PointGroup:
    """Points of one colour."""

    label: str
    x: Float[Array, " points"]
    y: Float[Array, " points"]
    names: tuple[str, ...] = ()
    """One per point, for hover texts."""
    colour: int | float = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class Scatter(Spec):
    """Points in the plane, e.g. a map of bridge states."""

    groups: tuple[PointGroup, ...]
    x_label: str = ""
    y_label: str = ""
    equal_axes: bool = False
    diagonal: bool = False
    """Draw x = y, to compare two measures of the same thing."""

    def frame(self) -> pd.DataFrame:
        """Columns: group, name, x, y."""
        return pd.concat(
            pd.DataFrame(
                {
                    "group": g.label,
                    "name": list(g.names) or "",
                    self.x_label: g.x,
                    self.y_label: g.y,
                }
            )
            for g in self.groups
        )


@dataclass(frozen=True, kw_only=True)
class Node:
    """A state S[layer, position]: what can be read there and what hangs on it."""

    layer: int
    position: int
    readings: Mapping[str, float] = field(default_factory=dict)
    """MRR of each lens target."""
    reading: str | None = None
    """The target that is read best, None where no target is above `CircuitDiagram.readable`."""
    strength: float = math.nan
    low: float = math.nan
    high: float = math.nan


@dataclass(frozen=True, kw_only=True)
class Edge:
    """A measured dependence between two states, or of the output on a state."""

    kind: Literal["carried", "read", "output", "path"]
    """carried: along one position; read: by another position through attention; output: into the
    answer; path: between two named components, by path patching."""
    source: tuple[int, int] | None
    """(layer, position); None: the input token."""
    target: tuple[int, int] | None
    """(layer, position); None: the output, or a later position that was not told apart."""
    strength: float
    low: float = math.nan
    high: float = math.nan
    sign: Literal[1, -1] = 1
    """-1: what runs along it speaks against the answer."""
    shown: bool = True
    """False: measured, and too weak to draw."""


@dataclass(frozen=True, kw_only=True, eq=False)
class CircuitDiagram(Spec):
    """States on a grid of positions (columns) and layers (rows, embeddings at the bottom)."""

    positions: tuple[str, ...]
    depth: int
    """Number of blocks; there are depth + 1 rows of states."""
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    targets: tuple[str, ...]
    """Lens targets in the order of their colours."""
    tokens: tuple[str, ...] = ()
    """Names under the columns, for one question; else the positions stand there."""
    output: str = "answer"
    readable: float = 0.1
    """MRR from which on a target counts as readable."""
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

    def _column(self, edge: Edge) -> str:
        end = edge.source or edge.target
        return "" if end is None else self.positions[end[1]]

    def _place(self, edge: Edge) -> str:
        if edge.target is not None:
            return self.positions[edge.target[1]]
        return self.output if edge.kind == "output" else "later positions"


@dataclass(frozen=True, kw_only=True, eq=False)
class Panels(Spec):
    """Several figures that are read together."""

    panels: tuple[Spec, ...]
    columns: int = 1
    """Panels side by side on a page; a column shows as many as fit."""

    def frame(self) -> pd.DataFrame:
        """The panels' tables below each other, told apart by the column "panel"."""
        return pd.concat(
            [
                panel.frame()
                .assign(panel=panel.title)
                .pipe(lambda f: f[["panel", *f.columns[:-1]]])
                for panel in self.panels
            ]
        )


def _plain(value: Any) -> Any:
    """`value` as JSON data; specs and their parts become objects, NaN and infinities null."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
        return {"type": type(value).__name__, **fields} if isinstance(value, Spec) else fields
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value
