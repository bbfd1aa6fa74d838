"""Curves of several measures of one state over training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import xarray as xr

from analyses.figures.builders.pick import interval
from analyses.figures.specs.charts import Lines, Series


def curves(
    ds: xr.Dataset,
    labels: Mapping[str, str],
    *,
    dashed: tuple[str, ...] = (),
    **fields: Any,
) -> Lines:
    """One curve per variable over training; all dimensions but `step` must be picked already.

    Args:
        ds: The result.
        labels: Variable -> what its curve is called.
        dashed: Variables that are drawn dashed, in the colour of the one before: baselines.
        fields: Of the spec.
    """
    x = ds["step"].values.astype(float)
    series, colour = [], -1
    for variable, label in labels.items():
        colour += variable not in dashed
        found = interval(ds.transpose("step", ...), variable)
        series.append(
            Series(
                label=label, x=x, y=found.value, low=found.low, high=found.high,
                colour=max(colour, 0), dash="dash" if variable in dashed else "solid",
            )
        )  # fmt: skip
    return Lines(series=tuple(series), **fields)
