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
    """Set where the process is ending: SIGTERM, which torchrun sends to all when one process was
    lost, is then ignored, since it would only cut the last words short."""


@contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """Catch the first SIGTERM or SIGINT; a second one acts at once, as it would outside.

    In a thread other than the main one nothing is caught: Python allows handlers only there.
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
