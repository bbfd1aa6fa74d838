"""Which format a file of questions or prompts has, by its columns, keys or lines."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Set
from pathlib import Path

from circuits.graph.sources.formats.files import FORMATS_BY_ENDING, ending, opened

SIGNS: dict[str, tuple[str, ...]] = {
    "two_hop_fact": ("r2(r1(e1)).prompt",),
    "hopping_too_late": ("e1_label", "r1_type"),
    "mquake": ("single_hops", "orig"),
    "lre": ("prompt_templates", "samples"),
    "pararel": ("sub_label", "obj_label"),
    "two_wiki": ("evidences",),
    "path_question": (),
}
"""Columns or keys by which a format is told; PathQuestion is told by its lines."""
_PATH = re.compile(r"[^\t]+\t[^\t]+\t[^\t#]+(#[^\t#]+){4,}(\t.*)?")
_PROPERTY = "P[0-9]*.jsonl*"
_SNIFFED = 65536  # bytes of a file that are read to find its format


def question_format(path: Path) -> str | None:
    """The format of a file, a key of `SIGNS`; None if it is of no known one.

    >>> _ = Path("q.csv").write_text("uid,r1(e1).prompt,r2(r1(e1)).prompt\\n")
    >>> question_format(Path("q.csv"))
    'two_hop_fact'
    """
    if path.is_dir():
        return _of_folder(path)
    kind = FORMATS_BY_ENDING.get(ending(path)) if path.is_file() else None
    if kind is None:
        return None
    if kind == "parquet":
        return _by_keys(_parquet_columns(path))
    with opened(path) as stream:
        head = stream.read(_SNIFFED).decode("utf-8-sig", errors="replace")
    if kind in ("csv", "tsv"):
        first = next((line for line in head.splitlines() if line.strip()), "")
        if kind == "tsv" and _PATH.fullmatch(first):
            return "path_question"
        return _by_header(first, "," if kind == "csv" else "\t")
    return next((name for name, signs in _signs() if all(f'"{s}"' in head for s in signs)), None)


def _signs() -> Iterator[tuple[str, tuple[str, ...]]]:
    return ((name, signs) for name, signs in SIGNS.items() if signs)


def _of_folder(folder: Path) -> str | None:
    places = (folder, folder / "trex_lms_vocab", folder / "TREx")
    if any(True for place in places for _ in place.glob(_PROPERTY)):
        return "pararel"
    files = (p for p in sorted(folder.rglob("*.json")) if p.is_file())
    first = next(files, None)
    return "lre" if first is not None and question_format(first) == "lre" else None


def _by_keys(keys: Set[str]) -> str | None:
    return next((name for name, signs in _signs() if keys >= set(signs)), None)


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
    return "; ".join(
        f"{name}: {', '.join(keys) or 'lines of question, answer and a path joined by #'}"
        for name, keys in SIGNS.items()
    )
