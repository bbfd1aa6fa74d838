"""Records from JSON values, in the shapes in which tables are commonly saved.

| shape | example | who writes it |
|---|---|---|
| records | `{"a": 1, "b": 2}`, also in a list or one per line | nearly everyone |
| wrapped | `{"version": 1, "data": [records]}`, the list under any key | SQuAD, web interfaces |
| columns | `{"a": [1, 3], "b": [2, 4]}`, `{"a": {"0": 1, "1": 3}, ...}` | pandas, by default |
| split | `{"columns": ["a", "b"], "data": [[1, 2], [3, 4]]}` | pandas, orient="split" |
| index | `{"0": {"a": 1, "b": 2}, "1": {...}}` | pandas, orient="index" |

An object of any other shape is passed on as one record; its reader then says which keys it found
and which it expected.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from circuits.errors import HopscopeError
from circuits.graph.sources.formats.json_values import Value

Known = Callable[[Iterable[str]], bool]
"""Whether these keys are the fields of a record."""
Say = Callable[[str], None]


def json_records(values: Iterable[Value], file: str, known: Known, say: Say) -> Iterator[Value]:
    """Records with their places; `say` receives a sentence on the shape that was found.

    Raises:
        HopscopeError: if columns differ in length, or if it is not clear which list is meant.
    """
    for place, value in values:
        try:
            inner = _unfolded(value, known, say)
        except ValueError as problem:
            raise HopscopeError(f"{file}: {place} {problem}.") from None
        if inner is None:
            yield place, value
            continue
        for number, record in enumerate(inner, 1):
            yield f"{place}, item {number}", record


def _unfolded(value: Any, known: Known, say: Say) -> Iterable[Any] | None:
    if isinstance(value, list):
        return value if _is_table(value) else None
    if not isinstance(value, dict) or not any(
        type(member) in (list, dict) for member in value.values()
    ):
        return None
    names, rows = value.get("columns"), value.get("data")
    if isinstance(names, list) and isinstance(rows, list) and _is_table(rows):
        say("The JSON object is a table in pandas' split form; its rows are the records.")
        return (dict(zip(names, row, strict=True)) for row in rows)
    if known(value):
        return _from_columns(value, say)
    return _from_wrapper(value, known, say)


def _is_table(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], list | dict)


def _from_columns(value: Mapping[str, Any], say: Say) -> Iterable[Any] | None:
    columns = list(value.values())
    if all(isinstance(column, dict) for column in columns):
        if any(column.keys() != columns[0].keys() for column in columns):
            raise ValueError(f"has columns with different row labels ({_sizes(value)})")
        columns = [list(column.values()) for column in columns]
    elif not all(isinstance(column, list) for column in columns):
        return None
    elif len({len(column) for column in columns}) > 1:
        raise ValueError(f"has columns of different lengths ({_sizes(value)})")
    say("The JSON object is a table by columns; its rows are the records.")
    return (dict(zip(value, row, strict=True)) for row in zip(*columns, strict=True))


def _sizes(value: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}: {len(column)}" for name, column in value.items())


def _from_wrapper(value: Mapping[str, Any], known: Known, say: Say) -> Iterable[Any] | None:
    tables = [key for key, inner in value.items() if _is_table(inner)]
    if len(tables) > 1:
        raise ValueError(
            f"has lists of records under several keys ({', '.join(tables)}); save the one that "
            "is meant as a file of its own"
        )
    if tables:
        others = ", ".join(key for key in value if key not in tables)
        also = f"; left out: {others}" if others else ""
        say(f"The records are the list under {tables[0]!r}{also}.")
        inner: list[Any] = value[tables[0]]
        return inner
    rows = list(value.values())
    if rows and all(isinstance(row, dict) and known(row) for row in rows):
        say("The JSON object is a table in pandas' index form; its values are the records.")
        return rows
    return None


def keys_of(record: Mapping[str, Any]) -> str:
    """The keys of a record, for a message."""
    shown = list(map(str, record))[:12]
    return ", ".join(shown) + (f", ... ({len(record)} in all)" if len(record) > 12 else "")
