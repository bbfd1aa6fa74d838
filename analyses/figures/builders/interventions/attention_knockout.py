"""Figures of attention knockout: which position must read which, and from which step on."""

from __future__ import annotations

import numpy as np
import xarray as xr

from analyses.figures.builders import pick
from analyses.figures.builders.pick import in_words, interval, names
from analyses.figures.specs.charts import HeatMap, Lines, Panels, Series, Spec
from analyses.figures.words import capital, words

LOST = "share of right answers lost"
BY_CONSTRUCTION = "blank: no such edge, or nothing reads what it changes"


def answers_lost(ds: xr.Dataset, *, step: int | None = None, split: str | None = None) -> Spec:
    """Right answers that are lost if one position cannot read another, by window of blocks."""
    step, split = pick.chosen_step(ds, step), pick.chosen(ds, "split", split)
    now = ds.sel(step=step, split=split)
    right = round(float(now["whole_accuracy"]) * int(now["n"]))
    return Panels(
        name="answers_lost",
        title="Which position must read which",
        subtitle=pick.subtitle(
            words(split), pick.at_step(step), f"n = {right:,} right answers", BY_CONSTRUCTION
        ),
        panels=tuple(_map(now.sel(window=w), w) for w in _widest_first(ds)),
        columns=3,
        provenance=pick.provenance(ds, "answers_lost", step=step, split=split),
    )


def accuracy_over_training(
    ds: xr.Dataset, *, step: int | None = None, split: str | None = None, window: str | None = None
) -> Spec:
    """Accuracy with each edge of attention cut over training, beside that of the whole model."""
    split = pick.chosen(ds, "split", split)
    window = pick.chosen(ds, "window", _widest_first(ds)[0] if window is None else window)
    one = ds.sel(split=split, window=window).transpose("step", ...)
    x = one["step"].values.astype(float)
    whole = interval(one, "whole_accuracy")
    series = [Series(label="no edge cut", x=x, y=whole.value, low=whole.low, high=whole.high)]
    for read, reads in _edges(one):
        found = interval(one.sel({"from": read, "to": reads}), "accuracy")
        series.append(
            Series(
                label=f"{words(reads)} does not read {words(read)}", x=x, y=found.value,
                low=found.low, high=found.high, colour=len(series), dash="dash",
            )
        )  # fmt: skip
    return Lines(
        name="accuracy_over_training",
        title=f"Accuracy with one edge of attention cut in {window}",
        subtitle=pick.subtitle(
            words(split), pick.number_of_examples(one), "bands: 95% intervals over examples"
        ),
        series=tuple(series),
        y_label="accuracy",
        y_limits=(0.0, 1.0),
        cursor=None if step is None else pick.chosen_step(ds, step),
        provenance=pick.provenance(ds, "accuracy_over_training", split=split, window=window),
    )


def _widest_first(ds: xr.Dataset) -> tuple[str, ...]:
    *single, every = names(ds, "window")
    return (every, *single)


def _edges(ds: xr.Dataset) -> list[tuple[str, str]]:
    """Pairs of different positions whose cut can matter."""
    positions = names(ds, "from")
    pairs = [(a, b) for j, b in enumerate(positions) for a in positions[:j]]
    return [(a, b) for a, b in pairs if int(ds["usable"].sel({"from": a, "to": b})) == 1]


def _map(ds: xr.Dataset, window: str) -> HeatMap:
    ordered = ds.transpose("to", "from", ...)
    found, blank = interval(ordered, "lost"), ordered["usable"].values != 1
    return HeatMap(
        name=window,
        title=f"Cut in {window}",
        values=np.where(blank, np.nan, found.value),
        low=found.low,
        high=found.high,
        rows=tuple(capital(p) for p in in_words(names(ds, "to"))),
        columns=in_words(names(ds, "from")),
        row_label="position that reads",
        column_label="position that it cannot read",
        value_label=LOST,
    )
