"""The values of a JSON file of any layout; a long list is never in memory at once.

1. A list of objects or of lists is decoded item by item; a file may hold several of them.
2. JSONL: if one of the next two lines is a complete value, every line from there must be one.
3. Anything else is one value over several lines.

Nothing after a value is skipped: a line that is not JSON is noted as broken, and any other text
that is not JSON is an error.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from typing import Any, BinaryIO

from circuits.errors import HopscopeError
from circuits.graph.sources.formats.broken import Broken

_CHUNK = 1 << 20
_SPACE = " \t\r\n"
_SHOWN = 80

Value = tuple[str, Any]
"""Its place ("line 3", "item 3") and the value."""


def json_values(stream: BinaryIO, broken: Broken) -> Iterator[Value]:
    """The items of top-level lists of records, and all other top-level values.

    Raises:
        HopscopeError: if the file is not UTF-8, or is not JSON outside of such lines.
    """
    text = _Text(stream, broken.file)
    while first := text.next_character():
        if first == "[" and text.at_list_of_records():
            yield from _items(text)
        elif any(_is_record(line) for line in text.lines_ahead(2)):
            yield from _lines(text, broken)
        else:
            place = f"line {text.line_number()}"
            try:
                value = text.value()
            except ValueError as error:  # where the next value would begin is not known
                raise HopscopeError(
                    f"{text.file}: {place} is not JSON ({_reason(error)}): {text.excerpt()!r}. "
                    "Correct it, or take it out of the file."
                ) from None
            yield place, value


def _reason(error: ValueError) -> str:
    return error.msg if isinstance(error, json.JSONDecodeError) else str(error)


def _is_record(line: str) -> bool:
    try:
        return isinstance(_decoded(line), dict | list)
    except ValueError:
        return False


def _decoded(text: str) -> Any:
    """The value of a text.

    Raises:
        ValueError: if it is not JSON.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _lines(text: _Text, broken: Broken) -> Iterator[Value]:
    number = text.line_number()
    while (line := text.take_line()) is not None:
        if line and not line.isspace():
            try:
                value = _decoded(line)
            except ValueError as error:
                broken.add(f"line {number}", line.strip(), f"is not JSON ({_reason(error)})")
            else:
                yield f"line {number}", value
        number += 1


def _items(text: _Text) -> Iterator[Value]:
    """The items of the list that begins here; the text stands behind it afterwards."""
    text.at += 1
    number = 0
    while (next_one := text.next_character(_SPACE + ",")) != "]":
        number += 1
        try:
            if not next_one:
                raise ValueError("the list is not closed")
            value = text.value()
        except ValueError as error:
            raise HopscopeError(
                f"{text.file}: item {number} of the JSON list cannot be read ({_reason(error)}): "
                f"{text.excerpt()!r}. Is the file complete?"
            ) from None
        yield f"item {number}", value
    text.at += 1


class _Text:
    """The text of a stream; only the part being read is in memory."""

    def __init__(self, stream: BinaryIO, file: str) -> None:
        self.file = file
        self.text = ""
        self.at = 0
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self._lines_before = 0  # line ends before the text in memory

    def more(self, size: int = _CHUNK) -> bool:
        """Read on and drop the text before `at`; False at the end of the file."""
        data = self._stream.read(size)
        self._lines_before += self.text.count("\n", 0, self.at)
        self.text, self.at = self.text[self.at :], 0
        try:
            self.text += self._decoder.decode(data, final=not data)
        except UnicodeDecodeError as error:
            before = bytes(error.object[: error.start])
            line = self.line_number() + self.text.count("\n") + before.count(b"\n")
            raise HopscopeError(
                f"{self.file}: line {line} is not UTF-8 (byte {error.object[error.start]:#04x}); "
                "save the file as UTF-8."
            ) from None
        return bool(data)

    def line_number(self) -> int:
        """Number of the current line, from 1."""
        return 1 + self._lines_before + self.text.count("\n", 0, self.at)

    def excerpt(self) -> str:
        """The beginning of the text ahead, for quoting."""
        return self.text[self.at : self.at + _SHOWN]

    def next_character(self, skipped: str = _SPACE) -> str:
        """Move to the next character that is not skipped and return it; "" at the end."""
        while True:
            while self.at < len(self.text):
                if self.text[self.at] not in skipped:
                    return self.text[self.at]
                self.at += 1
            if not self.more():
                return ""

    def at_list_of_records(self) -> bool:
        """Whether the list that begins here is empty or its first item is a list or an object."""
        ahead = self.at + 1
        while True:
            while ahead < len(self.text):
                if self.text[ahead] not in _SPACE:
                    return self.text[ahead] in "[{]"
                ahead += 1
            ahead -= self.at
            if not self.more():
                return False

    def value(self) -> Any:
        """The value that begins here; the text stands behind it afterwards.

        Raises:
            ValueError: if it is not JSON; the text stays where it is.
        """
        decoder, want = json.JSONDecoder(), _CHUNK
        while True:
            try:
                value, self.at = decoder.raw_decode(self.text, self.at)
            except RecursionError:
                raise ValueError("nested too deeply") from None
            except json.JSONDecodeError:
                if not self.more(want):
                    raise
                want *= 2  # reads double, so a long value is parsed again at most log n times
            else:
                return value

    def take_line(self) -> str | None:
        """The rest of the line, without its end; None at the end of the file."""
        end = self._line_end(self.at)
        if end == self.at == len(self.text):
            return None
        start = self.at
        self.at = min(end + 1, len(self.text))
        return self.text[start:end]

    def lines_ahead(self, n: int) -> list[str]:
        """The next lines that are not blank, at most n, without moving."""
        lines: list[str] = []
        offset = 0
        while len(lines) < n:
            end = self._line_end(self.at + offset)
            line = self.text[self.at + offset : end]
            if line.strip():
                lines.append(line)
            if end >= len(self.text):
                break
            offset = end + 1 - self.at
        return lines

    def _line_end(self, start: int) -> int:
        """Where the line that holds `start` ends; reading on moves both by what is forgotten."""
        offset, want = start - self.at, _CHUNK
        while (end := self.text.find("\n", self.at + offset)) < 0:
            if not self.more(want):
                return len(self.text)
            want *= 2
        return end
