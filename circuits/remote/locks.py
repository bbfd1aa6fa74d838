"""A lock object: one holder at a time, on any machine, that renews it until it lets go.

It is put on the condition that it is not there. A holder that was killed stops renewing it, and
after `LASTS_S` anybody may take it over; the holder's own machine may at once, because the lock of
the mirror's folder is free again. Clocks of machines may differ by some seconds, not by minutes.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

from circuits.errors import HopscopeError
from circuits.remote.bucket import Bucket
from circuits.remote.index import own_id

LASTS_S = 45.0
"""Seconds after which a lock that was not renewed is free."""

RENEWED_S = 10.0


class RemoteLock:
    """A lock at a name below a URL; `acquire`, then `renew` every `RENEWED_S`, then `release`."""

    def __init__(self, bucket: Bucket, name: str) -> None:
        self._bucket, self._name = bucket, name
        self._renewed = 0.0
        self._content = json.dumps(
            {"holder": own_id(), "host": socket.gethostname(), "process": os.getpid()}
        ).encode()

    def acquire(self) -> str | None:
        """Take the lock; None, or who holds it and until when."""
        if not self._bucket.create(self._name, self._content):
            if (holder := self._other_holder()) is not None:
                return holder
            self._bucket.write({self._name: self._content})
        self._renewed = time.monotonic()
        return None

    def renew(self) -> None:
        """Say that the holder lives, if it is time for it.

        Raises:
            HopscopeError: if another machine has taken the lock over meanwhile.
        """
        if time.monotonic() - self._renewed < RENEWED_S:
            return
        if self._bucket.read(self._name) not in (None, self._content):
            raise HopscopeError(
                f"{self._bucket.url} was taken over by another process while this one could not "
                "reach it; nothing more is written there from here."
            )
        self._bucket.write({self._name: self._content})
        self._renewed = time.monotonic()

    def release(self) -> None:
        """Let go of the lock, unless somebody else has it by now."""
        if self._bucket.read(self._name) == self._content:
            self._bucket.remove([self._name])

    def _other_holder(self) -> str | None:
        content, about = self._bucket.read(self._name), self._bucket.about(self._name)
        if content is None or about is None:
            return None
        try:
            holder = json.loads(content)
            mine = holder["holder"] == own_id()
            told = f"process {int(holder['process'])} on {str(holder['host'])[:80]}"
        except (ValueError, KeyError, TypeError):
            mine, told = False, "a process"
        left = about.changed + LASTS_S - time.time()
        if mine or left <= 0:
            return None
        return f"{told} (if it was killed: free in {left:.0f} s)"


@contextmanager
def held(bucket: Bucket, name: str, patience_s: float) -> Iterator[None]:
    """Hold a lock for a short while, waiting for it for some time.

    Raises:
        HopscopeError: if another process holds it for longer.
    """
    lock, begun = RemoteLock(bucket, name), time.monotonic()
    while (holder := lock.acquire()) is not None:
        if time.monotonic() - begun > patience_s:
            raise HopscopeError(f"{bucket.url} is being written by {holder}; wait for it to end.")
        time.sleep(0.2)
    try:
        yield
    finally:
        lock.release()
