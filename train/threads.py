"""How many CPU threads a training uses: those with which its steps are fastest when it starts.

PyTorch takes all cores, and every operation waits for the slowest thread. With the short operations
of small models on a machine that also does other things, two threads can be many times slower than
one (docs/training-speed-log.md). So a new run tries its own training step:

1. With all threads, a quarter, a sixteenth, ... and one, in turn, round after round for a second,
   so that what else the machine does weighs on all of them.
2. The fewest threads win whose time is within `WITHIN` of the best.

Numbers round differently with another number of threads, so the manifest records it and a resumed
run takes it from there. What the user has set in `OMP_NUM_THREADS` or `MKL_NUM_THREADS` is never
changed, and a GPU needs no choice.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import torch

from train.memory import is_out_of_memory

SET_BY_USER = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
LEAST_ROUNDS, MOST_ROUNDS = 2, 20
"""Rounds that are timed, after one that makes buffers and compiles."""
PATIENCE_S = 1.0
"""No further round begins after this time."""
COSTLY_S = 0.5
"""A slower step is not tried with still fewer threads once fewer have doubled its time: with one of
64 threads, a single step of a large model takes minutes."""
WITHIN = 1.05
"""A measured time that is this many times the best counts as equal to it."""


def is_set_by_user() -> bool:
    """Whether the environment says how many threads to use."""
    return any(os.environ.get(name) for name in SET_BY_USER)


@contextmanager
def threads_for(attempt: Callable[[], None], device: torch.device) -> Iterator[str | None]:
    """Context that trains with the fastest number of threads, and restores the caller's after.

    Args:
        attempt: Runs the forward and backward pass of one step and changes nothing.
        device: Where the training runs.

    Yields:
        A sentence for the user if fewer threads than usual are taken, else None.
    """
    before = torch.get_num_threads()
    if device.type != "cpu" or before == 1 or is_set_by_user():
        yield None
        return
    try:
        seconds = _measured_apart(attempt, before)
        chosen = fastest(seconds) if seconds else before
        torch.set_num_threads(chosen)
        yield None if chosen == before else _told(chosen, before, seconds)
    finally:
        torch.set_num_threads(before)


def _measured_apart(attempt: Callable[[], None], most: int) -> dict[int, float]:
    """Seconds by threads; none if a step does not fit into memory, which the first step reports."""
    try:
        with torch.random.fork_rng(devices=[]):  # dropout draws in the attempts
            return measured(attempt, candidates(most))
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        return {}


@contextmanager
def recorded_threads(recorded: int | None) -> Iterator[None]:
    """Context with the threads with which a run was started, if the machine and the user allow."""
    before = torch.get_num_threads()
    if recorded is None or is_set_by_user() or not 1 <= recorded <= before:
        yield
        return
    torch.set_num_threads(recorded)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def candidates(most: int) -> list[int]:
    """Numbers of threads to try, falling.

    >>> candidates(16), candidates(6), candidates(2)
    ([16, 4, 1], [6, 1], [2, 1])
    """
    found = [most]
    while found[-1] > 1:
        found.append(max(found[-1] // 4, 1))
    return found


def measured(attempt: Callable[[], None], tried: list[int]) -> dict[int, float]:
    """Mean seconds of one step by number of threads; all take turns."""
    begun = time.perf_counter()
    rounds = [_first_round(attempt, tried)]
    tried = tried[: len(rounds[0])]
    while len(rounds) <= LEAST_ROUNDS or (
        len(rounds) <= MOST_ROUNDS and time.perf_counter() - begun < PATIENCE_S
    ):
        rounds.append([_seconds(attempt, threads) for threads in tried])
    totals = (sum(column) for column in zip(*rounds[1:], strict=True))
    return {n: total / (len(rounds) - 1) for n, total in zip(tried, totals, strict=True)}


def _first_round(attempt: Callable[[], None], tried: list[int]) -> list[float]:
    """Makes buffers and compiles; ends where fewer threads need not be tried."""
    found: list[float] = []
    for threads in tried:
        found.append(_seconds(attempt, threads))
        if found[-1] > max(COSTLY_S, 2 * min(found)):
            break
    return found


def _seconds(attempt: Callable[[], None], threads: int) -> float:
    torch.set_num_threads(threads)
    start = time.perf_counter()
    attempt()
    return time.perf_counter() - start


def fastest(seconds: Mapping[int, float]) -> int:
    """The fewest threads whose time counts as the best.

    >>> fastest({8: 0.010, 2: 0.0102, 1: 0.030}), fastest({2: 0.5, 1: 0.01})
    (2, 1)
    """
    best = min(seconds.values())
    return min(threads for threads, time_ in seconds.items() if time_ <= WITHIN * best)


def _told(chosen: int, before: int, seconds: Mapping[int, float]) -> str:
    n = "1 thread" if chosen == 1 else f"{chosen} threads"
    return (
        f"Training uses {n}: a step takes {seconds[chosen] * 1000:.1f} ms, and "
        f"{seconds[before] * 1000:.1f} ms with all {before}. OMP_NUM_THREADS decides otherwise."
    )
