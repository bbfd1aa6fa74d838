"""Sweeps: one recipe over a grid of values and several seeds, in parallel processes.

joblib runs them in local processes. On a Ray cluster each run is a task (`circuits.ray_tasks`),
which is resumed on another node from its newest state if its own is lost. A sweep may be started
again: finished runs are kept, and stopped ones are resumed. A process that is told to stop saves
its current run and starts no other run of the sweep. Workers may have been started anywhere, so
every path is made absolute before it is sent to one; all of them and this process must share the
folder of the runs.
"""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

import joblib
import pandas as pd

from circuits.errors import CannotWrite, HopscopeError
from circuits.files import write_atomically
from circuits.ray_tasks import Lost, ray_results
from circuits.recipes.schema import Recipe, load_recipe
from circuits.runs.locking import is_locked
from circuits.runs.reading import MANIFEST
from circuits.runs.run import Run, open_run
from train.threads import is_set_by_user

Backend = Literal["loky", "ray"]
TABLE = "sweep.csv"
LETS_GO_S = 60.0
"""A worker whose node was killed goes on for some seconds before it notices."""


@dataclass(frozen=True)
class SweepRun:
    """One cell of the grid with one seed."""

    overrides: dict[str, str]
    """Values as written, by section.key; without the seed."""
    seed: int
    recipe: Recipe
    path: Path


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
    progress: bool = True,
) -> pd.DataFrame:
    """Train every combination and write `sweep.csv` into `out`.

    Args:
        recipe: The recipe file.
        grid: Axes "section.key=a,b,c".
        out: Folder for all runs; on a cluster one that all machines share.
        seeds: Number of seeds of every combination, counted up from the recipe's own.
        overrides: Settings `section.key=value` for all runs.
        backend: "loky" for local processes, "ray" for a cluster.
        n_jobs: Processes at once; None: one per core, or a single one for a GPU; on a cluster as
            many as it has room for.
        address: Of the Ray cluster; None: RAY_ADDRESS, or the one on this machine.
        progress: Show joblib's progress on the terminal.

    Returns:
        One row per run: grid values, seed, grok rule, last accuracies, run folder, error.

    Raises:
        HopscopeError: for a wrong key or value, before anything is trained; what ends a single
            run is in the column "error".
    """
    out = out.absolute()
    runs = plan_sweep(recipe, grid, out=out, seeds=seeds, overrides=list(overrides))
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CannotWrite(out, error) from error
    if backend == "ray":
        rows = _on_ray(runs, n_jobs, address)
    else:
        rows = _on_this_machine(runs, n_jobs or _default_jobs(runs[0].recipe), out, progress)
    table = pd.DataFrame([_seen_here(row, backend) for row in rows])
    write_atomically(out / TABLE, table.to_csv(index=False).encode())
    return table


def _on_this_machine(
    runs: Sequence[SweepRun], jobs: int, out: Path, progress: bool
) -> list[dict[str, Any]]:
    """Rows of the table, in order; runs go to local processes."""
    threads = None if is_set_by_user() else max(1, joblib.cpu_count() // jobs)
    name = uuid4().hex
    try:
        with joblib.parallel_config(backend="loky", n_jobs=jobs):
            return list(
                joblib.Parallel(verbose=5 if progress else 0)(
                    joblib.delayed(_train_one)(run, threads, name) for run in runs
                )
            )
    except BrokenProcessPool as error:
        raise HopscopeError(
            f"a process of the sweep was killed, maybe for lack of memory (jobs = {jobs}); start "
            f"the sweep again with fewer --jobs: what is in {out} is kept, and the rest is trained."
        ) from error


def _on_ray(
    runs: Sequence[SweepRun], at_once: int | None, address: str | None
) -> list[dict[str, Any]]:
    """Rows of the table, in order; each run is a task that occupies one core or one GPU."""
    gpus = float(runs[0].recipe.training.device == "cuda")
    rows: dict[int, dict[str, Any]] = {}
    for index, found in ray_results(
        _train_alone, runs, gpus=gpus, at_once=at_once, address=address
    ):
        if isinstance(found, Lost):
            found = _not_trained(runs[index], found.reason)
        rows[index] = found
    return [rows[index] for index in range(len(runs))]


def _train_alone(run: SweepRun) -> dict[str, Any]:
    """Train on one core of a cluster, once a process that was cut off has let go of the run."""
    begun = time.monotonic()
    while is_locked(run.path) and time.monotonic() - begun < LETS_GO_S:
        time.sleep(0.5)
    return _train_one(run, 1, uuid4().hex)


def plan_sweep(
    recipe: Path, grid: Sequence[str], *, out: Path, seeds: int, overrides: list[str]
) -> list[SweepRun]:
    """All runs of a sweep, with every recipe validated before the first run is trained."""
    if seeds < 1:
        raise HopscopeError(f"seeds = {seeds}; a sweep needs at least one.")
    axes, out = [parse_axis(axis) for axis in grid], out.absolute()
    first_seed = load_recipe(recipe, overrides).seed
    runs = []
    for values in itertools.product(*(values for _, values in axes)):
        cell = {key: value for (key, _), value in zip(axes, values, strict=True)}
        for seed in range(first_seed, first_seed + seeds):
            settings = [f"{key}={value}" for key, value in cell.items()]
            resolved = load_recipe(recipe, [*overrides, *settings, f"seed={seed}"]).absolute()
            runs.append(SweepRun(cell, seed, resolved, out / _folder_name(cell, seed)))
    folders = Counter(run.path for run in runs)
    if shared := [path for path, n in folders.items() if n > 1]:
        raise HopscopeError(
            f"{len(runs)} runs of the sweep need as many folders, but {folders[shared[0]]} of them "
            f"would use {shared[0]}; give every value of --grid once."
        )
    return runs


def parse_axis(axis: str) -> tuple[str, list[str]]:
    """Split "section.key=a,b" into key and values; a comma inside brackets does not separate."""
    key, separator, text = axis.partition("=")
    values, depth, start = [], 0, 0
    for i, character in enumerate(text):
        depth += (character in "[{") - (character in "]}")
        if character == "," and depth == 0:
            values.append(text[start:i].strip())
            start = i + 1
    values.append(text[start:].strip())
    if not separator or not key.strip() or not all(values):
        raise HopscopeError(
            f"grid {axis!r} is not of the form section.key=a,b,c, "
            "e.g. --grid augmentation.phi=3.6,9,18."
        )
    return key.strip(), values


def _folder_name(cell: dict[str, str], seed: int) -> str:
    parts = [f"{key.rpartition('.')[2]}={value}" for key, value in cell.items()]
    name = "_".join([*parts, f"seed={seed}"])
    return "".join(c if c.isalnum() or c in "=._-" else "-" for c in name)


def _default_jobs(recipe: Recipe) -> int:
    import torch

    if recipe.training.device != "cpu" and torch.cuda.is_available():
        return 1
    return joblib.cpu_count()


_stopped: set[str] = set()
"""Sweeps that this process was told to stop; one process may serve several."""


def _train_one(run: SweepRun, threads: int | None, sweep_name: str) -> dict[str, Any]:
    import torch

    before = torch.get_num_threads()  # of this process, which may be the caller's own
    torch.set_num_threads(threads or before)
    try:
        return _trained(run, sweep_name)
    finally:
        torch.set_num_threads(before)


def _trained(run: SweepRun, sweep_name: str) -> dict[str, Any]:
    from train.loop import train

    row = _not_trained(run, "")
    if sweep_name in _stopped:
        return row | {"error": "not started, because the sweep was stopped; run its command again"}
    try:
        done = _existing(run)
        if done is None or done.state != "finished":
            done = train(run.recipe, run.path, resume=done is not None, progress=False)
    except HopscopeError as error:  # the other runs go on, and the table says why this one failed
        return row | {"error": str(error)}
    except Exception as error:  # not even a bug of ours may end the other runs
        return row | {"error": f"{type(error).__name__}: {error}"}
    if done.state != "finished":
        _stopped.add(sweep_name)
        row["error"] = f"stopped by a signal; resume it with: hopscope train --resume {run.path}"
    last = done.rows()[-1]
    accuracies = {key: value for key, value in last.items() if key.startswith("accuracy/")}
    return row | done.grok | {"step": last["step"]} | accuracies


def _not_trained(run: SweepRun, error: str) -> dict[str, Any]:
    return {**run.overrides, "seed": run.seed, "run": str(run.path), "error": error}


def _seen_here(row: dict[str, Any], backend: str) -> dict[str, Any]:
    """Report a run that has no error and no folder here: it is on another machine's disk."""
    if row["error"] or (Path(row["run"]) / MANIFEST).exists():
        return row
    return row | {
        "error": f"trained, but not into {row['run']} as this machine sees it; give an --out that "
        f"the workers of backend {backend!r} share with it"
    }


def _existing(run: SweepRun) -> Run | None:
    if not (run.path / MANIFEST).exists():
        return None
    found = open_run(run.path)
    if found.recipe.absolute() != run.recipe:
        raise HopscopeError(f"{run.path} holds a run of another recipe; give another --out.")
    return found
