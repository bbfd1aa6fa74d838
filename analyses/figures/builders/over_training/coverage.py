"""Figures of coverage: accuracy by the number of contexts that show a question's parts at work."""

from __future__ import annotations

import numpy as np
import xarray as xr

from analyses.figures.builders import pick
from analyses.figures.builders.pick import interval, names
from analyses.figures.specs.charts import Bars, BarSeries, Lines, Panels, Series, Spec
from analyses.figures.words import split_of, words
from circuits.statistics import LEAST_EXAMPLES

FRAGMENTS = {
    "first_hop": "first hops that act alike",
    "every": "any parts that act alike",
}
K = "k-cutoff: contexts in which training shows it"
SPLITS = ("id_test", "ood_test")
"""Splits of the bars, if the result has them."""
LEAST_SHARE = 0.02
"""A curve of a smaller share of the questions would be noise."""


def accuracy_by_k(ds: xr.Dataset, *, step: int | None = None, split: str | None = None) -> Spec:
    """Accuracy by k-cutoff at one step, under first hops and under all parts of a question."""
    step = pick.chosen_step(ds, step)
    found = tuple(s for s in SPLITS if s in names(ds, "split")) or names(ds, "split")
    splits = found if split is None else (pick.chosen(ds, "split", split),)
    now = ds.sel(step=step, split=list(splits))
    return Panels(
        name="accuracy_by_k",
        title="What training covers, and what is answered",
        subtitle=pick.subtitle(
            pick.at_step(step),
            f"covered by first hops: {_covered(now, splits)}",
            f"at least {LEAST_EXAMPLES} questions a bar",
        ),
        panels=tuple(_bars(now.sel(fragments=f), f, splits) for f in names(ds, "fragments")),
        columns=2,
        provenance=pick.provenance(ds, "accuracy_by_k", step=step, split=split),
    )


def accuracy_by_k_over_training(
    ds: xr.Dataset, *, step: int | None = None, split: str | None = None
) -> Spec:
    """Accuracy over training, one curve per k-cutoff, from light (none) to dark."""
    split = pick.chosen(ds, "split", split)
    one = ds.sel(split=split)
    least = max(LEAST_EXAMPLES, round(LEAST_SHARE * int(one["n"])))
    return Panels(
        name="accuracy_by_k_over_training",
        title="Do questions that are covered more come first?",
        subtitle=pick.subtitle(
            words(split), pick.number_of_examples(one),
            f"k-cutoffs of at least {least} questions",
            "bands: 95% intervals over examples",
        ),
        panels=tuple(_lines(one.sel(fragments=f), f, least, step) for f in names(ds, "fragments")),
        columns=2,
        provenance=pick.provenance(ds, "accuracy_by_k_over_training", split=split),
    )  # fmt: skip


def _covered(ds: xr.Dataset, splits: tuple[str, ...]) -> str:
    shares = ds["covered"].sel(fragments="first_hop")
    return ", ".join(f"{float(shares.sel(split=s)):.0%} of {split_of(s).short}" for s in splits)


def _levels(ds: xr.Dataset, least: int) -> list[str]:
    """The k-cutoffs that enough questions have."""
    return [k for k in names(ds, "k") if ds["accuracy_n"].sel(k=k).max() >= least]


def _bars(ds: xr.Dataset, fragments: str, splits: tuple[str, ...]) -> Bars:
    levels = _levels(ds, LEAST_EXAMPLES)
    series = []
    for split in splits:
        one = ds.sel(split=split, k=levels)
        found, here = interval(one, "accuracy"), one["accuracy_n"].values >= LEAST_EXAMPLES
        value = np.where(here, found.value, np.nan)
        series.append(
            BarSeries(
                label=split_of(split).words, values=value, low=found.low, high=found.high,
                colour=split_of(split).colour,
            )
        )  # fmt: skip
    return Bars(
        name=fragments,
        title=f"Substituting {FRAGMENTS[fragments]}",
        categories=tuple(levels),
        series=tuple(series),
        x_label=K,
        y_label="accuracy",
        y_limits=(0.0, 1.0),
    )


def _lines(ds: xr.Dataset, fragments: str, least: int, step: int | None) -> Lines:
    every = names(ds, "k")
    series = []
    for k in _levels(ds, least):
        one = ds.sel(k=k).transpose("step", ...)
        found = interval(one, "accuracy")
        series.append(
            Series(
                label=f"k = {k}", x=ds["step"].values.astype(float), y=found.value, low=found.low,
                high=found.high, colour=every.index(k) / (len(every) - 1),
            )
        )  # fmt: skip
    return Lines(
        name=fragments,
        title=f"Substituting {FRAGMENTS[fragments]}",
        series=tuple(series),
        y_label="accuracy",
        y_limits=(0.0, 1.0),
        cursor=None if step is None else pick.chosen_step(ds, step),
    )
