"""Measure a run's circuit while it is being trained: `python -m app.background.measuring RUN`.

The Train page starts this beside a training. Every checkpoint gets the analyses that the instrument
draws, a few checkpoints at a time, so that the picture grows with the run. The process ends once
the training has ended and everything is measured.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from time import sleep

from app.background.jobs import is_running
from circuits.errors import HopscopeError
from circuits.runs.run import Run, open_run

REST_SECONDS = 1.0
NICENESS = 10
"""Niceness: the training has priority if both want the same core."""


def measure(path: Path) -> Run:
    """Analyze all checkpoints of a run, waiting for more while it is being trained."""
    from analyses.walk import analyze
    from app.logic.drawn_results import drawn_analyses

    run = _when_there(path)
    names = drawn_analyses(run.corpus.task).values()
    while True:
        training = is_running(path)  # asked first, so that the last checkpoints are not missed
        run = run.refreshed()
        for name in names if run.steps else ():
            analyze(run, name, n_jobs=1, progress=False)
        if not training:
            return run
        sleep(REST_SECONDS)


def _when_there(path: Path) -> Run:
    """The run, once the training has prepared its folder."""
    while True:
        running = is_running(path)
        try:
            return open_run(path)
        except HopscopeError:
            if not running:
                raise
        sleep(REST_SECONDS)


def main() -> None:
    """Measure the given run; an error is one sentence in the log."""
    import torch

    os.nice(NICENESS)
    torch.set_num_threads(1)
    try:
        run = measure(Path(sys.argv[1]))
    except HopscopeError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    print(f"measured {len(run.steps)} checkpoints of {run.path}")


if __name__ == "__main__":
    main()
