"""Pieces that figures share: maps of layer x position or x step, curves by layer or variable."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from analyses.figures.builders.pick import Z_95, Measured, in_words, interval, names
from analyses.figures.specs.charts import HeatMap, Lines, Series
from analyses.figures.words import words
from analyses.usable import CANNOT_REACH

LAYER = "layer"
"""Number of blocks before the state, 0 to the depth of the model."""


def cell_map(
    ds: xr.Dataset,
    variable: str,
    *,
    name: str,
    title: str,
    value_label: str,
    subtitle: str = "",
    limits: tuple[float, float] = (0.0, 1.0),
    provenance: Mapping[str, Any] | None = None,
) -> HeatMap:
    """Map of `variable` over (layer, position); all other dimensions must be picked already."""
    ordered = ds.transpose("layer", "position", ...)
    found = interval(ordered, variable)
    return map_of(
        found,
        ordered,
        name=name,
        title=title,
        value_label=value_label,
        subtitle=subtitle,
        limits=limits,
        diverging=limits[0] < 0,  # a diverging scale
        provenance=provenance,
    )


def map_of(found: Measured, ds: xr.Dataset, **fields: Any) -> HeatMap:
    """Map of values that were computed over the layers and positions of `ds`."""
    return HeatMap(
        values=found.value,
        low=found.low,
        high=found.high,
        rows=names(ds, "layer"),
        columns=in_words(names(ds, "position")),
        row_label=LAYER,
        **hatching(ds, "layer", "position"),
        **{**fields, "provenance": fields.get("provenance") or {}},
    )


def hatching(ds: xr.Dataset, rows: str, columns: str) -> dict[str, Any]:
    """Fields of a heat map that set apart states that cannot reach the answer."""
    if "usable" not in ds.coords:
        return {}
    apart = ~ds["usable"].broadcast_like(ds[rows] * xr.ones_like(ds[columns], bool))
    return {"hatched": apart.transpose(rows, columns).values, "hatched_label": CANNOT_REACH}


def two_way_map(ds: xr.Dataset, variable: str, rows: str, columns: str, **fields: str) -> HeatMap:
    """Map of a variable over any two of its dimensions."""
    found = interval(ds.transpose(rows, columns, ...), variable)
    return HeatMap(
        values=found.value,
        low=found.low,
        high=found.high,
        rows=names(ds, rows),
        columns=in_words(names(ds, columns)),
        name=fields["name"],
        title=fields["title"],
        row_label=fields.get("row_label", words(rows)),
        column_label=fields.get("column_label", words(columns)),
        value_label=fields["value_label"],
    )


def curves(
    ds: xr.Dataset,
    labels: Mapping[str, str],
    *,
    dashed: tuple[str, ...] = (),
    **fields: Any,
) -> Lines:
    """One curve per variable over training; all dimensions except `step` must be selected already.

    Args:
        ds: The result.
        labels: Variable -> what its curve is called.
        dashed: Variables (baselines) that are drawn dashed, in the colour of the one before.
        fields: Further fields of the spec.
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


def curves_by_layer(
    ds: xr.Dataset,
    variable: str,
    *,
    name: str,
    title: str,
    y_label: str,
    cursor: float | None = None,
    y_limits: tuple[float, float] | None = (0.0, 1.0),
) -> Lines:
    """One curve over training per layer, from light (low) to dark (high layers).

    A layer whose state cannot reach the answer is dotted, and its label says so.
    """
    ordered = ds.transpose("layer", "step", ...)
    found = interval(ordered, variable)
    layers = names(ordered, "layer")
    usable = ordered["usable"].values if "usable" in ordered.coords else np.ones(len(layers), bool)
    x = ordered["step"].values.astype(float)
    series = tuple(
        Series(
            label=f"layer {layer}" + ("" if usable[i] else f", {CANNOT_REACH}"),
            dash="solid" if usable[i] else "dot",
            x=x,
            y=found.value[i],
            low=None if found.low is None else found.low[i],
            high=None if found.high is None else found.high[i],
            colour=i / max(1, len(layers) - 1),
        )
        for i, layer in enumerate(layers)
    )
    return Lines(
        name=name,
        title=title,
        series=series,
        y_label=y_label,
        y_limits=y_limits,
        cursor=cursor,
    )


def map_over_training(
    ds: xr.Dataset,
    variable: str,
    *,
    name: str,
    title: str,
    value_label: str,
    step: int | None = None,
) -> HeatMap:
    """Map of `variable` over (layer, step), the current step marked."""
    ordered = ds.transpose("layer", "step", ...)
    found = interval(ordered, variable)
    steps = [int(s) for s in ordered["step"].values]
    return HeatMap(
        name=name,
        title=title,
        values=found.value,
        low=found.low,
        high=found.high,
        rows=names(ordered, "layer"),
        columns=tuple(f"{s:,}" for s in steps),
        places=np.array(steps, float),
        row_label=LAYER,
        column_label="training step",
        value_label=value_label,
        cursor=steps.index(step) if step in steps else None,
        **hatching(ordered, "layer", "step"),
    )


def place(layer: Any, position: str) -> str:
    """A state in the notation of *Grokked*: "S[2, relation 1]"."""
    return f"S[{int(layer)}, {words(position)}]".replace(" ", "\N{NO-BREAK SPACE}")


def difference(end: xr.Dataset, start: xr.Dataset, variable: str) -> Measured:
    """end - start, with the 95% interval of the paired per-example differences if those are
    stored."""
    value = end[variable].values.astype(float) - start[variable].values.astype(float)
    if variable != "strength" or "flip_example" not in end:
        return Measured(value, None, None)
    return Measured(value, *paired_bounds(value, flip_shares(end) - flip_shares(start)))


def flip_shares(ds: xr.Dataset) -> np.ndarray:
    """Share of each example's corruptions that flip its answer, [example, layer, position].

    Causal tracing stores the number of flips (-1, here NaN, if no corruption could be drawn) and
    the number of corruptions; comparison tracing stores the shares.
    """
    flips = ds["flip_example"].transpose("example", "layer", "position").values.astype(float)
    flips = np.where(flips < 0, np.nan, flips)
    if "drawn_example" not in ds:
        return flips
    drawn = ds["drawn_example"].transpose("example", "position").values[:, None]
    return flips / np.where(drawn > 0, drawn, 1)


def paired_bounds(mean: np.ndarray, change: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """95% bounds of `mean`, the mean of per-example changes [example, ...] (normal approximation).

    Changes are NaN where an example has no value.
    """
    n = np.isfinite(change).sum(0)
    with np.errstate(invalid="ignore", divide="ignore"):
        squares = np.nansum((change - np.nansum(change, 0) / n) ** 2, 0)
        error = np.sqrt(squares / (n - 1) / n)
    return mean - Z_95 * error, mean + Z_95 * error
