"""Which format a file of questions or prompts has, by its columns, keys or lines."""

from __future__ import annotations

import csv
from collections.abc import Set
from pathlib import Path

from circuits.graph.sources.formats.files import FORMATS_BY_ENDING, ending, opened

SIGNS: dict[str, tuple[str, ...]] = {
    "two_hop_fact": ("r2(r1(e1)).prompt",),
}
"""Columns or keys by which a format is told."""
_SNIFFED = 65536  # bytes of a file that are read to find its format


def question_format(path: Path) -> str | None:
    """The format of a file, a key of `SIGNS`; None if it is of no known one.

    >>> _ = Path("q.csv").write_text("uid,r1(e1).prompt,r2(r1(e1)).prompt\\n")
    >>> question_format(Path("q.csv"))
    'two_hop_fact'
    """
    kind = FORMATS_BY_ENDING.get(ending(path)) if path.is_file() else None
    if kind is None:
        return None
    if kind == "parquet":
        return _by_keys(_parquet_columns(path))
    with opened(path) as stream:
        head = stream.read(_SNIFFED).decode("utf-8-sig", errors="replace")
    if kind in ("csv", "tsv"):
        lines = head.splitlines()
        return _by_header(lines[0], "," if kind == "csv" else "\t") if lines else None
    found = (name for name, signs in SIGNS.items() if all(f'"{sign}"' in head for sign in signs))
    return next(found, None)


def _by_keys(keys: Set[str]) -> str | None:
    return next((name for name, signs in SIGNS.items() if keys >= set(signs)), None)


def _by_header(line: str, delimiter: str) -> str | None:
    return _by_keys(set(next(csv.reader([line], delimiter=delimiter), ())))


def _parquet_columns(path: Path) -> set[str]:
    import pyarrow as pa  # imported here: slow, and only this format needs it
    import pyarrow.parquet as pq

    try:
        return set(pq.read_schema(path).names)
    except (pa.ArrowException, OSError):
        return set()


def described() -> str:
    """The signs of all formats, for a message."""
    return "; ".join(f"{name}: {', '.join(keys)}" for name, keys in SIGNS.items())
