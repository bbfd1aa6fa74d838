"""Joining the results of single splits and steps into one dataset."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from analyses.questions.examples import Examples


def joined_splits(
    parts: Mapping[str, tuple[xr.Dataset, Examples]], step: int, attrs: Mapping[str, Any]
) -> xr.Dataset:
    """One checkpoint's dataset (step, split, ...) from one dataset per split.

    Variables whose attribute `per_step` is False are the same for every checkpoint (counts, draws)
    and get no `step`. Per-example variables are padded to the largest split with -1 or NaN. Adds
    `n` (examples per split) and `example_row` (row of each example in its split, -1 beyond the
    last).
    """
    datasets = [dataset for dataset, _ in parts.values()]
    rows = [examples.rows for _, examples in parts.values()]
    longest = max(map(len, rows))
    variables: dict[str, Any] = {}
    for name in datasets[0].data_vars:
        # not `ds[name]`, which looks for the coordinates of each of hundreds of variables
        variable = datasets[0].variables[name]
        same = (ds.variables[name].transpose(*variable.dims) for ds in datasets)
        values = [_padded(one, longest) for one in same]
        stacked = np.stack(values)
        dims: tuple[Any, ...] = ("split", *variable.dims)
        if variable.attrs.get("per_step", True):
            stacked, dims = stacked[None], ("step", *dims)
        variables[str(name)] = (dims, stacked, variable.attrs)
    n = np.array([len(r) for r in rows], np.int32)
    padded = [np.pad(r, (0, longest - len(r)), constant_values=-1) for r in rows]
    variables["n"] = (("split",), n, {"long_name": "examples", "units": "1"})
    variables["example_row"] = (
        ("split", "example"),
        np.stack(padded).astype(np.int32),
        {"long_name": "row in the split, -1 beyond the last example"},
    )
    coords = {name: datasets[0][name] for name in datasets[0].coords}
    return xr.Dataset(variables, {"step": [step], "split": list(parts), **coords}, dict(attrs))


def joined_steps(results: list[xr.Dataset]) -> xr.Dataset:
    """Datasets of single steps, one after the other."""
    first = results[0]
    variables = {
        name: (
            variable.dims,
            np.concatenate([result.variables[name].values for result in results])
            if "step" in variable.dims
            else variable.values,
            variable.attrs,
        )
        for name, variable in ((name, first.variables[name]) for name in first.data_vars)
    }
    steps = [int(result.step.item()) for result in results]
    coords = {name: first[name] for name in first.coords if name != "step"}
    return xr.Dataset(variables, {"step": steps, **coords}, first.attrs)


def _padded(array: xr.Variable, longest: int) -> np.ndarray:
    values = np.asarray(array.values)
    if "example" not in array.dims:
        return values
    widths = [(0, longest - size if d == "example" else 0) for d, size in array.sizes.items()]
    return np.pad(values, widths, constant_values=np.nan if values.dtype.kind == "f" else -1)
