"""Figure specifications: what a picture says, but not how it is drawn.

A spec is made from a result by a pure function (the builders in this package) and read by the
renderers. It holds the numbers it shows, so `frame()` is the table behind the picture, and
`provenance` says where they come from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from analyses.figures.specs.base import Spec, apart
from analyses.figures.specs.circuit import CircuitDiagram, DrawnEdge, DrawnNode

__all__ = [
    "BarSeries",
    "Bars",
    "CircuitDiagram",
    "DrawnEdge",
    "DrawnNode",
    "Event",
    "HeatMap",
    "Lines",
    "Panels",
    "PointGroup",
    "Reference",
    "Scatter",
    "Series",
    "Spec",
    "StackedArea",
]

Array = np.ndarray


@dataclass(frozen=True, kw_only=True, eq=False)
class Series:
    """One curve with an optional 95% interval."""

    label: str
    x: Float[Array, " points"]
    y: Float[Array, " points"]
    low: Float[Array, " points"] | None = None
    high: Float[Array, " points"] | None = None
    colour: int | float = 0
    """int: a category of the palette; float in 0..1: a place in an order."""
    dash: Literal["solid", "dash", "dot"] = "solid"
    marks: bool = False
    """Whether to mark the points themselves, of which there are few; a single one always is."""

    def marked(self, points: int) -> bool:
        """Whether points are marked, given how many are drawn: a line through one is invisible."""
        return self.marks or points == 1


@dataclass(frozen=True, kw_only=True)
class Reference:
    """A dashed level to compare curves with, e.g. a shortcut's accuracy."""

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
    x_limits: tuple[float, float] | None = None
    y_limits: tuple[float, float] | None = None
    x_log: bool = False
    y_log: bool = False
    cursor: float | None = None
    legend_title: str = ""
    references: tuple[Reference, ...] = ()
    events: tuple[Event, ...] = ()

    def frame(self) -> pd.DataFrame:
        """Columns: series, x, y, low, high; reference levels as rows with no x."""
        rows = [
            pd.DataFrame(
                {
                    "series": name,
                    self.x_label: s.x,
                    self.y_label: s.y,
                    "low": np.nan if s.low is None else s.low,
                    "high": np.nan if s.high is None else s.high,
                }
            )
            for name, s in zip(apart([s.label for s in self.series]), self.series, strict=True)
        ]
        levels = {
            "series": [r.label for r in self.references],
            self.y_label: [r.value for r in self.references],
        }
        none = pd.DataFrame(columns=["series", self.x_label, self.y_label, "low", "high"])
        tables = [*rows, *([pd.DataFrame(levels)] if self.references else [])]
        return pd.concat(tables) if tables else none


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
    """Index of the timeline's column, if columns are steps."""
    hatched: Bool[Array, "rows columns"] | None = None
    """Cells that are set apart, and `hatched_label` says why."""
    hatched_label: str = ""
    details: tuple[tuple[str, ...], ...] = ()
    """More words on each cell, for hover texts."""
    places: Float[Array, " columns"] | None = None
    """Where the columns lie, rising, if they are steps, which need not be evenly spaced."""

    @property
    def edges(self) -> Float[Array, " columns_and_one"]:
        """Where the columns begin and end: halfway between their places, or one apart."""
        n = len(self.columns)
        if self.places is None or n < 2:
            return np.arange(n + 1, dtype=float)
        middles = (self.places[1:] + self.places[:-1]) / 2
        return np.concatenate([self.places[:1], middles, self.places[-1:]])

    def frame(self) -> pd.DataFrame:
        """Columns: row, column, value, low, high, and the place (x, y) of the cell.

        x counts from the left and y from the bottom, because two columns may have the same name.
        If cells are hatched, a column with the label's name tells which.
        """
        n_rows, n_columns = self.values.shape
        nothing = np.full(self.values.shape, np.nan)
        table = pd.DataFrame(
            {
                self.row_label or "row": np.repeat(self.rows, n_columns),
                self.column_label or "column": np.tile(self.columns, n_rows),
                self.value_label: self.values.ravel(),
                "low": (nothing if self.low is None else self.low).ravel(),
                "high": (nothing if self.high is None else self.high).ravel(),
                "x": np.tile(np.arange(n_columns), n_rows),
                "y": np.repeat(np.arange(n_rows), n_columns),
            }
        )
        return table if self.hatched is None else table.assign(**self._apart(self.hatched))

    def _apart(self, hatched: Bool[Array, "rows columns"]) -> dict[str, Array]:
        return {self.hatched_label or "hatched": hatched.ravel()}


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
                "series": np.repeat(apart(self.labels), len(self.x)),
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
                    "series": name,
                    self.x_label or "category": self.categories,
                    self.y_label: s.values,
                    "low": np.nan if s.low is None else s.low,
                    "high": np.nan if s.high is None else s.high,
                }
            )
            for name, s in zip(apart([s.label for s in self.series]), self.series, strict=True)
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
        """Columns: group, name, x, y (under their labels, if they have different ones)."""
        across, up = apart([self.x_label or "x", self.y_label or "y"])
        return pd.concat(
            pd.DataFrame(
                {
                    "group": name,
                    "name": list(g.names) or "",
                    across: g.x,
                    up: g.y,
                }
            )
            for name, g in zip(apart([g.label for g in self.groups]), self.groups, strict=True)
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Panels(Spec):
    """Several figures that belong together."""

    panels: tuple[Spec, ...]
    columns: int = 1
    """Panels side by side on a page; a column shows as many as fit."""

    def frame(self) -> pd.DataFrame:
        """The panels' tables, one after the other, identified by the column "panel".

        Panels with one title are numbered: "Accuracy (1)", "Accuracy (2)".
        """
        names = apart([panel.title for panel in self.panels])
        return pd.concat(
            [
                panel.frame().assign(panel=name).pipe(lambda f: f[["panel", *f.columns[:-1]]])
                for name, panel in zip(names, self.panels, strict=True)
            ]
        )
