"""Estimates over examples as variables of a result, stored compactly.

A variable `x` comes with `x_low` and `x_high` (95% interval), `x_n` (examples with a value) and
`x_example` (the value of each). Intervals of what is not a mean over examples, such as a
correlation over places, come from resampled means.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float, Num

from circuits.statistics import Interval, bootstrap

Variables = dict[str, tuple[tuple[str, ...], Any, dict[str, Any]]]
"""Variables of an xarray dataset: (dims, values, attrs) by name."""


def with_interval(
    name: str, dims: tuple[str, ...], values: np.ndarray, attrs: dict[str, Any], **options: Any
) -> Variables:
    """Variables `name`, `name_low` and `name_high`: mean over examples with a 95% interval.

    Args:
        name: Name of the mean.
        dims: Dims without the leading example axis.
        values: Per example [n, *dims]; NaN where an example has no value.
        attrs: `long_name` and `units` for the mean.
        options: Options of `circuits.statistics.bootstrap`.

    >>> share = with_interval("share", (), np.arange(10) < 4, {"long_name": "right"}, shares=True)
    >>> {name: round(float(values), 2) for name, (_, values, _) in share.items()}
    {'share': 0.4, 'share_low': 0.17, 'share_high': 0.69}
    """
    found: Interval = bootstrap(values, **options)
    parts = (("", found.mean), ("_low", found.low), ("_high", found.high))
    interval = " (95% bootstrap interval over examples)"
    return {
        name + suffix: (
            dims,
            part.astype(np.float32),
            {**attrs, "long_name": attrs["long_name"] + (interval if suffix else "")},
        )
        for suffix, part in parts
    }


def estimated(
    name: str,
    per_example: Num[np.ndarray, "example ..."],
    dims: tuple[str, ...],
    long_name: str,
    *,
    units: str = "1",
    shares: bool = False,
    keep: bool = True,
    over: str = "example",
) -> Variables:
    """`name`, `name_low`, `name_high`, `name_n` and `name_example` (or `name_<over>`).

    Args:
        name: Name of the variable.
        per_example: One row per example; NaN where an example has no value.
        dims: Names of the axes after the first.
        long_name: What the number is, in words.
        units: "1" for a pure number.
        shares: Values are 0 or 1, so the mean is a share (see `circuits.statistics.bootstrap`).
        keep: Also keep the values of single examples, in single precision.
        over: Word for an example, which names the first axis.
    """
    attrs = {"long_name": long_name, "units": "share" if shares else units}
    variables = with_interval(name, dims, per_example, attrs, shares=shares)
    n = np.isfinite(per_example).sum(0)
    variables[f"{name}_n"] = (dims, n, {"long_name": f"{long_name}: {over}s with a value"})
    if keep:
        rows = per_example.astype(np.float32)
        variables[f"{name}_{over}"] = ((over, *dims), rows, attrs)
    return variables


def resampled_means(
    values: Float[np.ndarray, "n ..."], weights: Num[np.ndarray, "resample n"]
) -> Float[np.ndarray, "resample cells"]:
    """Mean over the questions that have a value, NaN where none has; trailing axes flattened."""
    flat = values.reshape(len(values), -1)
    here = np.isfinite(flat)
    often = weights.astype(float)  # products of integers are ten times as slow
    with np.errstate(invalid="ignore"):
        return (often @ np.where(here, flat, 0.0)) / (often @ here.astype(float))


def correlation(
    one: Float[np.ndarray, "resample cells"], other: Float[np.ndarray, "resample cells"]
) -> Float[np.ndarray, " resample"]:
    """Pearson's correlation over cells, by resample; NaN if either side does not vary."""
    a, b = (x - x.mean(1, keepdims=True) for x in (one, other))
    with np.errstate(invalid="ignore", divide="ignore"):
        return (a * b).sum(1) / np.sqrt((a**2).sum(1) * (b**2).sum(1))


def half_precision(dataset: xr.Dataset) -> xr.Dataset:
    """Real numbers as float16: three digits, a quarter of the space of double precision.

    For storage only: sums of float16 overflow above 65,504 and lose digits long before, so
    `circuits.runs.results` returns them as float32.
    """
    # not `dataset[name]`, which looks for the coordinates of each of hundreds of variables
    values = {name: dataset.variables[name].values for name in dataset.data_vars}
    halves = {n: _half(v) if v.dtype.kind == "f" else v for n, v in values.items()}
    return dataset.copy(data=halves)


def coarse(values: Float[np.ndarray, "n ..."]) -> Float[np.ndarray, "n ..."]:
    """Values of single questions as float16, rounded to what distinguishes the questions.

    The unit of a column is the largest power of two that is at most half its standard deviation
    over the questions, so that a value is off by at most a quarter of that; about five bits remain
    to be compressed. A constant column is unchanged.
    """
    here = np.isfinite(values)
    n = np.maximum(here.sum(0), 1)
    mean = np.where(here, values, 0.0).sum(0) / n
    deviation = np.sqrt(np.where(here, (values - mean) ** 2, 0.0).sum(0) / n)
    varies = deviation > 1e-6 * np.maximum(np.abs(mean), 1e-6)
    unit = np.exp2(np.floor(np.log2(np.where(varies, deviation, 1.0) / 2)))
    return _half(np.where(varies, np.round(values / unit) * unit, values))


def _half(values: Float[np.ndarray, ...]) -> Float[np.ndarray, ...]:
    """As float16, or as float32 if a number is out of float16's range and would become infinite."""
    largest = np.max(np.abs(values), where=np.isfinite(values), initial=0.0)
    return values.astype(np.float16 if largest <= np.finfo(np.float16).max else np.float32)
