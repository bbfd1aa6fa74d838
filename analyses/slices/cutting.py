"""A stored result cut to a slice, in the form of a whole one, so that figures are drawn from it.

What stays: means that can be taken again (`analyses.slices.reading`), the values of the slice's
own questions, and their number. Every other number is about all questions, and goes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr
from jaxtyping import Int

from analyses.slices.properties import SplitQuestions
from analyses.slices.reading import rows_by_split, sliced, without_values
from analyses.slices.slice import NoneInSlice, Slice
from analyses.slices.values import SUFFIX
from analyses.stored import Reader
from circuits.errors import HopscopeError
from circuits.runs.run import Run

ROW = "example_row"
SLICE = "slice"
"""The attribute of a result that is cut to a slice: the slice, as `str` writes it."""


class NotOnSlice(HopscopeError):
    """A stored result, or a figure of it, is of all questions and cannot be cut to a slice."""


def cut_to(ds: xr.Dataset, rows: Mapping[str, Int[np.ndarray, " k"]], chosen: Slice) -> xr.Dataset:
    """A result on the questions in these rows of each split.

    Args:
        ds: A stored result, with the dim `split`.
        rows: Rows of the slice in each split.
        chosen: The slice, for the attributes.

    Returns:
        Means with `_low`, `_high` and `_n`; values of single questions, of each split the slice's
        first and -1 (NaN) after them; `n` by split, and `n_valid` where the result has it.

    Raises:
        HopscopeError: if the result has no values of single questions.

    >>> from analyses import stored_result
    >>> from circuits import open_run
    >>> ds = stored_result(open_run("assets/demo"), "logit_lens")
    >>> found = cut_to(ds, {"id_test": np.arange(50)}, Slice(right=True))
    >>> dict(found.sizes)["example"], found.n.values.tolist(), found.attrs["slice"]
    (16, [0, 16, 0], 'right=yes')
    """
    means = sliced(ds, rows)
    if not means.data_vars:
        raise NotOnSlice(without_values(str(ds.attrs.get("analysis"))))
    own = ds[ROW].transpose("split", "example").values
    splits = [str(split) for split in ds["split"].values]
    inside = [
        np.flatnonzero(np.isin(one, rows.get(split, ())) & (one >= 0))
        for split, one in zip(splits, own, strict=True)
    ]
    kept = {
        name: _taken(values, inside)
        for name, values in ds.data_vars.items()
        if str(name).endswith(SUFFIX) or name == ROW
        if {"split", "example"} <= set(values.dims)
    }
    if "n_valid" in ds:
        means["n_valid"] = _valid(means, ds["n_valid"].dims)
    cut = xr.Dataset({**kept, **means.data_vars})
    there = {
        name: values for name, values in ds.coords.items() if set(values.dims) <= set(cut.dims)
    }
    return cut.assign_coords(there).assign_attrs(ds.attrs | {SLICE: str(chosen)})


def _taken(values: xr.DataArray, inside: Sequence[Int[np.ndarray, " k"]]) -> xr.DataArray:
    """The values of some questions of each split, filled up where others have more."""
    ordered = values.transpose("split", "example", ...)
    most = max(map(len, inside))
    missing = np.nan if ordered.dtype.kind == "f" else -1
    found = np.full((len(inside), most, *ordered.shape[2:]), missing, ordered.dtype)
    for i, places in enumerate(inside):
        found[i, : len(places)] = ordered.values[i, places]
    coords = {name: one for name, one in ordered.coords.items() if "example" not in one.dims}
    return xr.DataArray(found, coords, ordered.dims, attrs=values.attrs).transpose(*values.dims)


def _valid(means: xr.Dataset, dims: Sequence[object]) -> xr.DataArray:
    """Questions with a value, along the axes that the whole result has."""
    every = (one for name, one in means.data_vars.items() if str(name).endswith("_n"))
    counts = next((one for one in every if set(dims) <= set(one.dims)), means["n"])
    return counts.max([dim for dim in counts.dims if dim not in dims])


def reader_on(run: Run, chosen: Slice, read: Reader) -> Reader:
    """A reader of the run's results that gives each on the slice.

    Raises:
        HopscopeError: when the result is read, if none of its questions is in the slice, or it
            has no values of single questions.
    """
    known: dict[str, SplitQuestions] = {}

    def on_slice(name: str) -> xr.Dataset | None:
        ds = read(name)
        if ds is None or "split" not in ds.dims:
            return ds
        for split in map(str, ds["split"].values):
            known.setdefault(split, SplitQuestions(run, split, read))
        return on_questions(ds, known, chosen)

    return on_slice


def on_questions(
    ds: xr.Dataset, questions: Mapping[str, SplitQuestions], chosen: Slice
) -> xr.Dataset:
    """A result on a slice, with the questions of its splits; errors as for `reader_on`."""
    asked = {split: questions[split] for split in map(str, ds["split"].values)}
    cut = cut_to(ds, rows_by_split(asked, chosen), chosen)
    if not int(cut["n"].sum()):
        raise NoneInSlice(
            f"No question of {ds.attrs.get('analysis')} is in the slice ({chosen.words}): it asks "
            f"{ds.sizes['example']} questions a split; leave out a condition."
        )
    return cut
