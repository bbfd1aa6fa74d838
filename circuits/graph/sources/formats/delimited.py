"""Triples from TSV and CSV: one per line, with or without a header."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from operator import methodcaller

from circuits.errors import HopscopeError
from circuits.graph.sources.formats.columns import (
    EXPECTED,
    IN_ORDER,
    ROLES,
    Columns,
    columns_named,
    described,
    half_a_header,
)
from circuits.graph.sources.formats.files import opened, text_lines
from circuits.graph.sources.formats.reading import Reading, Row

Split = Callable[[str], list[str]]


@dataclass(frozen=True)
class Layout:
    """How the lines of one table are read."""

    split: Split
    columns: Columns
    has_header: bool


def delimited_rows(
    reading: Reading, delimiter: str, columns: Columns | None, header: bool | None
) -> Iterator[Row]:
    """The triples of a file; what is broken or blank is noted in `reading`.

    Args:
        reading: The file, and the record that collects what is found in it.
        delimiter: A tab, whose fields are taken as they are, or a comma, with quotes.
        columns: Places of the roles, if the user gave them.
        header: Whether the first line names the columns; None: decide by its words.
    """
    counts = reading.counts = {"lines": 0, "blank_or_comment": 0, "header": 0}
    with opened(reading.file) as stream:
        lines = text_lines(stream, str(reading.file))
        number = 0
        for number, line in lines:
            if line and not line.isspace():
                layout = _layout(reading, number, line, delimiter, columns, header)
                break
            counts["blank_or_comment"] += 1
        else:
            counts["lines"] = number
            return
        if layout.has_header:
            counts["header"] = 1
        else:
            yield from _rows(reading, iter([(number, line)]), layout)
        yield from _rows(reading, lines, layout)


def _rows(reading: Reading, lines: Iterator[tuple[int, str]], layout: Layout) -> Iterator[Row]:
    """The rest of the lines. Local names keep this loop fast over millions of lines."""
    split, names, columns, width = layout.split, reading.names, layout.columns, layout.columns.width
    at_subject, at_relation, at_object = columns.subject, columns.relation, columns.object
    number = blank = 0
    for number, line in lines:
        if not line or line.isspace():
            blank += 1
            continue
        try:
            parts = split(line)
            if len(parts) != width:
                raise ValueError(_wrong_width(len(parts), width))
            row = names[parts[at_subject]], names[parts[at_relation]], names[parts[at_object]]
            if "" in row:
                raise ValueError(f"has an empty {ROLES[row.index('')]}")
            yield row
        except ValueError as problem:
            reading.broken.add(f"line {number}", line, str(problem))
    reading.counts["lines"] = max(reading.counts["lines"], number)
    reading.counts["blank_or_comment"] += blank


def _wrong_width(found: int, wanted: int) -> str:
    return f"has {found} field{'s' * (found != 1)} in place of {wanted}"


def _layout(
    reading: Reading,
    number: int,
    line: str,
    delimiter: str,
    columns: Columns | None,
    header: bool | None,
) -> Layout:
    """The layout that the first line implies, and the sentence that reports it."""
    split, cells = _splitter(line, delimiter)
    named = columns_named(cells)
    if header is None:
        header = named is not None
        if not header and columns is None:
            _refuse_half_a_header(reading, number, cells)
    if columns is not None:
        where = "source.options.columns"
    elif header and named is not None:
        columns, where = named, "header"
    elif header and len(cells) != 3:
        raise HopscopeError(
            f"{reading.file}: the header in line {number} names {len(cells)} columns "
            f"({', '.join(cells)}), none of which is known as {EXPECTED}; say which is which, "
            'e.g. source.options.columns = ["subject", "relation", "object", "-"].'
        )
    else:
        columns, where = IN_ORDER, "order"
    reading.say(_said(number, cells, columns, header, where))
    return Layout(split, columns, header)


def _said(number: int, cells: list[str], columns: Columns, header: bool, where: str) -> str:
    if len(cells) != columns.width:  # every line is broken then, and the error says how
        return f"Line {number} has {len(cells)} fields."
    described_ = described(columns, cells)
    if header:
        by = "" if where == "header" else f" (by {where})"
        return f"Line {number} is a header: {described_}{by}."
    return f"There is no header; line {number} is the first fact: {described_} (by {where})."


def _refuse_half_a_header(reading: Reading, number: int, cells: list[str]) -> None:
    known = half_a_header(cells)
    if known:
        raise HopscopeError(
            f"{reading.file}: line {number} looks like a header ({', '.join(cells)}), but which "
            f"columns are {EXPECTED} is not clear; say it in their order, e.g. "
            'source.options.columns = ["subject", "relation", "object"] with '
            "source.options.header = true, or set source.options.header = false if the line is "
            "a fact."
        )


def _splitter(line: str, delimiter: str) -> tuple[Split, list[str]]:
    """How lines are split, and the first one's cells; R quotes the cells of its TSV files."""
    if delimiter == "\t":
        cells = line.split("\t")
        quoted = all(len(c) > 1 and c[0] == c[-1] == '"' for c in cells)
        if not (quoted and columns_named(cells)):
            return methodcaller("split", "\t"), cells

    def split(text: str) -> list[str]:
        try:
            return next(csv.reader([text], delimiter=delimiter, strict=True))
        except csv.Error as error:
            raise ValueError(f"is not {'CSV' if delimiter == ',' else 'TSV'} ({error})") from None

    try:
        return split, split(line)
    except ValueError:  # noted as broken when the line is read
        return split, []
