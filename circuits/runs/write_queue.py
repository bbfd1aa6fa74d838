"""Writes in order, in a thread of its own: training need not wait for the disk to be sure."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

WAITING = 4
"""Writes that may wait, each with its copy of the weights, before training waits for the disk."""


class WriteQueue:
    """After a write failed, none of those behind it is done: what is on disk stays consistent."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="hopscope-writes")
        self._waiting: deque[Future[None]] = deque()
        self._failed = False

    def put(self, write: Callable[[], None]) -> None:
        """Do this write after the others; an earlier one's error is raised here or in `drain`."""
        while self._waiting and (len(self._waiting) >= WAITING or self._waiting[0].done()):
            self._waiting.popleft().result()
        self._waiting.append(self._pool.submit(self._run, write))

    def drain(self) -> None:
        """Return once everything is written."""
        while self._waiting:
            self._waiting.popleft().result()

    def close(self) -> None:
        """End the thread; what waits is still written."""
        self._pool.shutdown(wait=True)

    def _run(self, write: Callable[[], None]) -> None:
        if self._failed:
            return
        try:
            write()
        except BaseException:
            self._failed = True
            raise
