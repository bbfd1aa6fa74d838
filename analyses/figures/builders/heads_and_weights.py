"""Figures of attention patterns and of weight norms."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from analyses.figures.builders import pick
from analyses.figures.specs.charts import (
    HeatMap,
    Lines,
    Panels,
    Series,
    Spec,
)
from analyses.figures.words import words
from analyses.usable import CANNOT_REACH


def attention_paid(ds: xr.Dataset, *, step: int | None = None, split: str | None = None) -> Spec:
    """How much every head attends to each position, by the attending position."""
    step, split = pick.chosen_step(ds, step), pick.chosen(ds, "split", split)
    now = ds.sel(step=step, split=split)
    heads = [f"{b}.{h}" for b in pick.names(ds, "layer") for h in pick.names(ds, "head")]
    panels = []
    for query in pick.names(ds, "query")[1:]:  # the first position sees only itself
        one = now.sel(query=query).transpose("layer", "head", "key", ...)
        found = pick.interval(one, "pattern")
        flat = (len(heads), ds.sizes["key"])
        panels.append(
            HeatMap(
                name=query,
                title=f"From {words(query)}",
                values=found.value.reshape(flat),
                low=None if found.low is None else found.low.reshape(flat),
                high=None if found.high is None else found.high.reshape(flat),
                rows=tuple(heads),
                columns=pick.in_words(pick.names(ds, "key")),
                row_label="block.head",
                column_label="to",
                value_label="attention paid",
                **_unread(one),
            )
        )
    return Panels(
        name="attention_paid",
        title="What the heads look at",
        subtitle=pick.subtitle(
            words(split), pick.at_step(step), pick.number_of_examples(now), pick.hatched_note(now)
        ),
        panels=tuple(panels),
        columns=len(panels),
        provenance=pick.provenance(ds, "attention_paid", step=step, split=split),
    )


def _unread(ds: xr.Dataset) -> dict[str, Any]:
    """Fields of a map of heads that set apart those whose output cannot reach the answer."""
    if "usable" not in ds.coords:
        return {}
    usable = np.repeat(ds["usable"].values, ds.sizes["head"])
    apart = np.repeat(~usable[:, None], ds.sizes["key"], 1)
    return {"hatched": apart, "hatched_label": CANNOT_REACH}


def weight_norms(
    ds: xr.Dataset, *, step: int | None = None, parameters: tuple[str, ...] | None = None
) -> Spec:
    """Norms of the weights over training: all of them, the embedding and the unembedding."""
    present = pick.names(ds, "parameter")
    wanted = parameters or tuple(p for p in ("all", "embed.W_E", "unembed.W_U") if p in present)
    one = ds.isel(split=0)
    series = tuple(
        Series(
            label="all weights" if p == "all" else p,
            x=ds["step"].values.astype(float),
            y=one["norm"].sel(parameter=pick.chosen(ds, "parameter", p)).values.astype(float),
            colour=i,
        )
        for i, p in enumerate(wanted)
    )
    return Lines(
        name="weight_norms",
        title="Norm of the weights over training",
        series=series,
        y_label="Frobenius norm",
        cursor=None if step is None else float(pick.chosen_step(ds, step)),
        provenance=pick.provenance(ds, "weight_norms", step=step, parameters=parameters),
    )
