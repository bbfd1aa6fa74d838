"""Files on disk: their format by ending, plain or gzipped, as bytes or as lines."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
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
"""Bytes; a longer line is not a triple of names, and the file is of another kind."""


def ending(path: Path) -> str:
    """The ending that decides the format, in lower case: ".json" for "facts.JSON.gz"."""
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
        HopscopeError: if it cannot be opened, or if a .gz file is damaged.
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
    number = 0
    for block in _whole_lines(stream, file):
        try:
            text = block.decode()
        except UnicodeDecodeError as error:
            whole, end, cut = block[: error.start].rpartition(b"\n")
            line = number + 1 + (whole + end).count(b"\n")
            raise HopscopeError(
                f"{file}: line {line} is not UTF-8 (byte {block[error.start]:#04x} at column "
                f"{len(cut) + 1}); save the file as UTF-8."
            ) from None
        if number == 0:
            text = text.removeprefix("\ufeff")
        if "\r" in text:
            text = text.replace("\r\n", "\n")
        lines = text.removesuffix("\n").split("\n")
        yield from enumerate(lines, number + 1)
        number += len(lines)


def _whole_lines(stream: BinaryIO, file: str) -> Iterator[bytes]:
    """The file in blocks that end at a line end; splitting a decoded block is fast."""
    rest, number = b"", 1
    while block := stream.read(MAX_LINE):
        whole, end, rest_of_block = block.rpartition(b"\n")
        if end:
            number += whole.count(b"\n") + 1
            yield rest + whole + end
            rest = rest_of_block
        else:
            rest += block
        if len(rest) > MAX_LINE:
            raise HopscopeError(
                f"{file}: line {number} is longer than {MAX_LINE:,} bytes, so this is not a file "
                f"of one triple per line; it begins {rest[:60]!r}."
            )
    if rest:
        yield rest.removesuffix(b"\r")
