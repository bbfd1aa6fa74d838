"""Ordered writes in a separate thread, so that training does not wait for the disk."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

WAITING = 4
"""The most pending writes, each with its copy of the weights; beyond it training waits."""


class WriteQueue:
    """After a failed write all later ones are dropped, so the disk stays consistent."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="hopscope-writes")
        self._waiting: deque[Future[None]] = deque()
        self._failed = False

    def put(self, write: Callable[[], None]) -> None:
        """Queue this write; an earlier one's error is raised here or in `drain`."""
        while self._waiting and (len(self._waiting) >= WAITING or self._waiting[0].done()):
            self._waiting.popleft().result()
        self._waiting.append(self._pool.submit(self._run, write))

    def drain(self) -> None:
        """Return once everything is written."""
        while self._waiting:
            self._waiting.popleft().result()

    def close(self) -> None:
        """End the thread after the pending writes."""
        self._pool.shutdown(wait=True)

    def _run(self, write: Callable[[], None]) -> None:
        if self._failed:
            return
        try:
            write()
        except BaseException:
            self._failed = True
            raise
