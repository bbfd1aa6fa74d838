"""What a sweep will cost, from a few steps of some of its runs on this machine.

1. The first, the middle and the last cell of the grid (all, if there are at most three) are trained
   for a few steps in a temporary folder, by the code that trains whole runs.
2. A run takes its start, its steps, and its evaluations at the speeds measured; its disk is the
   checkpoints that its plan keeps, and a state to resume from.
3. Cells that were not tried count as the mean of those that were.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from circuits.recipes.schema import Recipe
from train.sweeps.plan import SweepRun

TRIED_STEPS = 60
EVERY = 20
"""Steps between the evaluations of a trial: the first stretch warms up, the others are measured."""


@dataclass(frozen=True)
class Estimate:
    """Cost of a sweep; times for this machine as it was busy when they were measured."""

    runs: int
    tried: int
    """Cells that were measured."""
    seconds: float
    """For all runs, one after the other."""
    jobs: int
    disk: float
    """Bytes of all runs."""
    memory: float
    """Bytes of one process at its largest, with libraries."""

    @property
    def words(self) -> str:
        """The estimate as a sentence.

        >>> Estimate(12, 3, 7200.0, 2, 3e9, 6e8).words
        '12 runs: about 60 min at 2 at once, 3.0 GB on disk, 0.6 GB of memory each (3 cells tried).'
        """
        cells = f"{self.tried} cell{'s' * (self.tried != 1)} tried"
        return (
            f"{self.runs:,} run{'s' * (self.runs != 1)}: about "
            f"{_duration(self.seconds / min(self.jobs, self.runs))} at {self.jobs} at once, "
            f"{self.disk / 1e9:.1f} GB on disk, {self.memory / 1e9:.1f} GB of memory each "
            f"({cells})."
        )


def estimate_sweep(runs: Sequence[SweepRun], jobs: int, threads: int | None) -> Estimate:
    """Try some runs for a few steps.

    Args:
        runs: All runs of the sweep, as planned.
        jobs: How many are trained at once.
        threads: Of each; None: as they are.

    Raises:
        HopscopeError: for what keeps a tried run from being trained.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    cells = {tuple(run.overrides.items()): run for run in runs}
    some = list(cells.values())
    tried = some if len(some) <= 3 else [some[0], some[len(some) // 2], some[-1]]
    try:
        found = np.array([_tried(run.recipe) for run in tried])
    finally:
        torch.set_num_threads(before)
    seconds, disk = found.mean(axis=0) * len(runs)
    return Estimate(len(runs), len(tried), float(seconds), jobs, float(disk), _peak_memory())


def _tried(recipe: Recipe) -> tuple[float, float]:
    """Seconds and bytes of a whole run."""
    from train.loop import train

    checkpoints = recipe.checkpoints.model_copy(update={"schedule": "every", "every": EVERY})
    short = recipe.model_copy(
        update={
            "training": recipe.training.model_copy(update={"steps": TRIED_STEPS}),
            "evaluation": recipe.evaluation.model_copy(update={"every": EVERY}),
            "checkpoints": checkpoints,
        }
    )
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        run = train(short, Path(folder) / "trial", progress=False)
        start = time.perf_counter() - begun - run.rows()[-1]["seconds"]
        rows = run.rows()[1:]
        step = float(np.median([1 / row["steps_per_s"] for row in rows]))
        between = float(np.median(np.diff([row["seconds"] for row in rows])))
        evaluation = max(0.0, between - EVERY * step)
        size = max(file.stat().st_size for file in run.path.glob("checkpoints/*"))
        state = sum(file.stat().st_size for file in run.path.glob("resume/*"))
    kept = _kept(recipe, size)
    evaluations = recipe.training.steps // recipe.evaluation.every + 1
    seconds = start + recipe.training.steps * step + max(evaluations, kept) * evaluation
    return seconds, kept * size + state


def _kept(recipe: Recipe, size: int) -> int:
    from train.schedule import CheckpointPlan

    return len(CheckpointPlan(recipe.checkpoints, recipe.training.steps, size).steps)


def _peak_memory() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(peak if sys.platform == "darwin" else peak * 1024)  # bytes there, KiB elsewhere


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
