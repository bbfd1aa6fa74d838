"""Independent jobs side by side, each on one core.

PyTorch splits every single operation over its threads, and each operation waits for its slower
half. Whole jobs side by side wait once. It pays where a job is many operations of a tenth of a
millisecond or more, as in patching; between smaller ones Python's interpreter lock passes from
thread to thread and nothing is gained (docs/training-speed-log.md).
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
    """Results of the jobs in their order; one after the other where PyTorch has a single thread.

    The jobs must not write to the same tensors. Each runs with one thread of its own and under the
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
    """Within, the caller's own operations stay in its thread, and all its cores are for jobs.

    Threads that have shared an operation go on looking for the next one for some milliseconds, on
    cores that the jobs started meanwhile need.
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
    """How many jobs run side by side."""
    return _FOR_JOBS.get() or torch.get_num_threads()


@cache
def _crew(n_threads: int) -> ThreadPoolExecutor:
    """That many threads in which PyTorch uses one thread each."""
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
