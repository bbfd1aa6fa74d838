"""Results of analyses at a URL: read without ever mixing two states, written by one at a time.

The list of stored steps (`results/<analysis>.json`) is put after the arrays that it speaks of.

A writer holds the store's lock object, copies the store, changes the copy, and sends it. What was
appended leaves all earlier rows as they were. Where rows were replaced or put into another order,
the list is removed first, so that nobody reads the arrays meanwhile.

A reader reads the list, the listing of the arrays, the arrays, and then both again. If neither has
changed, the arrays are of one state: had they been replaced in between, the list would have been
gone, or the second listing another one. Otherwise it copies what changed and looks again.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock

from circuits.errors import HopscopeError
from circuits.remote import index, mirror
from circuits.remote.addresses import url_of
from circuits.remote.bucket import Bucket, Found
from circuits.remote.locks import held
from circuits.runs.result_arrays import steps_on_disk

_WHOLE = ".whole"
"""Not a file, only a record: the version of the list to which the arrays here belong."""

PATIENCE_S = 60.0
"""To wait for another writer, or for a moment without one."""


def fetch_store(path: Path) -> None:
    """Copy the arrays that belong to the list of steps that is here; nothing for local results.

    Args:
        path: The Zarr group.

    Raises:
        HopscopeError: if the bucket cannot be read, or is written too fast to be read in between.
    """
    bucket = mirror.bucket_of(path)
    if bucket is None or _is_whole(path):
        return
    above, begun = Bucket(url_of(path.parent) or ""), time.monotonic()
    while True:
        before, found = _state(above, path)
        if before is None and index.known_of(_list(path)) is None:
            return  # it is only here
        content = above.read(_list(path).name)
        _copy_exactly(path, found)
        if (before, found) == _state(above, path):
            break
        if time.monotonic() - begun > PATIENCE_S:
            raise HopscopeError(f"{bucket.url} changes too fast to be read; try again later.")
        time.sleep(0.1)
    _copy_list(path, before, content)


@contextmanager
def writing_store(path: Path) -> Iterator[None]:
    """Have the newest arrays here, keep other writers away, and send what changed.

    Nothing happens for local results. The caller holds the store's lock of this machine.

    Raises:
        HopscopeError: if another machine is writing, or the bucket cannot be reached; what was
            computed is then kept here.
    """
    bucket = mirror.bucket_of(path)
    if bucket is None or path.parent.name.startswith("."):  # a copy that is being made
        yield
        return
    above = Bucket(url_of(path.parent) or "")
    with held(above, f".{path.stem}.lock", PATIENCE_S):
        before, found = _state(above, path)
        if not _is_newest(path, before):
            _copy_exactly(path, found)
            _copy_list(path, before, above.read(_list(path).name))
        rows = [] if _unsent(path) else steps_on_disk(path)
        yield
        _send(above, path, rows)


def send_store(path: Path) -> None:
    """Send what an interrupted writer left here; nothing if that is nothing."""
    if url_of(path) is not None and path.is_dir() and _unsent(path):
        lock = filelock.FileLock(path.parent / f".{path.stem}.lock", timeout=PATIENCE_S)
        with lock, writing_store(path):
            pass


def _list(path: Path) -> Path:
    """The file with the stored steps."""
    return path.with_suffix(".json")


def _is_whole(path: Path) -> bool:
    """Whether the arrays here are those that the list here speaks of."""
    arrays, steps = index.known_of(path / _WHOLE), index.known_of(_list(path))
    return arrays is not None and steps is not None and arrays.version == steps.version


def _is_newest(path: Path, listed: Found | None) -> bool:
    """Whether nobody has written since this machine copied or sent the store."""
    steps = index.known_of(_list(path))
    if listed is None or steps is None:
        return listed is None and steps is None
    return listed.version == steps.version and _is_whole(path)


def _note_whole(path: Path) -> None:
    if (steps := index.known_of(_list(path))) is not None:
        index.record({path / _WHOLE: index.Copy(steps.version, None, None)})


def _state(above: Bucket, path: Path) -> tuple[Found | None, dict[str, Found]]:
    """The list of steps, and the listing of the arrays."""
    return above.about(_list(path).name), Bucket(url_of(path) or "").listing()


def _copy_exactly(path: Path, found: dict[str, Found]) -> None:
    """Make the arrays here those of the listing: nothing that is only here stays."""
    here = [p.relative_to(path).as_posix() for p in path.rglob("*") if p.is_file()]
    index.forget(path / name for name in mirror.unsent(path, here))
    index.forget(path / name for name in index.known(path) if name not in found)
    mirror.pull(path, found, lambda name: True)
    path.mkdir(parents=True, exist_ok=True)


def _copy_list(path: Path, found: Found | None, content: bytes | None) -> None:
    if found is None or content is None:
        index.forget([_list(path), path / _WHOLE])
    else:
        index.place({_list(path): (content, found.version)})
        _note_whole(path)


def _unsent(path: Path) -> bool:
    here = [p.relative_to(path.parent).as_posix() for p in path.rglob("*") if p.is_file()]
    return bool(mirror.unsent(path.parent, [*here, _list(path).name]))


def _send(above: Bucket, path: Path, before: list[int]) -> None:
    name = _list(path).name
    rows = steps_on_disk(path)
    if not _list(path).exists() or not before or rows[: len(before)] != before:
        mirror.remove(path.parent, [name])
    here = [p.relative_to(path).as_posix() for p in path.rglob("*") if p.is_file()]
    changed = mirror.unsent(path, here)
    described = [name for name in changed if name.endswith("zarr.json")]
    values = [name for name in changed if name not in described]
    mirror.push(path, [dict.fromkeys(values), dict.fromkeys(described)])
    mirror.remove(path, set(Bucket(url_of(path) or "").listing()) - set(here))
    if _list(path).exists():
        mirror.push(path.parent, [{name: None}])
        _note_whole(path)
