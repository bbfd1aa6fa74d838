"""What is known of each file of the mirrors: which version of its object it is a copy of.

One SQLite file for all mirrors; a copy and its record are made within one transaction, so that two
processes never record one's version of the other's file.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from circuits.remote.addresses import mirrors

_TABLES = """
CREATE TABLE IF NOT EXISTS copies (path TEXT PRIMARY KEY, version TEXT, size INT, time INT);
CREATE TABLE IF NOT EXISTS self (id TEXT);
PRAGMA user_version = 1;
"""


@dataclass(frozen=True)
class Copy:
    """What is known of one file."""

    version: str
    """Of the object in the bucket, when it was last copied, sent or seen."""
    size: int | None
    """Of the file, as it was then; None: it was not copied."""
    time: int | None
    """Nanoseconds, as the file's time."""

    def is_of(self, path: Path) -> bool:
        """Whether the file is still that copy."""
        return self.size is not None and (self.size, self.time) == _state(path)


def known(folder: Path) -> dict[str, Copy]:
    """What is known of the files below a folder, by their paths below it."""
    start = f"{folder}{os.sep}"
    with _opened() as database:
        rows = database.execute(
            "SELECT path, version, size, time FROM copies WHERE path >= ? AND path < ?",
            (start, f"{folder}{chr(ord(os.sep) + 1)}"),
        ).fetchall()
    return {path[len(start) :].replace(os.sep, "/"): Copy(*rest) for path, *rest in rows}


def known_of(path: Path) -> Copy | None:
    """What is known of one file."""
    with _opened() as database:
        row = database.execute(
            "SELECT version, size, time FROM copies WHERE path = ?", (str(path),)
        ).fetchone()
    return None if row is None else Copy(*row)


def place(contents: Mapping[Path, tuple[bytes, str]]) -> None:
    """Write copies (content, version), each atomically, and record them."""
    with _opened() as database:
        database.execute("BEGIN IMMEDIATE")
        for path, (content, version) in contents.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
            os.chmod(name, 0o644)
            os.replace(name, path)
            _record(database, path, Copy(version, *(_state(path) or (None, None))))


def record(copies: Mapping[Path, Copy]) -> None:
    """Record versions of files that were sent, or seen and not copied."""
    with _opened() as database:
        database.execute("BEGIN IMMEDIATE")
        for path, copy in copies.items():
            _record(database, path, copy)


def forget(paths: Iterable[Path], *, remove: bool = True) -> None:
    """Forget files and remove them."""
    with _opened() as database:
        database.execute("BEGIN IMMEDIATE")
        for path in paths:
            if remove:
                path.unlink(missing_ok=True)
            database.execute("DELETE FROM copies WHERE path = ?", (str(path),))


def own_id() -> str:
    """A name for this folder of mirrors, by which a lock tells who holds it."""
    with _opened() as database:
        database.execute("BEGIN IMMEDIATE")
        found = database.execute("SELECT id FROM self").fetchone()
        if found is None:
            found = (uuid4().hex,)
            database.execute("INSERT INTO self VALUES (?)", found)
    return str(found[0])


def state(path: Path) -> Copy:
    """A file as it is now, not sent yet."""
    return Copy("", *(_state(path) or (None, None)))


def _record(database: sqlite3.Connection, path: Path, copy: Copy) -> None:
    database.execute(
        "INSERT OR REPLACE INTO copies VALUES (?, ?, ?, ?)",
        (str(path), copy.version, copy.size, copy.time),
    )


def _state(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns


@contextmanager
def _opened() -> Iterator[sqlite3.Connection]:
    root = mirrors()
    root.mkdir(parents=True, exist_ok=True, mode=0o700)
    with closing(sqlite3.connect(root / "index.sqlite", timeout=60)) as database:
        if not database.execute("PRAGMA user_version").fetchone()[0]:
            database.executescript(_TABLES)
        database.execute("PRAGMA synchronous = OFF")  # a killed process harms it as little
        with database:
            yield database
