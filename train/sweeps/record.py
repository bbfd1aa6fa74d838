"""What a sweep keeps in its folder beside the runs.

```
OUT/<cell>_seed=<n>/        a run folder each
OUT/sweep.csv               the table of all runs, when the sweep has ended
OUT/.sweep/plan.json        the planned runs: settings, seed, steps, folder; jobs of a cluster
OUT/.sweep/rows/<run>.json  the outcome of one run, written by whoever trained it
OUT/.sweep/slurm/           scripts and logs of Slurm jobs
```
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from circuits.errors import HopscopeError
from circuits.files import make_folder, write_atomically
from circuits.remote.addresses import as_url, mirror_of
from circuits.runs.reading import MANIFEST
from circuits.runs.remote import address_of
from circuits.runs.sending import send_file
from train.sweeps.plan import SweepRun

TABLE = "sweep.csv"
HIDDEN = ".sweep"
SCHEMA = 1


@dataclass(frozen=True)
class PlannedRun:
    """A run as the plan names it."""

    path: Path
    overrides: dict[str, str]
    """Values as written, by section.key."""
    seed: int
    steps: int
    """How many the recipe asks for."""
    job: str | None = None
    """Of a cluster, if it was handed in to one."""


def begin(out: Path, runs: Sequence[SweepRun], jobs: Mapping[Path, str] | None = None) -> None:
    """Write the plan; runs of an earlier sweep into this folder stay in it.

    Raises:
        HopscopeError: if the folder cannot be written.
    """
    make_folder(out / HIDDEN / "rows")
    plan = {run.path: run for run in planned(out)} if (out / HIDDEN / "plan.json").exists() else {}
    for run in runs:
        job = (jobs or {}).get(run.path)
        steps = run.recipe.training.steps
        plan[run.path] = PlannedRun(run.path, run.overrides, run.seed, steps, job)
    rows = [
        {
            "run": run.path.name,
            "overrides": run.overrides,
            "seed": run.seed,
            "steps": run.steps,
            "job": run.job,
        }
        for run in plan.values()
    ]
    content = json.dumps({"schema": SCHEMA, "runs": rows}, indent=1)
    write_atomically(out / HIDDEN / "plan.json", content.encode())
    send_file(out / HIDDEN / "plan.json")


def planned(out: Path) -> list[PlannedRun]:
    """The runs of a sweep in this folder.

    Raises:
        HopscopeError: if it holds no sweep, or a damaged plan.
    """
    path = out / HIDDEN / "plan.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if found["schema"] != SCHEMA:
            raise HopscopeError(f"{path} was written by another version of Hopscope.")
        return [
            PlannedRun(
                out / Path(row["run"]).name, row["overrides"], row["seed"], row["steps"], row["job"]
            )
            for row in found["runs"]
        ]
    except OSError:
        if (out / TABLE).exists() or path.parent.is_dir():
            raise HopscopeError(
                f"{out} has no plan of its runs, as sweeps of earlier versions of Hopscope; see "
                f"`hopscope runs {out}`, or start the sweep again, which keeps its finished runs."
            ) from None
        raise HopscopeError(
            f"{out} is not the folder of a sweep; give the --out of `hopscope sweep`."
        ) from None
    except (ValueError, KeyError, TypeError) as error:
        raise HopscopeError(
            f"{path} is damaged; start the sweep again, which keeps its finished runs."
        ) from error


def keep_row(run: SweepRun, row: Mapping[str, Any]) -> None:
    """Leave the outcome of a run, also where the process that planned the sweep is gone."""
    path = _row_path(run.path)
    make_folder(path.parent)
    write_atomically(path, json.dumps(dict(row)).encode())
    send_file(path)


def kept_row(run: Path) -> dict[str, Any] | None:
    """The outcome that was left of this run; None if there is none."""
    try:
        found: dict[str, Any] = json.loads(_row_path(run).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found


def forget_row(run: Path) -> None:
    """Take away what is known of an earlier try."""
    _row_path(run).unlink(missing_ok=True)
    send_file(_row_path(run))


def write_table(out: Path, rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """`sweep.csv` with these rows."""
    table = pd.DataFrame(list(rows))
    write_atomically(out / TABLE, table.to_csv(index=False).encode())
    send_file(out / TABLE)
    return table


def empty_row(run: SweepRun | PlannedRun, error: str) -> dict[str, Any]:
    """The row of a run of which nothing but this is known."""
    return {**run.overrides, "seed": run.seed, "run": address_of(run.path), "error": error}


def seen_here(row: dict[str, Any], backend: str) -> dict[str, Any]:
    """Report a run that has no error and no folder here: it is on another machine's disk."""
    url = as_url(row["run"])
    folder = Path(row["run"]) if url is None else mirror_of(url)
    if row["error"] or (folder / MANIFEST).exists():
        return row
    return row | {
        "error": f"trained, but not into {row['run']} as this machine sees it; give an --out that "
        f"the workers of backend {backend!r} share with it"
    }


def _row_path(run: Path) -> Path:
    return run.parent / HIDDEN / "rows" / f"{run.name}.json"
