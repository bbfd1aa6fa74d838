"""Figures of first usable layers: in which order bridge and answer can be read, and where."""

from __future__ import annotations

import numpy as np
import xarray as xr

from analyses.figures.builders import pick
from analyses.figures.builders.pick import interval, names
from analyses.figures.builders.pieces import LAYER
from analyses.figures.specs.charts import HeatMap, Panels, Spec, StackedArea
from analyses.figures.words import BLUE, BROWN, GREEN, ORANGE, PINK, SKY, capital, words

ORDERS = {
    "bridge_first": ("bridge before answer", GREEN),
    "same_layer": ("bridge and answer in the same layer", SKY),
    "answer_first": ("answer before bridge", PINK),
    "bridge_only": ("bridge only", ORANGE),
    "answer_only": ("answer only", BLUE),
    "neither": ("neither", BROWN),
}
LENSES = {"logit_lens": "logit lens", "tuned_lens": "tuned lens", "patchscopes": "Patchscopes"}


def order(ds: xr.Dataset, *, step: int | None = None, split: str | None = None) -> Spec:
    """In which order bridge and answer can be read at usable states, as shares over training."""
    splits = names(ds, "split") if split is None else (pick.chosen(ds, "split", split),)
    cursor = None if step is None else pick.chosen_step(ds, step)
    return Panels(
        name="order",
        title="Is the bridge there before the answer?",
        subtitle=pick.subtitle(
            f"first layer whose state decodes it and is still read, {_lens(ds)}",
            pick.number_of_examples(ds.sel(split=list(splits))),
        ),
        panels=tuple(_area(ds.sel(split=s), s, cursor) for s in splits),
        columns=3,
        provenance=pick.provenance(ds, "order", split=split),
    )


def first_layers(ds: xr.Dataset, *, step: int | None = None, split: str | None = None) -> Spec:
    """The first usable layer of bridge and answer over training, as shares of the questions."""
    split = pick.chosen(ds, "split", split)
    one = ds.sel(split=split)
    return Panels(
        name="first_layers",
        title="The first layer that decodes a name and is still read",
        subtitle=pick.subtitle(words(split), pick.number_of_examples(one), _lens(ds)),
        panels=tuple(_map(one.sel(name=name), name, step) for name in names(ds, "name")),
        columns=1,
        provenance=pick.provenance(ds, "first_layers", split=split),
    )


def _lens(ds: xr.Dataset) -> str:
    lens = str(ds.attrs.get("lens", ""))
    return LENSES.get(lens, words(lens))


def _area(ds: xr.Dataset, split: str, cursor: float | None) -> StackedArea:
    return StackedArea(
        name=split,
        title=words(split),
        x=ds["step"].values.astype(float),
        labels=tuple(label for label, _ in ORDERS.values()),
        shares=ds["order_share"].sel(order=list(ORDERS)).transpose("order", "step").values,
        colours=tuple(colour for _, colour in ORDERS.values()),
        y_label="share of questions",
        cursor=cursor,
    )


def _map(ds: xr.Dataset, name: str, step: int | None) -> HeatMap:
    """Layers upwards, and above them the share that no usable layer decodes."""
    ordered = ds.transpose("layer", "step", ...)
    found, never = interval(ordered, "share"), interval(ordered, "decoded")
    steps = [int(s) for s in ds["step"].values]
    low, high = (
        None if a is None or b is None else np.vstack([a, 1 - b[None]])
        for a, b in ((found.low, never.high), (found.high, never.low))
    )
    return HeatMap(
        name=name,
        title=capital(words(name)),
        values=np.vstack([found.value, 1 - never.value[None]]),
        low=low,
        high=high,
        rows=(*names(ordered, "layer"), "never"),
        columns=tuple(f"{s:,}" for s in steps),
        places=np.array(steps, float),
        row_label=LAYER,
        column_label="training step",
        value_label="share of questions",
        cursor=steps.index(pick.chosen_step(ds, step)) if step is not None else None,
    )
