"""The specification of a sheet: several figures with letters, on a grid, as one picture."""

from __future__ import annotations

import string
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd

from analyses.figures.specs.base import Spec
from analyses.figures.specs.charts import Bars, Lines, Panels
from circuits.errors import HopscopeError, unknown_name

Axes = Literal["none", "x", "y", "both"]
"""Which axes panels share if their labels agree."""
AXES: tuple[Axes, ...] = get_args(Axes)
Limits = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a panel stands, and which of its axes another panel labels."""

    letter: str
    row: int
    column: int
    span: int
    """Columns that it takes."""
    hide_x: bool = False
    """The panel below has the same horizontal axis and names it."""
    hide_y: bool = False
    """The panel on the left has the same vertical axis and names it."""


def letter(index: int) -> str:
    """The letter of a panel, counting from 0: a, ... z, aa, ab, ...

    >>> letter(0), letter(25), letter(26)
    ('a', 'z', 'aa')
    """
    first, last = divmod(index, 26)
    return (letter(first - 1) if first else "") + string.ascii_lowercase[last]


@dataclass(frozen=True, kw_only=True, eq=False)
class Sheet(Spec):
    """Figures of any kind on a grid, each with a letter; filled row by row.

    >>> from analyses import Sheet, figure, stored_result
    >>> from circuits import open_run
    >>> tracing = stored_result(open_run("assets/demo"), "causal_tracing")
    >>> panels = tuple(figure(tracing, "strength", step, split="id_test") for step in (0, 6000))
    >>> sheet = Sheet(name="tracing", title="Before and after", panels=panels)
    >>> sheet.letters, sorted(set(sheet.frame()["panel"]))
    (('a', 'b'), ['a', 'b'])
    """

    panels: tuple[Spec, ...]
    columns: int = 2
    spans: tuple[int, ...] = ()
    """Columns that each panel takes; none given: one each."""
    share: Axes = "none"
    """Axes with the same label that have the same limits, and are labelled at the edge only."""
    joint_legend: bool = True
    """Explain below the sheet, once, what several panels have; False: everything in its panel."""

    def __post_init__(self) -> None:
        """Refuse what cannot be laid out."""
        if not self.panels or self.columns < 1:
            raise HopscopeError("a sheet needs at least one panel and one column.")
        if self.spans and len(self.spans) != len(self.panels):
            raise HopscopeError(
                f"a sheet of {len(self.panels)} panels has {len(self.spans)} spans; give one each."
            )
        if any(isinstance(panel, Sheet) for panel in self.panels):
            raise HopscopeError("a sheet cannot be a panel of another; give its panels instead.")
        if self.share not in AXES:
            raise unknown_name("choice of shared axes", self.share, AXES)

    @property
    def letters(self) -> tuple[str, ...]:
        """The panels' letters, in order."""
        return tuple(map(letter, range(len(self.panels))))

    def frame(self) -> pd.DataFrame:
        """The panels' tables, one after the other, identified by the column "panel" (a letter)."""
        tables = [panel.frame() for panel in self.panels]
        named = zip(self.letters, tables, strict=True)
        return pd.concat([pd.concat({a: t}, names=["panel"]).reset_index(0) for a, t in named])

    def places(self) -> tuple[Place, ...]:
        """Where each panel stands: side by side while there is room, then in the next row."""
        spans = self.spans or (1,) * len(self.panels)
        places: list[Place] = []
        row = column = 0
        for i, span in enumerate(min(s, self.columns) for s in spans):
            if column + span > self.columns:
                row, column = row + 1, 0
            places.append(Place(letter=letter(i), row=row, column=column, span=span))
            column += span
        return tuple(self._labelled(places))

    def _labelled(self, places: list[Place]) -> Iterator[Place]:
        for place, panel in zip(places, self.panels, strict=True):
            others = list(zip(places, self.panels, strict=True))
            left = [p for q, p in others if q.row == place.row and q.column < place.column]
            below = [
                p for q, p in others
                if (q.row, q.column, q.span) == (place.row + 1, place.column, place.span)
            ]  # fmt: skip
            yield replace(
                place,
                hide_x=self.share in ("x", "both") and any(_same(panel, p, "x") for p in below),
                hide_y=self.share in ("y", "both")
                and bool(left)
                and all(_same(panel, p, "y") for p in left),
            )

    def drawn_panels(self) -> tuple[Spec, ...]:
        """The panels with the limits of the axes that they share."""
        drawn = self.panels
        for axis in ("x", "y"):
            if self.share in (axis, "both"):
                limits = _common_limits(drawn, axis)
                drawn = tuple(_limited(panel, axis, limits) for panel in drawn)
        return drawn


def _leaves(panels: tuple[Spec, ...]) -> Iterator[Spec]:
    return chain.from_iterable(
        _leaves(panel.panels) if isinstance(panel, Panels | Sheet) else (panel,) for panel in panels
    )


def _label(spec: Spec, axis: str) -> str | None:
    """What tells whether two panels have the same axis; None: it cannot be shared."""
    if isinstance(spec, Lines):
        return f"{getattr(spec, f'{axis}_label')}{getattr(spec, f'{axis}_log')}"
    return f"{spec.y_label}False" if isinstance(spec, Bars) and axis == "y" else None


def _same(one: Spec, other: Spec, axis: str) -> bool:
    label = _label(one, axis)
    return label is not None and label == _label(other, axis)


def _extent(spec: Spec, axis: str) -> list[float]:
    """The smallest and the largest number along an axis, or the limits it has already."""
    assert isinstance(spec, Lines | Bars)
    if set_before := getattr(spec, f"{axis}_limits", None):
        return list(set_before)
    if isinstance(spec, Bars):
        parts = [v for s in spec.series for v in (s.values, s.low, s.high) if v is not None]
        parts.append(np.zeros(1))
    elif axis == "x":
        parts = [s.x for s in spec.series]
    else:
        parts = [v for s in spec.series for v in (s.y, s.low, s.high) if v is not None]
    if axis == "y":
        parts.append(np.array([r.value for r in spec.references]))
    values = np.concatenate([np.asarray(p, float) for p in parts] or [np.zeros(0)])
    log = isinstance(spec, Lines) and bool(getattr(spec, f"{axis}_log"))
    kept = values[np.isfinite(values) & ((values > 0) | (not log))]
    return [float(kept.min()), float(kept.max())] if kept.size else []


def _common_limits(panels: tuple[Spec, ...], axis: str) -> dict[str, Limits]:
    """Limits by label of axis that contain everything drawn along it."""
    found: dict[str, list[float]] = {}
    for leaf in _leaves(panels):
        if (label := _label(leaf, axis)) is not None:
            found.setdefault(label, []).extend(_extent(leaf, axis))
    return {label: (min(v), max(v)) for label, v in found.items() if v and min(v) < max(v)}


def _limited(spec: Spec, axis: str, limits: dict[str, Limits]) -> Spec:
    if isinstance(spec, Panels | Sheet):
        return replace(spec, panels=tuple(_limited(p, axis, limits) for p in spec.panels))
    label = _label(spec, axis)
    if label not in limits:
        return spec
    changed: dict[str, Any] = {f"{axis}_limits": limits[label]}
    return replace(spec, **changed)
