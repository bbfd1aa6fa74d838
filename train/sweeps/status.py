"""How far a sweep has come, read from its folder alone: whoever trains it, and from any machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from circuits.errors import HopscopeError
from circuits.runs.reading import MANIFEST
from circuits.runs.remote import address_of, local_folder
from circuits.runs.run import open_run
from train.sweeps.record import PlannedRun, kept_row, planned

STATES = ("pending", "running", "stopped", "failed", "finished")


def sweep_status(out: str | Path) -> pd.DataFrame:
    """One row per planned run.

    Args:
        out: Folder of the sweep, or its URL.

    Returns:
        Columns: the grid's settings, seed, state, step, steps (asked for), ID accuracy at the last
        evaluation, job (of a cluster), error, run (folder). A run is pending before it has a
        folder, running while a process holds its lock, stopped if it can be resumed, failed if its
        last try ended with an error.

    Raises:
        HopscopeError: if the folder holds no sweep.
    """
    out = local_folder(out).absolute()
    return pd.DataFrame([_row(run) for run in planned(out)])


def _row(run: PlannedRun) -> dict[str, Any]:
    state, step, accuracy, error = "pending", 0, None, ""
    kept = kept_row(run.path)
    if (run.path / MANIFEST).exists():
        try:
            opened = open_run(run.path)
            rows = opened.rows()
            state = "running" if opened.state == "training" else opened.state
            step = rows[-1]["step"] if rows else opened.last_step
            accuracy = rows[-1].get("accuracy/id_test") if rows else None
        except HopscopeError as problem:
            state, error = "failed", str(problem)
    if state != "running" and kept is not None and kept["error"]:
        error = error or kept["error"]
        state = "stopped" if error.startswith("stopped by") else "failed"
    return {
        **run.overrides,
        "seed": run.seed,
        "state": state,
        "step": step,
        "steps": run.steps,
        "id_test": accuracy,
        "job": run.job or "",
        "error": error,
        "run": address_of(run.path),
    }


def counts(status: pd.DataFrame) -> str:
    """How many runs are in each state, in words.

    >>> counts(pd.DataFrame({"state": ["finished", "running", "finished"]}))
    '1 running, 2 finished'
    """
    found = [(state, int((status["state"] == state).sum())) for state in STATES]
    return ", ".join(f"{n:,} {state}" for state, n in found if n)
