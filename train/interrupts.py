"""SIGTERM and Ctrl-C as a request to stop after the current step."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class StopRequest:
    """Whether somebody asked to stop."""

    received = False
    ends_anyway = False
    """Set while the process is ending. It then ignores SIGTERM, which torchrun sends to all
    processes when one is lost: the signal would only cut the last message short."""


@contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """Catch the first SIGTERM or SIGINT; a second one has its usual effect at once.

    Nothing is caught outside the main thread, because Python allows signal handlers only there.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def note(number: int, frame: FrameType | None) -> None:
        request.received = True
        signal.signal(number, before[signal.Signals(number)])

    try:
        for number in before:
            signal.signal(number, note)
        yield request
    finally:
        for number, handler in before.items():
            ignored = request.ends_anyway and number == signal.SIGTERM
            signal.signal(number, signal.SIG_IGN if ignored else handler)
