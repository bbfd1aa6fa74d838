"""Broken records of a file: the first with its place and text, and the number of others."""

from __future__ import annotations

from dataclasses import dataclass, field

from circuits.errors import HopscopeError

_SHOWN = 80  # characters of the first broken record that a message quotes


@dataclass
class Broken:
    """Collects what cannot be read, so that one message covers the whole file."""

    file: str
    count: int = 0
    first: str = field(default="", init=False)

    def add(self, place: str, text: str, why: str) -> None:
        """Note the record at `place` ("line 3") with its text and what is wrong with it."""
        if not self.count:
            shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}... ({len(text):,} chars)"
            self.first = f"{place} {why}" + (f": {shown!r}" if shown else "")
        self.count += 1

    def refuse(self, remedy: str) -> None:
        """Raise if anything was noted."""
        if self.count:
            rest = f" (and {self.count - 1:,} more)" if self.count > 1 else ""
            raise HopscopeError(f"{self.file}: {self.first}{rest}. {remedy}")
