"""Figures of back-patching: which late states, given earlier, mend wrong answers."""

from __future__ import annotations

import numpy as np
import xarray as xr

from analyses.figures.builders import pick
from analyses.figures.builders.pick import interval, names
from analyses.figures.specs.charts import HeatMap, Panels, Spec
from analyses.figures.words import words

SOURCES = {"late_state": "the question's own late state", "placebo": "control: another question's"}
VALUES = {
    "mended": "share of wrong answers mended",
    "broken": "share of right answers broken",
}


def mended(
    ds: xr.Dataset,
    *,
    step: int | None = None,
    split: str | None = None,
    position: str = "relation_1",
) -> Spec:
    """Share of wrong answers that become right, by layer of origin and destination."""
    return _grid(ds, "mended", step, split, position)


def broken(
    ds: xr.Dataset,
    *,
    step: int | None = None,
    split: str | None = None,
    position: str = "relation_1",
) -> Spec:
    """Share of right answers that become wrong, by layer of origin and destination."""
    return _grid(ds, "broken", step, split, position)


def _grid(
    ds: xr.Dataset, variable: str, step: int | None, split: str | None, position: str
) -> Spec:
    step, split = pick.chosen_step(ds, step), pick.chosen(ds, "split", split)
    if position not in names(ds, "position") and position == "relation_1":
        position = names(ds, "position")[1]  # comparisons have different positions
    position = pick.chosen(ds, "position", position)
    now = ds.sel(step=step, split=split, position=position)
    counted = int(np.nanmax(now[f"{variable}_n"].values))
    of = "wrong" if variable == "mended" else "right"
    return Panels(
        name=variable,
        title=f"Late states written earlier at {words(position)}",
        subtitle=pick.subtitle(words(split), pick.at_step(step), f"n = {counted:,} {of} answers"),
        panels=tuple(_map(now.sel(source=s), variable, s) for s in names(ds, "source")),
        columns=2,
        provenance=pick.provenance(ds, variable, step=step, split=split, position=position),
    )


def _map(ds: xr.Dataset, variable: str, source: str) -> HeatMap:
    order = ("layer_to", "layer_from")
    found = interval(ds.transpose(*order, ...), variable)
    return HeatMap(
        name=source,
        title=SOURCES[source],
        # a share of fewer answers than an interval needs is not shown
        values=np.where(
            np.isnan(ds[f"{variable}_low"].transpose(*order).values), np.nan, found.value
        ),
        low=found.low,
        high=found.high,
        rows=names(ds, "layer_to"),
        columns=names(ds, "layer_from"),
        row_label="written into layer",
        column_label="taken from layer",
        value_label=VALUES[variable],
    )
