"""Sending a run that is trained here to its bucket, from a thread of its own.

1. The manifest is read first, and sent last. In between go, if they changed: recipe and corpus;
   checkpoints in the order of their steps; tensors to resume from; metrics; the small files that
   make such tensors count. So the bucket always holds what a killed process could have left, and
   never half a checkpoint.
2. Training does not wait for the network. What could not be sent is tried again, and the end of the
   training waits for the last of it.
3. The lock object is renewed meanwhile. If another machine took it over, nothing more is sent, and
   the training ends.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from circuits.errors import HopscopeError
from circuits.remote import index, mirror
from circuits.remote.addresses import url_of
from circuits.remote.bucket import Bucket, Unreachable
from circuits.remote.locks import RENEWED_S, RemoteLock
from circuits.runs.locking import LOCK, is_held_here
from circuits.runs.reading import MANIFEST
from circuits.runs.remote import (
    ARRAYS,
    CHECKPOINTS,
    METRICS,
    OF_A_SWEEP,
    RESULTS,
    RESUME,
    files_of,
    is_sent,
)
from circuits.runs.remote_results import send_store

Group = dict[str, mirror.Snapshot | None]


class Sender:
    """Sends a run that is being trained in the mirror of a remote folder, until it is closed.

    Raises:
        HopscopeError: if another process trains the run, or the bucket cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._url = folder, url_of(folder) or ""
        self._lock = RemoteLock(Bucket(self._url), LOCK)
        if (holder := self._lock.acquire()) is not None:
            raise HopscopeError(
                f"{self._url} is being trained by {holder}; wait for it, stop it, or give another "
                "--out."
            )
        self._lost: HopscopeError | None = None
        self._something, self._closing = threading.Event(), False
        self._thread = threading.Thread(target=self._send_on, name="hopscope-sends", daemon=True)
        self._thread.start()

    def soon(self) -> None:
        """Something was written.

        Raises:
            HopscopeError: if another machine has taken the run over.
        """
        if self._lost is not None:
            raise self._lost
        self._something.set()

    def close(self) -> None:
        """Send the rest, and let go of the run.

        Raises:
            HopscopeError: if it cannot be sent; it is then kept here.
        """
        self._closing = True
        self._something.set()
        self._thread.join()
        if self._lost is not None:
            raise self._lost
        try:
            send_run(self._folder, whole=True)
            self._lock.release()
        except Unreachable as error:
            raise HopscopeError(
                f"{error} The run is kept on this machine; `hopscope runs {self._url}` sends the "
                "rest once the bucket can be reached."
            ) from error

    def _send_on(self) -> None:
        while not self._closing and self._lost is None:
            self._something.wait(RENEWED_S)
            self._something.clear()
            try:
                self._lock.renew()
                send_run(self._folder)
            except Unreachable:
                time.sleep(0.0 if self._closing else 1.0)  # and try again
            except HopscopeError as error:
                self._lost = error


def sender_of(folder: Path) -> Sender | None:
    """What sends a run that is trained in this folder; None for a folder of this machine."""
    return None if url_of(folder.absolute()) is None else Sender(folder.absolute())


def send_run(folder: Path, *, whole: bool = False) -> None:
    """Send what changed of a run, the manifest last; nothing before there is one.

    Args:
        folder: Its mirror.
        whole: Send the manifest also if nothing seems to have changed.

    Raises:
        Unreachable: if the bucket cannot be written.
    """
    manifest = mirror.Snapshot.of(folder / MANIFEST)
    if manifest is None:
        return
    here = [name for name in files_of(folder) if not name.startswith(f"{RESULTS}/")]
    changed = mirror.unsent(folder, here)
    if changed or whole:
        mirror.push(folder, [*_in_order(changed), {MANIFEST: manifest}])
    _drop_old_states(folder, set(here))


def send_rest(folder: Path) -> None:
    """Send all that is only here: figures, notes, and what an interrupted process left.

    Nothing happens to a folder that is not a mirror.

    Raises:
        HopscopeError: if the bucket cannot be written.
    """
    if url_of(folder) is None or not folder.is_dir():
        return
    runs = [path.parent for path in [*folder.glob(MANIFEST), *folder.glob(f"*/**/{MANIFEST}")]]
    for run in runs:
        if not is_held_here(run):
            send_run(run)
        for store in run.glob(f"{RESULTS}/*{ARRAYS}"):
            send_store(store)
    names = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    others = [
        name
        for name in sorted(names)
        if (is_sent(name) or name.startswith(OF_A_SWEEP))
        and not any((folder / name).is_relative_to(run) for run in runs)
    ]
    mirror.push(folder, [dict.fromkeys(mirror.unsent(folder, others))])


def send_file(path: Path) -> None:
    """Send a file that was just written or removed; nothing happens outside of mirrors.

    Raises:
        HopscopeError: if the bucket cannot be written.
    """
    if url_of(path) is None:
        return
    if path.exists():
        mirror.push(path.parent, [{path.name: None}])
    else:
        mirror.remove(path.parent, [path.name])


def _in_order(names: Iterable[str]) -> Iterator[Group]:
    """Groups of files: those of a later one may refer to those of an earlier one."""
    places: dict[tuple[int, str], Group] = {}
    for name in sorted(names):
        first = name.partition("/")[0]
        if first == CHECKPOINTS:
            places[1, name] = {name: None}
        elif name != MANIFEST:
            rank = 0
            if first == RESUME:
                rank = 4 if name.endswith(".json") else 2
            elif name == METRICS:
                rank = 3
            places.setdefault((rank, ""), {})[name] = None
    return (group for _, group in sorted(places.items(), key=lambda item: item[0]))


def _drop_old_states(folder: Path, here: set[str]) -> None:
    """Remove states to resume from that training removed here, once newer ones are there."""
    was_here = [n for n, copy in index.known(folder / RESUME).items() if copy.size is not None]
    old = {f"{RESUME}/{name}" for name in was_here} - here
    mirror.remove(folder, sorted(old))
