"""The specifications of a graph's contents: a table, and the facts around one entity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from jaxtyping import Float

from analyses.figures.specs.base import Spec

Cell = str | int | float | None


def cell_text(cell: Cell, kind: str) -> str:
    """A cell as it is read: a dash for what is missing, and no minus before a zero.

    >>> cell_text(-0.001, ".2f"), cell_text(float("nan"), ".2f"), cell_text(1200, ",")
    ('0.00', '–', '1,200')
    """
    if cell is None or cell != cell:  # nan
        return "–"
    text = format(cell, kind)
    return text.removeprefix("-") if kind and not text.strip("-0.,%") else text


@dataclass(frozen=True, kw_only=True, eq=False)
class Table(Spec):
    """A table; a picture shows the first `shown` rows, the data holds all."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    formats: tuple[str, ...]
    """One format specification per column, e.g. ",", ".2f" or ".1%"; "" for text."""
    shown: int = 40

    def frame(self) -> pd.DataFrame:
        """The table itself, with unformatted numbers."""
        return pd.DataFrame(list(self.rows), columns=list(self.columns))

    def texts(self, most: int | None = None) -> list[list[str]]:
        """The shown rows (or `most` of them) as formatted text; "–" for missing values."""
        return [
            [cell_text(cell, kind) for cell, kind in zip(row, self.formats, strict=True)]
            for row in self.rows[: self.shown if most is None else most]
        ]

    @property
    def rest(self) -> str:
        """The note on the rows that the picture leaves out."""
        hidden = len(self.rows) - self.shown
        return f"and {hidden:,} more rows, in the CSV file" if hidden > 0 else ""


@dataclass(frozen=True, kw_only=True)
class Neighbour:
    """One fact of an entity, seen from it."""

    name: str
    """The entity at the other end."""
    relation: str
    side: Literal["in", "out"]
    """in: the fact leads to the entity in the middle; out: it starts there."""
    provenance: str
    """Word for where the fact comes from, "real" for a real one."""

    def text(self) -> str:
        """The text beside the point, in the order in which the fact is read."""
        words = (self.relation, self.name) if self.side == "out" else (self.name, self.relation)
        return " · ".join(words)


@dataclass(frozen=True, kw_only=True, eq=False)
class Neighbourhood(Spec):
    """An entity in the middle, with facts that lead to it on the left and its own on the right."""

    entity: str
    facts: tuple[Neighbour, ...]
    most: int = 18
    """Facts that a picture shows on each side."""

    def side(self, side: Literal["in", "out"]) -> tuple[Neighbour, ...]:
        """The facts that are drawn on a side, from top to bottom."""
        return tuple(fact for fact in self.facts if fact.side == side)[: self.most]

    def places(self, side: Literal["in", "out"]) -> Float[np.ndarray, " facts"]:
        """Heights of the facts of a side, 1 at the top to -1."""
        n = len(self.side(side))
        return np.linspace(1, -1, n) if n > 1 else np.zeros(n)

    @property
    def rows(self) -> int:
        """Facts of the longer side."""
        return max(1, len(self.side("in")), len(self.side("out")))

    def heading(self, side: Literal["in", "out"]) -> str:
        """The heading of a side, with the number of facts it leaves out."""
        n = sum(fact.side == side for fact in self.facts)
        hidden = n - len(self.side(side))
        words = f"{n} lead here" if side == "in" else f"{n} of its own"
        return words + (f", {hidden} not drawn" if hidden else "")

    def frame(self) -> pd.DataFrame:
        """Columns: subject, relation, object, provenance; every fact, drawn or not."""
        rows = [
            (f.name, f.relation, self.entity) if f.side == "in" else
            (self.entity, f.relation, f.name)
            for f in self.facts
        ]  # fmt: skip
        table = pd.DataFrame(rows, columns=["subject", "relation", "object"])
        return table.assign(provenance=[f.provenance for f in self.facts])
