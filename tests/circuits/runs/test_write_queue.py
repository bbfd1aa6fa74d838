"""Background writes keep their order, and nothing is written behind a failure."""

from __future__ import annotations

import threading

import pytest

from circuits.errors import HopscopeError
from circuits.runs.write_queue import WAITING, WriteQueue


def test_writes_are_done_in_order() -> None:
    done: list[int] = []
    queue = WriteQueue()
    for i in range(50):
        queue.put(lambda i=i: done.append(i))
    queue.drain()
    queue.close()
    assert done == list(range(50))


def test_nothing_is_written_behind_a_failure_and_the_error_is_raised() -> None:
    done: list[str] = []

    def fail() -> None:
        raise HopscopeError("the disk is full.")

    def put_many() -> None:
        for _ in range(WAITING + 2):
            queue.put(lambda: done.append("behind"))

    queue = WriteQueue()
    queue.put(lambda: done.append("before"))
    queue.put(fail)
    with pytest.raises(HopscopeError, match="full"):
        put_many()
    queue.drain()
    queue.close()
    assert done == ["before"]


def test_the_writer_waits_once_too_much_is_waiting() -> None:
    gate, reached = threading.Event(), threading.Event()
    queue = WriteQueue()
    for _ in range(WAITING):
        queue.put(gate.wait)

    def one_more() -> None:
        queue.put(lambda: None)
        reached.set()

    thread = threading.Thread(target=one_more)
    thread.start()
    assert not reached.wait(0.1)
    gate.set()
    assert reached.wait(5)
    thread.join()
    queue.close()
