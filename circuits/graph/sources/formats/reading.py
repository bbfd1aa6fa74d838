"""The record of reading a file of triples: names, broken records, and sentences for the user."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from circuits.graph.names import Names
from circuits.graph.sources.formats.broken import Broken
from circuits.graph.sources.formats.columns import ROLES

Row = tuple[str, str, str]


@dataclass
class Reading:
    """The record of one reading; readers of all formats write into it."""

    file: Path
    names: Names = field(default_factory=Names)
    counts: dict[str, int] = field(default_factory=dict)
    """Counts by kind: lines, records or statements, blank lines, headers."""
    said: list[str] = field(default_factory=list)
    """Sentences for the user: what was taken as a header, left out or unified."""
    added: set[Row] = field(default_factory=set)
    """Facts that the file says a language model added."""
    broken: Broken = field(init=False)

    def __post_init__(self) -> None:
        self.broken = Broken(str(self.file))

    def say(self, sentence: str) -> None:
        """Add a sentence, once."""
        if sentence not in self.said:
            self.said.append(sentence)

    def row(self, subject: str, relation: str, obj: str) -> Row:
        """The indices of a triple's names, after checking them.

        Raises:
            ValueError: if one of the names is not valid; the message says why.
        """
        names = self.names
        row = names[subject], names[relation], names[obj]
        if not (row[0] and row[1] and row[2]):
            raise ValueError(f"has an empty {ROLES[row.index('')]}")
        return row

    def report(self) -> dict[str, Any]:
        """Counts of what was read, broken and unified."""
        return {
            **self.counts,
            "broken": self.broken.count,
            "first_broken": self.broken.first,
            "names": self.names.report(),
        }
