"""A sweep from start to end, in local processes or on a Ray cluster.

joblib runs it in local processes. On a Ray cluster each run is a task (`circuits.ray_tasks`), which
is resumed on another node from its newest state if its own is lost. A process that is told to stop
saves its current run and starts no other run of the sweep. Workers may have been started anywhere,
so every path is made absolute before it is sent to one; all of them and this process must share the
folder of the runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

import joblib
import pandas as pd

from circuits.errors import HopscopeError
from circuits.ray_tasks import Lost, ray_results
from circuits.recipes.schema import Recipe
from circuits.runs.remote import local_folder, refresh
from train.sweeps.cell import Afterwards, anywhere, here, train_cell, wait_until_unlocked
from train.sweeps.plan import SweepRun, plan_sweep
from train.sweeps.record import begin, empty_row, keep_row, seen_here, write_table
from train.threads import is_set_by_user

Backend = Literal["loky", "ray"]


def sweep(
    recipe: Path,
    grid: Sequence[str],
    *,
    out: Path,
    seeds: int = 1,
    overrides: Iterable[str] = (),
    backend: Backend = "loky",
    n_jobs: int | None = None,
    address: str | None = None,
    afterwards: Afterwards | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """Train every combination and write `sweep.csv` into `out`.

    Args:
        recipe: The recipe file.
        grid: Axes "section.key=a,b,c".
        out: Folder for all runs; on a cluster one that all machines share, or its URL.
        seeds: Number of seeds of every combination, counted up from the recipe's own.
        overrides: Settings `section.key=value` for all runs.
        backend: "loky" for local processes, "ray" for a cluster; for Slurm see
            `train.sweeps.slurm.submit_sweep`, which does not wait.
        n_jobs: Processes at once; None: one per core, or a single one for a GPU; on a cluster as
            many as it has room for.
        address: Of the Ray cluster; None: RAY_ADDRESS, or the one on this machine.
        afterwards: Called with each finished run's folder by the process that trained it;
            importable there.
        progress: Show joblib's progress on the terminal.

    Returns:
        One row per run: grid values, seed, grok rule, last accuracies, run folder, error.

    Raises:
        HopscopeError: for a wrong key or value, before anything is trained; what ends a single
            run is in the column "error".
    """
    out = local_folder(out).absolute()
    runs = plan_sweep(recipe, grid, out=out, seeds=seeds, overrides=list(overrides))
    begin(out, runs)
    if backend == "ray":
        rows = _on_ray(runs, n_jobs, address, afterwards)
    else:
        jobs = n_jobs or _default_jobs(runs[0].recipe)
        rows = _on_this_machine(runs, jobs, out, afterwards, progress)
    refresh(out)
    return write_table(out, [seen_here(row, backend) for row in rows])


def _on_this_machine(
    runs: Sequence[SweepRun], jobs: int, out: Path, afterwards: Afterwards | None, progress: bool
) -> list[dict[str, Any]]:
    """Rows of the table, in order; runs go to local processes."""
    threads = None if is_set_by_user() else max(1, joblib.cpu_count() // jobs)
    name = uuid4().hex
    try:
        with joblib.parallel_config(backend="loky", n_jobs=jobs):
            return list(
                joblib.Parallel(verbose=5 if progress else 0)(
                    joblib.delayed(train_cell)(run, threads, name, afterwards) for run in runs
                )
            )
    except BrokenProcessPool as error:
        raise HopscopeError(
            f"a process of the sweep was killed, maybe for lack of memory (jobs = {jobs}); start "
            f"the sweep again with fewer --jobs: what is in {out} is kept, and the rest is trained."
        ) from error


def _on_ray(
    runs: Sequence[SweepRun],
    at_once: int | None,
    address: str | None,
    afterwards: Afterwards | None,
) -> list[dict[str, Any]]:
    """Rows of the table, in order; each run is a task that occupies one core or one GPU."""
    gpus = float(runs[0].recipe.training.device == "cuda")
    rows: dict[int, dict[str, Any]] = {}
    work = partial(_train_alone, afterwards)
    items = [anywhere(run) for run in runs]
    for index, found in ray_results(work, items, gpus=gpus, at_once=at_once, address=address):
        if isinstance(found, Lost):
            found = empty_row(runs[index], found.reason)
            keep_row(runs[index], found)
        rows[index] = found
    return [rows[index] for index in range(len(runs))]


def _train_alone(afterwards: Afterwards | None, run: SweepRun) -> dict[str, Any]:
    """Train on one core of a cluster, once a process that was cut off has let go of the run."""
    run = here(run)
    wait_until_unlocked(run.path)
    return train_cell(run, 1, uuid4().hex, afterwards)


def _default_jobs(recipe: Recipe) -> int:
    import torch

    if recipe.training.device != "cpu" and torch.cuda.is_available():
        return 1
    return joblib.cpu_count()
