"""Triples from records: JSON of any shape, and parquet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from circuits.errors import HopscopeError
from circuits.graph.sources.formats.columns import (
    EXPECTED,
    IN_ORDER,
    Columns,
    columns_named,
    described,
)
from circuits.graph.sources.formats.files import opened
from circuits.graph.sources.formats.grokked_layout import refuse_grokked
from circuits.graph.sources.formats.json_shapes import json_records, keys_of
from circuits.graph.sources.formats.json_values import json_values
from circuits.graph.sources.formats.reading import Reading, Row

_BATCH = 65536  # rows of a parquet file in memory


def json_rows(reading: Reading, columns: Columns | None) -> Iterator[Row]:
    """The triples of a JSON file: lists of three names, or objects whose keys name the roles.

    Args:
        reading: The file, and the record that collects what is found in it.
        columns: Places of the roles among the items of a list or the keys of an object, if the user
            gave them.
    """

    def known(keys: Iterable[str]) -> bool:
        return columns_named(tuple(keys)) is not None

    counts = reading.counts = {"records": 0}
    picked: dict[tuple[str, ...], tuple[str, str, str]] = {}
    with opened(reading.file) as stream:
        values = json_values(stream, reading.broken)
        for place, record in json_records(values, str(reading.file), known, reading.say):
            counts["records"] += 1
            try:
                if isinstance(record, dict):
                    keys = tuple(record)
                    if keys not in picked:
                        picked[keys] = _keys_of_roles(reading, record, columns)
                    subject, relation, obj = picked[keys]
                    parts = record[subject], record[relation], record[obj]
                else:
                    parts = _items(record, columns or IN_ORDER)
                row = _row(reading, parts)
                if isinstance(record, dict) and record.get("provenance") == "added_llm":
                    reading.added.add(row)
                yield row
            except ValueError as problem:
                if isinstance(problem, HopscopeError):
                    raise
                reading.broken.add(place, repr(record), str(problem))


def _row(reading: Reading, parts: tuple[Any, Any, Any]) -> Row:
    for part in parts:
        if not isinstance(part, str):
            raise ValueError(f"has {part!r} ({type(part).__name__}) in place of a name")
    return reading.row(*parts)


def _items(record: Any, columns: Columns) -> tuple[Any, Any, Any]:
    if not isinstance(record, list):
        raise ValueError("is neither an object nor a list of three names")
    if len(record) != columns.width:
        raise ValueError(f"has {len(record)} items in place of {columns.width}")
    return record[columns.subject], record[columns.relation], record[columns.object]


def _keys_of_roles(
    reading: Reading, record: dict[str, Any], columns: Columns | None
) -> tuple[str, str, str]:
    refuse_grokked(record, reading.file)
    keys = tuple(record)
    by = ""
    if columns is None:
        columns = columns_named(keys)
        if columns is None:
            raise ValueError(f"has the keys {keys_of(record)}; expected are {EXPECTED}")
    elif len(keys) != columns.width:
        raise ValueError(
            f"has {len(keys)} keys ({keys_of(record)}), of source.options.columns "
            f"there are {columns.width}"
        )
    else:
        by = " (by source.options.columns)"
    reading.say(f"Objects are read as {described(columns, keys)}{by}.")
    return keys[columns.subject], keys[columns.relation], keys[columns.object]


def parquet_rows(reading: Reading, columns: Columns | None) -> Iterator[Row]:
    """The triples of a parquet file, by its column names or the columns the user gave."""
    import pyarrow as pa  # imported here: slow, and only this format needs it
    import pyarrow.parquet as pq

    counts = reading.counts = {"records": 0}
    try:
        file = pq.ParquetFile(reading.file)
        names = [n for n in file.schema_arrow.names if not n.startswith("__index_level_")]
        columns = _parquet_columns(reading, names, columns)
        wanted = [names[i] for i in (columns.subject, columns.relation, columns.object)]
        for batch in file.iter_batches(batch_size=_BATCH, columns=wanted):
            for parts in zip(*(batch.column(name).to_pylist() for name in wanted), strict=True):
                counts["records"] += 1
                try:
                    yield _row(reading, parts)
                except ValueError as problem:
                    reading.broken.add(f"row {counts['records']}", repr(parts), str(problem))
    except (pa.ArrowException, OSError) as error:
        first = str(error).splitlines()[0]
        raise HopscopeError(f"{reading.file} is not a readable parquet file: {first}") from None


def _parquet_columns(reading: Reading, names: list[str], columns: Columns | None) -> Columns:
    if columns is None:
        columns = columns_named(names)
        if columns is None:
            raise HopscopeError(
                f"{reading.file} has the columns {', '.join(names)}; expected are {EXPECTED}. "
                "Rename them, or say which is which in their order, e.g. "
                'source.options.columns = ["subject", "relation", "object"].'
            )
    elif len(names) != columns.width:
        raise HopscopeError(
            f"{reading.file} has {len(names)} columns ({', '.join(names)}), "
            f"source.options.columns names {columns.width}."
        )
    reading.say(f"Columns are read as {described(columns, names)}.")
    return columns
