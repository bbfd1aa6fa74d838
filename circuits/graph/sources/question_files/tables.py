"""Records of a table with named columns: CSV, TSV, JSON of any shape, or parquet."""

from __future__ import annotations

import ast
import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from circuits.errors import HopscopeError
from circuits.graph.sources.formats.files import FORMATS_BY_ENDING, ending, opened
from circuits.graph.sources.formats.json_shapes import json_records, keys_of
from circuits.graph.sources.formats.json_values import json_values
from circuits.graph.sources.question_files.record import QuestionFile

Placed = tuple[str, dict[str, Any]]
"""Its place ("line 3") and the record."""
_CELL = 1 << 24  # characters of a cell; a file of prompts and aliases has longer ones than csv's


def table_records(
    file: QuestionFile, needed: Sequence[str], limit: int | None = None
) -> Iterator[Placed]:
    """The records of a file that has these columns.

    Raises:
        HopscopeError: if a column is missing, naming those that were found, or if the file is not
            a table.
    """
    kind = FORMATS_BY_ENDING.get(ending(file.path))
    if kind in ("csv", "tsv"):
        records = _delimited(file, "," if kind == "csv" else "\t")
    elif kind == "parquet":
        records = _parquet(file)
    else:
        records = json_objects(file, needed)
    for number, (place, record) in enumerate(islice(records, limit)):
        missing = [name for name in needed if name not in record]
        if missing:
            problem = (
                f"{place} has no {' and no '.join(missing[:3])}; found are {keys_of(record)}, "
                f"needed are {', '.join(needed)}"
            )
            if number == 0:
                raise HopscopeError(
                    f"{file.path}: {problem}. Give the file as it was published, or rename the "
                    "columns."
                )
            file.broken.add(place, "", problem)
            continue
        file.counts["records"] += 1
        yield place, record


def json_objects(file: QuestionFile, needed: Sequence[str]) -> Iterator[Placed]:
    """The objects of a JSON or JSONL file, in any of the shapes of `json_shapes`."""

    def known(keys: Iterable[str]) -> bool:
        return set(needed) <= set(keys)

    with opened(file.path) as stream:
        values = json_values(stream, file.broken)
        for place, record in json_records(values, str(file.path), known, file.say):
            if isinstance(record, dict):
                yield place, record
            else:
                file.broken.add(place, repr(record), "is not a JSON object")


def _delimited(file: QuestionFile, delimiter: str) -> Iterator[Placed]:
    before = csv.field_size_limit(_CELL)
    try:
        with opened(file.path) as stream:
            text = io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")
            rows = csv.reader(text, delimiter=delimiter, strict=True)
            header = next(rows, None)
            if not header:
                raise HopscopeError(f"{file.path} is empty; its first line must name the columns.")
            for row in rows:
                if not row:
                    continue
                place = f"line {rows.line_num}"
                if len(row) != len(header):
                    why = f"has {len(row)} fields, the header {len(header)}"
                    file.broken.add(place, delimiter.join(row), why)
                    continue
                yield place, dict(zip(header, row, strict=True))
    except (csv.Error, UnicodeDecodeError) as error:
        raise HopscopeError(
            f"{file.path} is not a readable table ({error}); save it as CSV in UTF-8."
        ) from None
    finally:
        csv.field_size_limit(before)


def _parquet(file: QuestionFile) -> Iterator[Placed]:
    import pyarrow as pa  # imported here: slow, and only this format needs it
    import pyarrow.parquet as pq

    number = 0
    try:
        for batch in pq.ParquetFile(file.path).iter_batches():
            for record in batch.to_pylist():
                number += 1
                yield f"row {number}", record
    except (pa.ArrowException, OSError) as error:
        first = str(error).splitlines()[0]
        raise HopscopeError(f"{file.path} is not a readable parquet file: {first}") from None


def python_names(value: Any, what: str) -> list[str]:
    """The names in a cell with a list: as Python writes one, nested or not, or a list itself.

    Raises:
        ValueError: if it is neither; the message goes on from the place of the record.

    >>> python_names("(('George Orwell', 'Eric Blair'),)", "e2.aliases")
    ['George Orwell', 'Eric Blair']
    >>> python_names("", "e2.aliases"), python_names(["Eric Blair"], "e2.aliases")
    ([], ['Eric Blair'])
    """
    if value is None or value != value or value in ("", "nan"):
        return []
    if isinstance(value, str):
        try:
            value = ast.literal_eval(value)  # literals only: nothing is executed
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            raise ValueError(f"has {what} that are not a list of names") from None
    return list(_flat(value, what))


def _flat(value: Any, what: str) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | tuple | set):
        for part in value:
            yield from _flat(part, what)
    else:
        raise ValueError(f"has {what} that are not a list of names")
