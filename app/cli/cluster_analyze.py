"""`hopscope analyze` on a cluster."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from analyses.cluster_walks import WalkTask, plan_walks, walk_on_ray, walk_on_slurm
from analyses.walk import progress_bar
from app.cli.terminal import say

if TYPE_CHECKING:
    from app.cli.analyze import Asked
    from circuits.slurm_tasks import SlurmRequest

LOGS = Path("slurm-analyze")
"""Scripts and logs of Slurm tasks, in the folder of the command."""


def on_ray(asked: Sequence[Asked], at_once: int | None, address: str | None) -> None:
    """Compute what is missing on a Ray cluster, with one progress bar over all of it."""
    tasks, failed = _tasks(asked), []
    with progress_bar(True) as bar:
        shown = bar.add_task("all analyses", total=sum(task.checkpoints for task in tasks))
        for task, error in walk_on_ray(tasks, at_once=at_once, address=address):
            bar.advance(shown, task.checkpoints)
            if error:
                failed.append(f"{task.run} {task.analysis} at steps {task.steps}: {error}")
    say(f"{len(tasks) - len(failed):,} of {len(tasks):,} blocks of checkpoints were measured")
    for line in failed:
        say(line, err=True)
    if failed:
        say("the same command computes what is missing.", err=True)
        raise typer.Exit(1)


def on_slurm(asked: Sequence[Asked], request: SlurmRequest) -> None:
    """Hand in what is missing."""
    tasks = _tasks(asked)
    if not tasks:
        say("everything that was asked for is stored already")
        return
    ids = walk_on_slurm(tasks, LOGS.absolute(), request)
    say(f"handed in {len(ids):,} blocks of checkpoints as Slurm jobs {ids[0]} to {ids[-1]}")
    say("the same command hands in what is missing when these have ended")


def _tasks(asked: Sequence[Asked]) -> list[WalkTask]:
    return [
        task
        for one in asked
        for name, request in one.requests.items()
        for task in plan_walks(
            [one.run],
            [name],
            steps=one.steps,
            splits=request.splits,
            settings=request.options.model_dump(),
        )
    ]
