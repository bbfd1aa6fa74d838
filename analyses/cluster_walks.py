"""Analyses of many runs on a cluster: (run x analysis x block of checkpoints) as tasks.

Each task is an ordinary walk over its block, which computes what is missing and stores it in the
run's results; the store's lock keeps writers apart. So a lost or repeated task costs time only,
and the stored numbers are those of one process. Tasks are ordered so that neighbours write into
different stores, because a hundred writers of one store would wait for each other
(`docs/scale.md`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import circuits
from analyses.stored import Request
from analyses.walk import analyze, steps_of
from circuits.errors import HopscopeError
from circuits.ray_tasks import Lost, ray_results
from circuits.runs.remote import address_of
from circuits.runs.run import Run, open_run
from circuits.slurm_tasks import Cluster, SlurmRequest, refuse_other_version, slurm_jobs

BLOCK = 8
"""Checkpoints in a task: long beside the start of a task, short beside what may be lost."""


@dataclass(frozen=True)
class WalkTask:
    """A block of checkpoints of one run under one analysis."""

    run: str
    """Absolute path, or URL."""
    analysis: str
    splits: tuple[str, ...]
    options: str
    """As JSON."""
    steps: tuple[int, ...] | None
    """None: an analysis that looks at several checkpoints at once chooses them itself."""
    version: str = circuits.__version__
    """Of whoever planned it."""

    @property
    def checkpoints(self) -> int:
        """How many count as one in progress."""
        return 1 if self.steps is None else len(self.steps)


def plan_walks(
    runs: Sequence[Run],
    names: Sequence[str],
    *,
    steps: Sequence[int] | None = None,
    splits: Sequence[str] | None = None,
    settings: Mapping[str, Any] | None = None,
    block: int = BLOCK,
) -> list[WalkTask]:
    """Tasks for what is not stored yet.

    Args:
        runs: Runs in folders that every worker sees.
        names: Entries of the catalog.
        steps: Checkpoints; None: those of each catalog entry.
        splits: Splits; None: those of each catalog entry.
        settings: Options of the analysis, if it is one.
        block: Most checkpoints in a task.

    Raises:
        HopscopeError: as `analyze`, for any of them, before anything is computed.

    >>> from circuits import open_run
    >>> plan_walks([open_run("assets/demo")], ["logit_lens"])  # everything is stored
    []
    """
    stores: list[list[WalkTask]] = []
    for run in runs:
        for name in names:
            request = Request.make(run, name, splits, dict(settings or {}))
            common = (
                address_of(run.path),
                name,
                tuple(request.splits),
                request.options.model_dump_json(),
            )
            if request.entry.joint:
                stores.append([WalkTask(*common, None if steps is None else tuple(steps))])
                continue
            request.check(False, steps is not None)
            missing = sorted(set(steps_of(request, steps)) - set(request.store.steps()))
            blocks = (missing[at : at + block] for at in range(0, len(missing), block))
            stores.append([WalkTask(*common, tuple(steps)) for steps in blocks])
    return [task for blocks in zip_longest(*stores) for task in blocks if task is not None]


def walk_block(task: WalkTask) -> str:
    """Do a task; why it failed, or "" if it did not."""
    try:
        refuse_other_version(task.version)
        analyze(
            open_run(task.run),
            task.analysis,
            steps=task.steps,
            splits=task.splits,
            settings=json.loads(task.options),
            n_jobs=1,
            progress=False,
        )
    except HopscopeError as error:
        return str(error)
    except Exception as error:  # a defect in one block must not end the others
        return f"{type(error).__name__}: {error}"
    return ""


def walk_on_ray(
    tasks: Sequence[WalkTask], *, at_once: int | None = None, address: str | None = None
) -> Iterator[tuple[WalkTask, str]]:
    """Every task with why it failed ("": it did not), as they end on a Ray cluster.

    Raises:
        HopscopeError: as `circuits.ray_tasks.ray_results`.
    """
    for index, found in ray_results(walk_block, tasks, at_once=at_once, address=address):
        yield tasks[index], found.reason if isinstance(found, Lost) else found


def walk_on_slurm(
    tasks: Sequence[WalkTask], folder: Path, request: SlurmRequest, cluster: Cluster = "slurm"
) -> list[str]:
    """Hand in every task; Slurm's ids.

    Args:
        tasks: As planned.
        folder: For scripts and logs; every node sees it under this path.
        request: What each task asks for.
        cluster: "local" runs the tasks as processes of this machine, to try things out.

    Raises:
        HopscopeError: as `circuits.slurm_tasks.slurm_jobs`.
    """
    return slurm_jobs(
        walk_block, tasks, folder=folder, name="hopscope-analyze", request=request, cluster=cluster
    )


def analyze_finished(names: Sequence[str], run: Path) -> None:
    """Run analyses over a run that was just trained, in this process.

    Raises:
        HopscopeError: as `analyze`.
    """
    for name in names:
        analyze(open_run(run), name, n_jobs=1, progress=False)
