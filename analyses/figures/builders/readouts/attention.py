"""Figures of what heads attend to, at one step and over training, and of what they write."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from analyses.figures.builders import pick
from analyses.figures.builders.pick import interval, names
from analyses.figures.specs.charts import HeatMap, Lines, Panels, Series, Spec
from analyses.figures.words import READ_AT, words
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
                **_unread_heads(one),
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


def _unread_heads(ds: xr.Dataset) -> dict[str, Any]:
    """Fields of a map of heads that set apart those whose output cannot reach the answer."""
    if "usable" not in ds.coords:
        return {}
    usable = np.repeat(ds["usable"].values, ds.sizes["head"])
    apart = np.repeat(~usable[:, None], ds.sizes["key"], 1)
    return {"hatched": apart, "hatched_label": CANNOT_REACH}


def head_scores(ds: xr.Dataset, *, step: int | None = None, split: str | None = None) -> Spec:
    """What every head adds to the logits of the bridge and of the answer."""
    step, split = pick.chosen_step(ds, step), pick.chosen(ds, "split", split)
    now = ds.sel(step=step, split=split)
    # the same scale at every step, or the timeline would flicker
    end = float(np.nanmax(np.abs(ds["score"].sel(split=split).values))) or 1.0
    return Panels(
        name="head_scores",
        title="What each head writes towards the bridge and the answer",
        subtitle=pick.subtitle(
            words(split), pick.at_step(step), pick.number_of_examples(now), pick.hatched_note(now)
        ),
        panels=tuple(_scores(now.sel(target=t), t, end) for t in names(ds, "target")),
        columns=2,
        provenance=pick.provenance(ds, "head_scores", step=step, split=split),
    )


def _scores(ds: xr.Dataset, target: str, end: float) -> HeatMap:
    found = interval(ds.transpose("layer", "head", ...), "score")
    return HeatMap(
        name=target,
        title=f"towards the {words(target)}",
        values=found.value,
        low=found.low,
        high=found.high,
        rows=names(ds, "layer"),
        columns=names(ds, "head"),
        row_label="block",
        column_label="head",
        value_label="logits",
        limits=(-end, end),
        diverging=True,
        **_unread_target(ds, target),
    )


def _unread_target(ds: xr.Dataset, target: str) -> dict[str, Any]:
    """Fields that set apart heads whose output, where the target is written, reaches no answer."""
    if "usable" not in ds.coords or target not in READ_AT:
        return {}
    usable = ds["usable"].sel(query=READ_AT[target]).values
    apart = np.repeat(~usable[:, None], ds.sizes["head"], 1)
    return {"hatched": apart, "hatched_label": CANNOT_REACH}


def attention_over_training(
    ds: xr.Dataset,
    *,
    step: int | None = None,
    split: str | None = None,
    query: str | None = None,
    key: str | None = None,
    heads: int = 6,
) -> Spec:
    """Attention from one position to another over training, for the heads that pay most at the end.

    By default the last position looks (query) at the one before it (key).
    """
    split = pick.chosen(ds, "split", split)
    places = names(ds, "query")
    query = places[-1] if query is None else pick.chosen(ds, "query", query)
    before = places[max(0, places.index(query) - 1)]
    key = before if key is None else pick.chosen(ds, "key", key)
    one = ds.sel(split=split, query=query, key=key).stack(unit=("layer", "head"))
    found = interval(one.transpose("unit", "step", ...), "pattern")
    x = ds["step"].values.astype(float)
    series = []
    for i, row in enumerate(np.argsort(-found.value[:, -1], kind="stable")[:heads]):
        layer, head = one["unit"].values[row]
        series.append(
            Series(
                label=f"head {layer}.{head}", x=x, y=found.value[row], colour=i,
                low=None if found.low is None else found.low[row],
                high=None if found.high is None else found.high[row],
            )
        )  # fmt: skip
    return Lines(
        name="attention_over_training",
        title=f"Attention from {words(query)} to {words(key)}",
        subtitle=pick.subtitle(
            words(split), pick.number_of_examples(ds.sel(split=split)),
            "the heads that pay most at the last step",
        ),
        series=tuple(series),
        y_label="attention paid",
        y_limits=(0.0, 1.0),
        cursor=None if step is None else pick.chosen_step(ds, step),
        provenance=pick.provenance(
            ds, "attention_over_training", split=split, query=query, key=key
        ),
    )  # fmt: skip
