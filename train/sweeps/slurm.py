"""Sweeps on a Slurm cluster: each run, or pack of runs, is a task of an array job.

1. The sweep is planned and validated here; runs that are finished, or handed in before and not
   ended since, are left out.
2. The rest is handed in (`circuits.slurm_tasks`), and this process ends; `sweep_status` reads the
   folder.
3. Before its time is over, or when it is preempted, Slurm sends a task SIGUSR2. The training saves
   its state and stops, submitit hands the task in again, and it goes on from there. A run whose
   node was lost is handed in again by Slurm itself and goes on from its newest state.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any, Literal
from uuid import uuid4

import circuits
from circuits.remote.addresses import url_of
from circuits.runs.remote import local_folder
from circuits.slurm_tasks import (
    Cluster,
    SlurmRequest,
    check_slurm,
    refuse_other_version,
    slurm_jobs,
)
from train.packs.choice import Choice, choose_pack
from train.packs.fitting import packs_of
from train.sweeps.cell import (
    Afterwards,
    anywhere,
    existing,
    here,
    train_cells,
    wait_until_unlocked,
)
from train.sweeps.plan import SweepRun, plan_sweep
from train.sweeps.record import HIDDEN, begin, forget_row, kept_row, planned


@dataclass(frozen=True)
class Submitted:
    """What was handed in, and what was not."""

    jobs: dict[str, str]
    """Slurm's id by the name of the run's folder."""
    finished: int
    """Runs that had ended well before."""
    waiting: int
    """Runs that were handed in before and have not ended since."""


def submit_sweep(
    recipe: Path,
    grid: Sequence[str],
    *,
    out: Path,
    request: SlurmRequest,
    seeds: int = 1,
    overrides: Iterable[str] = (),
    afterwards: Afterwards | None = None,
    again: bool = False,
    pack: int | str = "auto",
    cluster: Cluster = "slurm",
) -> Submitted:
    """Hand in every run that is not finished, and return at once.

    Args:
        recipe: The recipe file.
        grid: Axes "section.key=a,b,c".
        out: Folder for all runs, which every node sees under this path, or its URL.
        request: What a task asks for; one GPU is added where the recipe trains on one.
        seeds: Number of seeds of every combination.
        overrides: Settings `section.key=value` for all runs.
        afterwards: Called with each finished run's folder by its task; importable there.
        again: Also hand in runs that were handed in before and have not ended, as after `scancel`.
            A run that is being trained after all is waited for, never trained twice.
        pack: As for `train.sweeps.sweep`; a pack is one task. "auto" packs what asks for a GPU.
        cluster: "local" runs the tasks as processes of this machine, to try things out.

    Raises:
        HopscopeError: for a wrong key or value, an option that Slurm refuses, or without submitit
            or Slurm.
    """
    out = local_folder(out).absolute()
    runs = plan_sweep(recipe, grid, out=out, seeds=seeds, overrides=list(overrides))
    check_slurm(cluster)
    if runs[0].recipe.training.device == "cuda" and not request.gpus:
        request = replace(request, gpus=1)
    begin(out, [])
    before = {run.path: run.job for run in planned(out) if run.job}
    states = [_state(run, before.get(run.path)) for run in runs]
    wanted = [
        r for r, s in zip(runs, states, strict=True) if s == "open" or (again and s == "waiting")
    ]
    for run in wanted:
        forget_row(run.path)
    recipes = [run.recipe for run in wanted]
    size, _ = choose_pack(recipes, pack, 1, may_time=False) if wanted else Choice(1, None)
    packs = [[wanted[i] for i in indices] for indices in packs_of(recipes, size)]
    task = _Task(afterwards, request.cpus, circuits.__version__)
    ids = slurm_jobs(
        task,
        [anywhere(pack) for pack in packs],
        folder=_logs(out),
        name=f"hopscope-{out.name}",
        request=request,
        cluster=cluster,
    )
    jobs = {run.path: job for pack, job in zip(packs, ids, strict=True) for run in pack}
    begin(out, runs, before | jobs)
    waiting = 0 if again else states.count("waiting")
    return Submitted({p.name: job for p, job in jobs.items()}, states.count("finished"), waiting)


class _Task:
    """What one task of the array does."""

    def __init__(self, afterwards: Afterwards | None, threads: int, version: str) -> None:
        self.afterwards, self.threads, self.version = afterwards, threads, version

    def __call__(self, runs: Sequence[SweepRun]) -> list[dict[str, Any]]:
        refuse_other_version(self.version)
        runs = here(runs)
        for run in runs:
            wait_until_unlocked(run.path)
        cut_short: list[bool] = []

        def stop_training(number: int, frame: FrameType | None) -> None:
            cut_short.append(True)
            os.kill(os.getpid(), signal.SIGTERM)  # a training saves its state and stops

        requeue = signal.signal(signal.SIGUSR2, stop_training)
        try:
            rows = train_cells(runs, self.threads, uuid4().hex, self.afterwards)
        finally:
            signal.signal(signal.SIGUSR2, requeue)
        if cut_short and (left := [r for r, row in zip(runs, rows, strict=True) if row["error"]]):
            for run in left:
                forget_row(run.path)
            signal.raise_signal(signal.SIGUSR2)  # submitit hands the task in again and exits
        return rows

    def checkpoint(self, runs: Sequence[SweepRun]) -> Any:
        """The task as it is handed in again."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self, runs)


def _logs(out: Path) -> Path:
    """Folder of scripts and logs: in the sweep's, or for a remote one where this was started."""
    return out / HIDDEN / "slurm" if url_of(out) is None else Path(f"slurm-{out.name}").absolute()


def _state(run: SweepRun, job: str | None) -> Literal["finished", "waiting", "open"]:
    done, row = existing(run), kept_row(run.path)
    if done is not None and done.state == "finished" and not (row or {}).get("error"):
        return "finished"
    return "waiting" if job is not None and row is None else "open"
