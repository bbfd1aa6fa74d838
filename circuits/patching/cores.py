"""Run independent jobs in parallel, each on one core.

PyTorch splits every operation over its threads, and each operation waits for the slowest one.
Parallel jobs wait only once. This pays if a job consists of many operations of a tenth of a
millisecond or more, as in patching; with smaller ones the threads contend for Python's interpreter
lock and nothing is gained (docs/training-speed-log.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from threading import Barrier
from typing import TypeVar

import torch

Result = TypeVar("Result")


def each_on_a_core(jobs: Sequence[Callable[[], Result]]) -> list[Result]:
    """Results of the jobs in their order; run one after the other if PyTorch has a single thread.

    The jobs must not write to the same tensors. Each runs in its own single thread and in the
    caller's grad mode; the first exception, in the order of the jobs, is raised here.
    """
    n_threads = min(len(jobs), n_cores())
    if n_threads <= 1:
        return [job() for job in jobs]
    graded, inference = torch.is_grad_enabled(), torch.is_inference_mode_enabled()

    def run(job: Callable[[], Result]) -> Result:
        with torch.inference_mode(inference), torch.set_grad_enabled(graded and not inference):
            return job()

    return list(_crew(n_threads).map(run, jobs))


_FOR_JOBS: ContextVar[int | None] = ContextVar("for_jobs", default=None)


@contextmanager
def cores_for_jobs() -> Iterator[None]:
    """Context in which the caller's own operations use one thread, which leaves the cores to jobs.

    After a shared operation, PyTorch's threads spin for some milliseconds, on cores that newly
    started jobs need.
    """
    before = torch.get_num_threads()
    if before == 1:  # and so it stays: what a thread sets, threads that start later have as well
        yield
        return
    token = _FOR_JOBS.set(n_cores())
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
        _FOR_JOBS.reset(token)


def n_cores() -> int:
    """Number of jobs that run in parallel."""
    return _FOR_JOBS.get() or torch.get_num_threads()


@cache
def _crew(n_threads: int) -> ThreadPoolExecutor:
    """A pool of that many threads, in each of which PyTorch uses one thread."""
    crew = ThreadPoolExecutor(n_threads, thread_name_prefix="one-core")
    n_of_caller = torch.get_num_threads()
    all_there = Barrier(n_threads + 1)

    def enter() -> None:
        torch.set_num_threads(1)  # of this thread, and of threads that have not asked yet:
        torch.get_num_threads()  # asking makes it lasting
        all_there.wait()

    entered = [crew.submit(enter) for _ in range(n_threads)]
    all_there.wait()
    for future in entered:
        future.result()
    torch.set_num_threads(n_of_caller)
    return crew
