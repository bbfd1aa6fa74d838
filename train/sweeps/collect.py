"""A whole sweep as one dataset: the grid's axes, seed and step as dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from circuits.errors import HopscopeError
from circuits.runs.reading import MANIFEST, read_metrics
from circuits.runs.remote import local_folder
from circuits.runs.run import METRICS, open_run
from train.sweeps.record import PlannedRun, planned

if TYPE_CHECKING:  # takes a second to import
    import xarray as xr

GROK = ("memorization_step", "grok_step", "delay_ratio")


def sweep_dataset(out: str | Path) -> xr.Dataset:
    """Everything that the runs of a sweep recorded while training.

    Args:
        out: Folder of the sweep, or its URL; it may still be going on.

    Returns:
        Dimensions: one per axis of the grid, named by its setting without the section (with it, as
        `model_lr`, where two are alike), `seed`, and `step` (all steps at which any run was
        evaluated). Variables: every number of `metrics.jsonl` under its name with "_" for "/", and
        `memorization_step`, `grok_step`, `delay_ratio` without `step`. NaN: not measured, or not
        reached. Axes whose values are all numbers have them as numbers, in the order of the grid.

    Raises:
        HopscopeError: if the folder holds no sweep, or none of its runs has a metric yet.

    ```python
    from train.sweeps import sweep_dataset

    ds = sweep_dataset("runs/sweep-demo")
    ds.accuracy_id_test.mean("seed").sel(step=2000)      # over the grid
    ds.grok_step.median("seed").plot()                   # against the grid's axis
    ```
    """
    import xarray as xr

    runs = planned(local_folder(out).absolute())
    found = [(run, _numbers(run)) for run in runs]
    found = [(run, table) for run, table in found if table]
    if not found:
        raise HopscopeError(f"no run of {out} was evaluated yet; wait, or start the sweep again.")
    keys = list(dict.fromkeys(key for run in runs for key in run.overrides))
    axes = _axes(runs, keys)
    steps = sorted({row["step"] for _, rows in found for row in rows})
    sizes = [len(values) for values in axes.values()]
    names = list(dict.fromkeys(n for _, rows in found for row in rows for n in row if n != "step"))
    per_step = {name: np.full((*sizes, len(steps)), np.nan) for name in names}
    per_run = {name: np.full(sizes, np.nan) for name in GROK}
    at = {step: i for i, step in enumerate(steps)}
    for run, rows in found:
        cell = _cell(run, axes, keys)
        for row in rows:
            for name, value in row.items():
                if name != "step":
                    per_step[name][(*cell, at[row["step"]])] = value
        grok = open_run(run.path).grok
        for name in GROK:
            reached = grok.get(name)
            per_run[name][cell] = np.nan if reached is None else reached
    dims = list(axes)
    return xr.Dataset(
        {
            **{name.replace("/", "_"): ([*dims, "step"], v) for name, v in per_step.items()},
            **{name: (dims, values) for name, values in per_run.items()},
        },
        coords={**{name: _labels(values) for name, values in axes.items()}, "step": steps},
        attrs={"settings": keys, "runs": len(runs), "runs_with_numbers": len(found)},
    )


def write_dataset(out: Path) -> Path:
    """Write `sweep_dataset` as `sweep.zarr` into the sweep's folder, in place of an older one."""
    path = out / "sweep.zarr"
    sweep_dataset(out).to_zarr(path, mode="w", consolidated=False)
    return path


def _numbers(run: PlannedRun) -> list[dict[str, float]]:
    """Rows of the run's metrics, numbers only."""
    if not (run.path / MANIFEST).exists():
        return []
    return [
        {name: value for name, value in row.items() if isinstance(value, (int, float))}
        for row in read_metrics(run.path / METRICS)
    ]


def _axes(runs: Sequence[PlannedRun], keys: list[str]) -> dict[str, list[Any]]:
    """Values of each dimension, in the order in which they were planned."""
    short = [key.rpartition(".")[2] for key in keys]
    taken = {"seed", "step"}
    axes: dict[str, list[Any]] = {}
    for key, name in zip(keys, short, strict=True):
        unique = name if short.count(name) == 1 and name not in taken else key.replace(".", "_")
        axes[unique] = list(dict.fromkeys(run.overrides.get(key, "") for run in runs))
    axes["seed"] = sorted({run.seed for run in runs})
    return axes


def _cell(run: PlannedRun, axes: dict[str, list[Any]], keys: list[str]) -> tuple[int, ...]:
    *grid, seeds = axes.values()
    places = [values.index(run.overrides.get(k, "")) for k, values in zip(keys, grid, strict=True)]
    return (*places, seeds.index(run.seed))


def _labels(values: list[Any]) -> list[Any] | np.ndarray:
    try:
        return [value if isinstance(value, int) else float(value) for value in values]
    except ValueError:
        return np.array(values, dtype=object)  # of any length: Zarr 3 specifies no other text
