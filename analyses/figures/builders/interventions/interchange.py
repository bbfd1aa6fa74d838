"""Figures of TransformerLens's tools: interchange of the bridge, and sparse probes for it."""

from __future__ import annotations

import xarray as xr

from analyses.figures.builders import pick
from analyses.figures.builders.pieces import place
from analyses.figures.specs.charts import Bars, BarSeries, Spec
from analyses.figures.words import BROWN, GREEN, words

INTERCHANGED = {
    "whole": "whole state",
    "mean_difference": "mean differences",
    "learned": "learned (DAS)",
    "arbitrary": "arbitrary (DAS)",
    "placebo": "move of equal length",
    "random": "random subspace",
}

LABELS = {"bridge": "bridge", "shuffled": "shuffled labels"}


def interchange(ds: xr.Dataset, *, step: int | None = None, split: str | None = None) -> Spec:
    """Share of answers that follow the donor's bridge, by the subspace that is interchanged."""
    step, split = pick.chosen_step(ds, step), pick.chosen(ds, "split", split)
    now = ds.sel(step=step, split=split, kind=list(INTERCHANGED))
    rank, layer = int(now["state_rank"]), int(now["state_layer"])
    series = []
    for name, label, colour in (
        ("success", "the donor's bridge", BROWN),
        ("kept", "the question's own answer", GREEN),
    ):
        found = pick.interval(now, name)
        series.append(
            BarSeries(
                label=label, values=found.value, low=found.low, high=found.high, colour=colour
            )
        )
    return Bars(
        name="interchange",
        title="Interchange of the bridge at relation 1",
        subtitle=pick.subtitle(
            words(split), pick.at_step(step), f"rank {rank} at {place(layer, 'relation_1')}",
            pick.number_of_examples(now),
        ),
        categories=tuple(INTERCHANGED.values()),
        series=tuple(series),
        y_label="share of answers",
        y_limits=(0.0, 1.0),
        provenance=pick.provenance(ds, "interchange", step=step, split=split),
    )  # fmt: skip


def sparse_probes(ds: xr.Dataset, *, step: int | None = None) -> Spec:
    """How well a bridge is told from the others by its best few neurons, by block."""
    step = pick.chosen_step(ds, step)
    now = ds.sel(step=step).isel(split=0)
    cells = [(int(layer), int(k)) for layer in ds["layer"].values for k in ds["k"].values]
    stacked = now.transpose("labels", "layer", "k", ...)
    series = []
    for i, labels in enumerate(ds["labels"].values):
        one = stacked.sel(labels=labels).stack(cell=("layer", "k"))
        found = pick.interval(one, "average_precision")
        series.append(
            BarSeries(
                label=LABELS[str(labels)],
                values=found.value,
                low=found.low,
                high=found.high,
                colour=i,
            )
        )
    n, chance = ds.sizes["bridge"], float(now["chance"])
    return Bars(
        name="sparse_probes",
        title="How few neurons tell the bridge?",
        subtitle=pick.subtitle(
            pick.at_step(step), f"{n} bridges, each against all others", f"chance {chance:.2f}",
            "at relation 1, held-out ID facts",
        ),
        categories=tuple(f"block {layer}, k = {k}" for layer, k in cells),
        series=tuple(series),
        y_label="average precision",
        y_limits=(0.0, 1.0),
        provenance=pick.provenance(ds, "sparse_probes", step=step),
    )  # fmt: skip
