"""Files that are written whole or not at all: temporary name, sync, rename, sync of the folder.

Everything that a run folder, an export or a model folder holds goes through here, so that a name
never stands for half a file, whatever process is killed and whatever disk is full.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path

from circuits.errors import CannotWrite

_PARTIAL = re.compile(r"\.(manifest|recipe|corpus|metrics|step_\d+|state_\d+)\.[a-z]+\.\w{8}")


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that its name never stands for half of it, even if power fails.

    Raises:
        CannotWrite: if the disk is full or the folder cannot be written; an older file of that
            name is then still whole.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "note.txt"
    >>> write_atomically(path, b"whole")
    >>> path.read_text()
    'whole'
    """
    write_together({path: content})


def write_together(files: Mapping[Path, bytes]) -> None:
    """Write files of one folder: all under temporary names first, then renamed in their order.

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
    """Delete what `write_atomically` left when its process was killed in the middle."""
    for path in list(folder.glob(".*")):
        if is_partial(path):
            path.unlink()


def is_partial(path: Path) -> bool:
    """Whether this is a leftover of an interrupted write."""
    return _PARTIAL.fullmatch(path.name) is not None and path.is_file()


def _sync_folder(folder: Path) -> None:
    """Make a rename durable, where the system lets a folder be opened."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
