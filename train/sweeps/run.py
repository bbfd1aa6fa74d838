"""A sweep from start to end, in local processes or on a Ray cluster.

joblib runs it in local processes. On a Ray cluster each run is a task (`circuits.ray_tasks`), which
is resumed on another node from its newest state if its own is lost. A process that is told to stop
saves its current run and starts no other run of the sweep. Workers may have been started anywhere,
so every path is made absolute before it is sent to one; all of them and this process must share the
folder of the runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

import joblib
import pandas as pd

from circuits.errors import HopscopeError
from circuits.ray_tasks import Lost, ray_results
from circuits.recipes.schema import Recipe
from circuits.runs.remote import address_of, local_folder, refresh
from train.packs.choice import choose_pack
from train.packs.fitting import packs_of
from train.sweeps.cell import Afterwards, anywhere, here, train_cells, wait_until_unlocked
from train.sweeps.plan import SweepRun, plan_sweep
from train.sweeps.record import (
    begin,
    empty_row,
    keep_row,
    kept_row,
    seen_here,
    write_table,
)
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
    pack: int | str = "auto",
    afterwards: Afterwards | None = None,
    progress: bool = True,
    say: Callable[[str], None] = lambda sentence: None,
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
        pack: "off", "auto", or the most runs that train together as one batched model in a process
            (`train.packs`): numbers are then those of runs alone to rounding.
        afterwards: Called with each finished run's folder by the process that trained it;
            importable there.
        progress: Show joblib's progress on the terminal.
        say: Called with a sentence about how the runs are trained.

    Returns:
        One row per run: grid values, seed, grok rule, last accuracies, run folder, error.

    Raises:
        HopscopeError: for a wrong key or value, before anything is trained; what ends a single
            run is in the column "error".
    """
    out = local_folder(out).absolute()
    runs = plan_sweep(recipe, grid, out=out, seeds=seeds, overrides=list(overrides))
    jobs = n_jobs or (1 if backend == "ray" else _default_jobs(runs[0].recipe))
    threads = None if is_set_by_user() else max(1, joblib.cpu_count() // jobs)
    local = backend != "ray"
    packs = _packs(runs, pack, jobs, threads if local else None, may_time=local, say=say)
    begin(out, runs)
    if backend == "ray":
        rows = _on_ray(packs, n_jobs, address, afterwards)
    else:
        rows = _on_this_machine(packs, jobs, threads, out, afterwards, progress)
    refresh(out)
    by_run = {row["run"]: row for row in rows}
    return write_table(out, [seen_here(by_run[address_of(run.path)], backend) for run in runs])


def _packs(
    runs: Sequence[SweepRun],
    wanted: int | str,
    jobs: int,
    threads: int | None,
    *,
    may_time: bool,
    say: Callable[[str], None],
) -> list[list[SweepRun]]:
    """What each task of the sweep trains; runs that have ended well are a task each."""
    rows = [kept_row(run.path) for run in runs]
    ended = [row is not None and not row["error"] for row in rows]
    still = [run for run, done in zip(runs, ended, strict=True) if not done]
    recipes = [run.recipe for run in still]
    size, told = choose_pack(recipes, wanted, jobs, threads=threads, may_time=may_time)
    if told is not None:
        say(told)
    packs = [[still[i] for i in together] for together in packs_of(recipes, size)]
    return packs + [[run] for run, done in zip(runs, ended, strict=True) if done]


def _on_this_machine(
    packs: Sequence[Sequence[SweepRun]],
    jobs: int,
    threads: int | None,
    out: Path,
    afterwards: Afterwards | None,
    progress: bool,
) -> list[dict[str, Any]]:
    """Rows of the table; packs go to local processes."""
    name = uuid4().hex
    try:
        with joblib.parallel_config(backend="loky", n_jobs=jobs):
            found = joblib.Parallel(verbose=5 if progress else 0)(
                joblib.delayed(train_cells)(pack, threads, name, afterwards) for pack in packs
            )
    except BrokenProcessPool as error:
        raise HopscopeError(
            f"a process of the sweep was killed, maybe for lack of memory (jobs = {jobs}); start "
            f"the sweep again with fewer --jobs: what is in {out} is kept, and the rest is trained."
        ) from error
    return list(chain.from_iterable(found))


def _on_ray(
    packs: Sequence[Sequence[SweepRun]],
    at_once: int | None,
    address: str | None,
    afterwards: Afterwards | None,
) -> list[dict[str, Any]]:
    """Rows of the table; each pack is a task that occupies one core or one GPU."""
    gpus = float(packs[0][0].recipe.training.device == "cuda")
    rows: list[dict[str, Any]] = []
    work = partial(_train_on_node, afterwards)
    items = [anywhere(pack) for pack in packs]
    for index, found in ray_results(work, items, gpus=gpus, at_once=at_once, address=address):
        if isinstance(found, Lost):
            for run in packs[index]:
                rows.append(empty_row(run, found.reason))
                keep_row(run, rows[-1])
        else:
            rows += found
    return rows


def _train_on_node(afterwards: Afterwards | None, runs: Sequence[SweepRun]) -> list[dict[str, Any]]:
    """Train on one core of a cluster, once a process that was cut off has let go of the runs."""
    runs = here(runs)
    for run in runs:
        wait_until_unlocked(run.path)
    return train_cells(runs, 1, uuid4().hex, afterwards)


def _default_jobs(recipe: Recipe) -> int:
    import torch

    if recipe.training.device != "cpu" and torch.cuda.is_available():
        return 1
    return joblib.cpu_count()
