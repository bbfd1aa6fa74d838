"""Independent tasks on a Slurm cluster, through submitit.

Items are handed in as array jobs, a task each, and this process goes on: nothing here waits. What
became of an item must be read from what it wrote, never from Slurm: with submitit 1.5.4 a killed
local job counts as FINISHED long before its result says that it was not.

submitit pickles what a task is to do into the folder that it is given. Whoever may write there
decides what the tasks run, as with any job script.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

import circuits
from circuits.errors import HopscopeError

Item = TypeVar("Item")
Cluster = Literal["slurm", "local"]

LARGEST_ARRAY = 1000
"""Slurm's own limit, unless a cluster set another (MaxArraySize)."""

REQUEUES = 1000
"""How often a task may run out of time; each time it goes on from where it was."""

_TIME = re.compile(r"(?:(?P<days>\d+)-)?(?P<first>\d+)(?::(?P<second>\d+))?(?::(?P<third>\d+))?")


@dataclass(frozen=True)
class SlurmRequest:
    """What each task asks Slurm for."""

    time: str = "1:00:00"
    """As for sbatch: minutes, M:SS, H:MM:SS, D-H or D-H:MM:SS."""
    partition: str | None = None
    cpus: int = 1
    gpus: int = 0
    at_once: int | None = None
    """Most tasks at a time; None: as many as the cluster lets."""
    further: Mapping[str, str] = field(default_factory=dict)
    """Other options of sbatch by their long names, e.g. {"account": "ours", "mem": "8G"}."""

    @property
    def minutes(self) -> int:
        """The time limit, rounded up to whole minutes.

        Raises:
            HopscopeError: if it is not of a form that sbatch knows.

        >>> SlurmRequest(time="1-12").minutes, SlurmRequest(time="90").minutes
        (2160, 90)
        """
        found = _TIME.fullmatch(self.time.strip())
        if found is None:
            raise HopscopeError(
                f"--time {self.time!r} is not understood; give minutes, H:MM:SS or D-H:MM:SS, "
                "e.g. 4:00:00."
            )
        first, second, third = (int(found[name] or 0) for name in ("first", "second", "third"))
        if found["days"] is not None:
            seconds = int(found["days"]) * 86400 + first * 3600 + second * 60 + third
        elif found["third"] is not None:
            seconds = first * 3600 + second * 60 + third
        else:
            seconds = first * 60 + second
        if seconds == 0:
            raise HopscopeError(f"--time {self.time!r} leaves no time; give e.g. 4:00:00.")
        return -(-seconds // 60)


def slurm_jobs(
    function: Callable[[Item], Any],
    items: Sequence[Item],
    *,
    folder: Path,
    name: str,
    request: SlurmRequest,
    cluster: Cluster = "slurm",
) -> list[str]:
    """Hand in `function(item)` for every item; Slurm's id of each task.

    Args:
        function: Importable, or picklable, on the nodes. If it has a method `checkpoint(item)`,
            submitit calls this when a task is cut short and hands in what it returns.
        items: Picklable, with absolute paths.
        folder: For scripts, logs and pickles; every node sees it under this path.
        name: Of the jobs, as `squeue` shows it.
        request: What each task asks for.
        cluster: "local" runs the tasks as processes of this machine, to try things out.

    Raises:
        HopscopeError: without submitit or Slurm, or if Slurm refuses the job.
    """
    minutes = request.minutes
    submitit = check_slurm(cluster)
    executor = submitit.AutoExecutor(folder=folder, cluster=cluster, slurm_max_num_timeout=REQUEUES)
    executor.update_parameters(
        name=name,
        timeout_min=minutes,
        cpus_per_task=request.cpus,
        gpus_per_node=request.gpus,
    )
    if cluster == "slurm":
        executor.update_parameters(
            slurm_array_parallelism=request.at_once or LARGEST_ARRAY,
            slurm_additional_parameters=dict(request.further),
        )
    if cluster == "slurm" and request.partition is not None:
        executor.update_parameters(slurm_partition=request.partition)
    blocks = [items[at : at + LARGEST_ARRAY] for at in range(0, len(items), LARGEST_ARRAY)]
    try:
        return [str(j.job_id) for block in blocks for j in executor.map_array(function, block)]
    except submitit.core.utils.FailedJobError as error:
        said = " ".join(str(error).split())
        raise HopscopeError(
            f"Slurm refused the job ({said}); mend --partition, --time or --slurm and try again."
        ) from error


def check_slurm(cluster: Cluster = "slurm") -> Any:
    """The module submitit.

    Raises:
        HopscopeError: if it is not installed, or this machine cannot hand in jobs.
    """
    try:
        import submitit
    except ImportError as error:
        raise HopscopeError(
            "backend 'slurm' needs submitit, which is not installed; "
            "`pip install 'hopscope[slurm]'`, or leave out --backend for local processes."
        ) from error
    if cluster == "slurm" and not (shutil.which("sbatch") and shutil.which("srun")):
        raise HopscopeError(
            "backend 'slurm' needs the commands sbatch and srun, which are not on the PATH here; "
            "use a login node of the cluster, or leave out --backend for local processes."
        )
    return submitit


def refuse_other_version(version: str) -> None:
    """Called by a task with the version of whoever handed it in."""
    if circuits.__version__ != version:
        raise HopscopeError(
            f"this node has Hopscope {circuits.__version__}, and the task was handed in with "
            f"{version}; install the same version on all nodes."
        )
