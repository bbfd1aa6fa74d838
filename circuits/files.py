"""Atomic writing of files: temporary name, sync, rename, sync of the folder.

All files of run folders, exports and model folders are written here, so that no file is ever half
written, even if a process is killed or the disk is full.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path

from circuits.errors import CannotWrite

WRITTEN_BY_EXPORT = "hopscope export"
"""What the JSON beside an exported figure has as "written_by"; other readers name it by that."""

_PARTIAL = re.compile(r"\.(manifest|notes|recipe|corpus|metrics|step_\d+|state_\d+)\.[a-z]+\.\w{8}")


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file atomically: it is never half written, even if power fails.

    Raises:
        CannotWrite: if the disk is full or the folder cannot be written; an older file of that name
            is then unharmed.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "note.txt"
    >>> write_atomically(path, b"whole")
    >>> path.read_text()
    'whole'
    """
    write_together({path: content})


def write_together(files: Mapping[Path, bytes]) -> None:
    """Write files of one folder: all under temporary names first, then renamed in order.

    A full disk or a killed process therefore leaves the older files as they were; only a power
    failure between two renames can leave some new and some old.

    Raises:
        CannotWrite: naming the file that could not be written.
    """
    temporary: dict[Path, str] = {}
    try:
        for path, content in files.items():
            descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
            temporary[path] = name
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(name, 0o644)
        for path in list(temporary):
            os.replace(temporary[path], path)
            del temporary[path]
        for folder in {path.parent for path in files}:
            _sync_folder(folder)
    except OSError as error:
        raise CannotWrite(path, error) from error
    finally:
        for name in temporary.values():
            Path(name).unlink(missing_ok=True)


def remove_partial_files(folder: Path) -> None:
    """Delete temporary files that `write_atomically` left when its process was killed."""
    for path in list(folder.glob(".*")):
        if is_partial(path):
            path.unlink()


def is_partial(path: Path) -> bool:
    """Whether this is a leftover of an interrupted write."""
    return _PARTIAL.fullmatch(path.name) is not None and path.is_file()


def make_folder(folder: Path) -> None:
    """Make a folder to write into, with its parents, unless it exists.

    Raises:
        CannotWrite: if it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CannotWrite(folder, error) from error


def _sync_folder(folder: Path) -> None:
    """Make a rename durable, on systems that can open a folder."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
