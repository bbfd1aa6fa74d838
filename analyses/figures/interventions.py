"""Figures of mixing the bridge back in, and of edits."""

from __future__ import annotations

import numpy as np
import xarray as xr

from analyses.figures import selection as pick
from analyses.figures.grids import two_way_map
from analyses.figures.labels import capital, words
from analyses.figures.specs import (
    Bars,
    BarSeries,
    Panels,
    Spec,
)


def mixed_accuracy(ds: xr.Dataset, *, step: int | None = None, split: str | None = None) -> Spec:
    """Accuracy with an embedding mixed into each layer at relation 1, by how much is mixed in."""
    step, split = pick.chosen_step(ds, step), pick.chosen(ds, "split", split)
    now = ds.sel(step=step, split=split)
    return Panels(
        name="mixed_accuracy",
        title="Accuracy with the bridge mixed back in",
        subtitle=pick.subtitle(words(split), pick.at_step(step), pick.number_of_examples(now)),
        panels=tuple(
            two_way_map(
                now.sel(mixed_in=m),
                "accuracy",
                "layer",
                "strength",
                name=m,
                title=capital(words(m)),
                value_label="accuracy",
                column_label="share mixed in",
            )
            for m in pick.names(ds, "mixed_in")
        ),
        columns=3,
        provenance=pick.provenance(ds, "mixed_accuracy", step=step, split=split),
    )


def edit_outcomes(ds: xr.Dataset, *, step: int | None = None) -> Spec:
    """What a changed fact does to its own question and to the two-hop questions through it."""
    step = pick.chosen_step(ds, step)
    series = []
    for i, split in enumerate(pick.names(ds, "split")):
        found = pick.interval(ds.sel(step=step, split=split).transpose("measure", ...), "share")
        series.append(
            BarSeries(
                label=capital(words(split)),
                values=np.nan_to_num(found.value),
                low=found.low,
                high=found.high,
                colour=i + 1,
            )
        )
    return Bars(
        name="edit_outcomes",
        title="What changing one fact changes",
        subtitle=pick.subtitle(pick.at_step(step), "bars: 95% intervals over edits"),
        categories=pick.in_words(pick.names(ds, "measure")),
        series=tuple(series),
        y_label="share of answers",
        y_limits=(0.0, 1.0),
        provenance=pick.provenance(ds, "edit_outcomes", step=step),
    )
