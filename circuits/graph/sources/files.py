"""Files as they lie on disk: their format by ending, plain or gzipped, as bytes or as lines."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO, Literal, cast

from circuits.errors import HopscopeError

Format = Literal[
    "tsv", "csv", "json", "jsonl", "parquet", "ntriples", "nquads", "turtle", "trig", "rdfxml"
]
"""How triples are written in a file; "jsonl" means "json", which reads JSON of every shape."""
FORMATS_BY_ENDING: dict[str, Format] = {
    ".tsv": "tsv",
    ".tab": "tsv",
    ".txt": "tsv",
    ".csv": "csv",
    ".jsonl": "json",
    ".ndjson": "json",
    ".json": "json",
    ".parquet": "parquet",
    ".nt": "ntriples",
    ".ntriples": "ntriples",
    ".nq": "nquads",
    ".nquads": "nquads",
    ".ttl": "turtle",
    ".turtle": "turtle",
    ".trig": "trig",
    ".rdf": "rdfxml",
    ".owl": "rdfxml",
}
MAX_LINE = 1_000_000
"""Bytes; a longer line is no triple of names but a file of another kind."""


def ending(path: Path) -> str:
    """The ending that tells the format, in lower case: ".json" for "facts.JSON.gz"."""
    return _inner(path).suffix.lower()


def stem(path: Path) -> str:
    """The name without its endings: "facts" for "facts.json.gz"."""
    return _inner(path).stem


def _inner(path: Path) -> Path:
    return path.with_suffix("") if path.suffix.lower() == ".gz" else path


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """The bytes of a file, unpacked if its name ends in .gz.

    Raises:
        HopscopeError: if it cannot be opened, or if what is read of a .gz file is damaged.
    """
    try:
        with _open(path) as stream:
            yield stream
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise HopscopeError(f"{path} is not a whole gzip file ({error}); pack it again.") from None
    except PermissionError:
        raise HopscopeError(f"{path} may not be read; change its permissions.") from None


def _open(path: Path) -> BinaryIO:
    if path.suffix.lower() == ".gz":
        return cast(BinaryIO, gzip.open(path, "rb"))
    return path.open("rb")


def text_lines(stream: BinaryIO, file: str) -> Iterator[tuple[int, str]]:
    """Lines with their numbers from 1, without line end and byte order mark.

    Raises:
        HopscopeError: if a line is not UTF-8 or too long to be a line of names.
    """
    lines = iter(partial(stream.readline, MAX_LINE + 1), b"")
    for number, line in enumerate(lines, 1):
        if len(line) > MAX_LINE:
            raise HopscopeError(
                f"{file}: line {number} is longer than {MAX_LINE:,} bytes, so this is not a file "
                f"of one triple per line; it begins {line[:60]!r}."
            )
        text = decoded(line, file, number)
        yield number, (text.removeprefix("\ufeff") if number == 1 else text).rstrip("\r\n")


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
