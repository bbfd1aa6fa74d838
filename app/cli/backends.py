"""Commands whose work can leave this machine: their options, and analyses on a cluster."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.terminal import say
from circuits.errors import HopscopeError, unknown_name

if TYPE_CHECKING:
    from analyses.cluster_walks import WalkTask
    from app.cli.analyze import Asked
    from circuits.slurm_tasks import SlurmRequest

LOGS = Path("slurm-analyze")
"""Scripts and logs of Slurm tasks, in the folder of the command."""

Backend = Annotated[str, typer.Option(help="local (this machine), ray or slurm (a cluster).")]
Address = Annotated[
    str | None,
    typer.Option(help="Of the Ray cluster; else RAY_ADDRESS, or this machine's."),
]
Partition = Annotated[str | None, typer.Option(help="Slurm: as for sbatch.")]
Time = Annotated[
    str | None, typer.Option("--time", help="Slurm: for each task, e.g. 4:00:00; 1 h by default.")
]
Further = Annotated[
    list[str] | None,
    typer.Option(
        "--slurm", help="Slurm: other options of sbatch, e.g. account=ours; may be repeated."
    ),
]


def checked_backend(backend: str, slurm: dict[str, object], address: str | None) -> str:
    """The backend, if it is one and no option of another was given."""
    backend = "local" if backend == "loky" else backend
    if backend not in ("local", "ray", "slurm"):
        raise unknown_name("backend", backend, ["local", "ray", "slurm"])
    wrong = [] if backend == "slurm" else [name for name, value in slurm.items() if value]
    wrong += ["--address"] if address is not None and backend != "ray" else []
    if wrong:
        other = "ray" if wrong == ["--address"] else "slurm"
        raise HopscopeError(
            f"{', '.join(wrong)} belongs to --backend {other}, and the backend is {backend}; give "
            f"--backend {other} or leave it out."
        )
    return backend


def slurm_request(
    partition: str | None, time: str | None, further: list[str] | None, at_once: int | None
) -> SlurmRequest:
    """What was asked for on the command line."""
    from circuits.slurm_tasks import SlurmRequest

    options = {}
    for text in further or ():
        key, separator, value = text.partition("=")
        if not separator or not key.strip(" -"):
            raise HopscopeError(f"--slurm {text!r} is not of the form option=value, as mem=8G.")
        options[key.strip(" -")] = value.strip()
    usual = SlurmRequest()
    return SlurmRequest(
        time=usual.time if time is None else time,
        partition=partition,
        at_once=at_once,
        further=options,
    )


def on_ray(asked: Sequence[Asked], at_once: int | None, address: str | None) -> None:
    """Compute what is missing on a Ray cluster, with one progress bar over all of it."""
    from analyses.cluster_walks import walk_on_ray
    from analyses.walk import progress_bar

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
    from analyses.cluster_walks import walk_on_slurm

    tasks = _tasks(asked)
    if not tasks:
        say("everything that was asked for is stored already")
        return
    ids = walk_on_slurm(tasks, LOGS.absolute(), request)
    say(f"handed in {len(ids):,} blocks of checkpoints as Slurm jobs {ids[0]} to {ids[-1]}")
    say("the same command hands in what is missing when these have ended")


def _tasks(asked: Sequence[Asked]) -> list[WalkTask]:
    from analyses.cluster_walks import plan_walks

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
