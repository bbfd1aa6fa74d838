"""Broken records of a file: the first one with its place and text, and how many more there are."""

from __future__ import annotations

from dataclasses import dataclass, field

from circuits.errors import HopscopeError

_SHOWN = 80  # characters of the first broken record that a message quotes


@dataclass
class Broken:
    """Collects what cannot be read, so that one message covers the whole file."""

    file: str
    unit: str = "line"
    count: int = 0
    first: str = field(default="", init=False)

    def add(self, number: int, text: str, why: str) -> None:
        """Note record `number` (from 1) with its text and what is wrong with it."""
        if not self.count:
            shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}... ({len(text):,} chars)"
            self.first = f"{self.unit} {number} {why}: {shown!r}"
        self.count += 1

    def refuse(self, remedy: str) -> None:
        """Raise if anything was noted."""
        if self.count:
            rest = f" (and {self.count - 1:,} more)" if self.count > 1 else ""
            raise HopscopeError(f"{self.file}: {self.first}{rest}. {remedy}")


def decoded(line: bytes, file: str, number: int) -> str:
    """A line as text.

    Raises:
        HopscopeError: if it is not UTF-8.
    """
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise HopscopeError(
            f"{file}: line {number} is not UTF-8 (byte {line[error.start]:#04x} at column "
            f"{error.start + 1}); save the file as UTF-8."
        ) from None
