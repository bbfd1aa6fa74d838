"""Figures of latent composability: hops, compositions and shortcuts."""

from __future__ import annotations

from typing import Literal

import numpy as np
import xarray as xr

from analyses.figures.builders import pick
from analyses.figures.builders.pick import Measured, interval, names
from analyses.figures.specs.charts import Bars, BarSeries, Lines, Panels, Series, Spec, StackedArea
from analyses.figures.words import BLUE, BROWN, GREEN, ORANGE, PINK, SKY, VERMILION, words

PROMPTS = {
    "hop_1": ("first hop", ORANGE),
    "hop_2": ("second hop", SKY),
    "hop_3": ("third hop", BROWN),
    "composed": ("composition", BLUE),
    "no_subject": ("without subject", PINK),
    "no_relation_1": ("without relation 1", VERMILION),
    "no_relation_2": ("without relation 2", BROWN),
    "no_relation_3": ("without relation 3", BROWN),
}
CLASSES = {
    "right_known": ("right, hops known", GREEN),
    "right_unknown": ("right, a hop unknown", ORANGE),
    "wrong_known": ("wrong, hops known", VERMILION),
    "wrong_unknown": ("wrong, a hop unknown", BROWN),
}
Dash = Literal["solid", "dash", "dot"]
WHOLE = "whole names, greedily decoded"


def answered(ds: xr.Dataset, *, step: int | None = None, split: str | None = None) -> Spec:
    """Hops, compositions and questions without a part that are answered right, at one step."""
    step, split = pick.chosen_step(ds, step), pick.chosen(ds, "split", split)
    now = ds.sel(step=step, split=split)
    found = interval(now, "right")
    derived = {
        "hops known": "composable",
        "no part enough": "composable_without_shortcut",
        "hop unknown": "right_unknown",
    }
    parts = [interval(now, name) for name in derived.values()]
    columns = [*(PROMPTS[name][0] for name in names(ds, "prompt")), *_with_n(now, derived)]
    low, high = (
        np.concatenate([getattr(found, end), [getattr(part, end) for part in parts]])
        for end in ("low", "high")
    )
    values = np.concatenate([found.value, [part.value for part in parts]])
    return Bars(
        name="answered",
        title="What is known, and what is composed of it",
        subtitle=pick.subtitle(
            words(split),
            pick.at_step(step),
            pick.number_of_examples(now),
            WHOLE,
            "the last three: compositions among the questions so counted",
        ),
        categories=tuple(columns),
        series=(BarSeries(label="answered right", values=values, low=low, high=high, colour=BLUE),),
        y_label="share answered right",
        y_limits=(0.0, 1.0),
        provenance=pick.provenance(ds, "answered", step=step, split=split),
    )


def answered_over_training(
    ds: xr.Dataset, *, step: int | None = None, split: str | None = None
) -> Spec:
    """Both hops, their composition and latent composability over training, beside shortcuts."""
    split = pick.chosen(ds, "split", split)
    one = ds.sel(split=split).transpose("step", ...)
    x = one["step"].values.astype(float)
    series = []
    for name in names(ds, "prompt"):
        found = interval(one.sel(prompt=name), "right")
        label, colour = PROMPTS[name]
        dash: Dash = "dash" if name.startswith("no_") else "solid"
        series.append(_curve(label, x, found, colour, dash))
    found = interval(one, "composable")
    label = "composition, hops known"
    series.append(_curve(label, x, found, GREEN))
    return Lines(
        name="answered_over_training",
        title="Are known hops composed?",
        subtitle=pick.subtitle(
            words(split), pick.number_of_examples(one), WHOLE, "bands: 95% intervals over examples"
        ),
        series=tuple(series),
        y_label="share answered right",
        y_limits=(0.0, 1.0),
        cursor=None if step is None else pick.chosen_step(ds, step),
        provenance=pick.provenance(ds, "answered_over_training", split=split),
    )


def hops_and_answers(ds: xr.Dataset, *, step: int | None = None, split: str | None = None) -> Spec:
    """Right and wrong answers by whether all hops are known, as shares over training."""
    cursor = None if step is None else pick.chosen_step(ds, step)
    splits = names(ds, "split") if split is None else (pick.chosen(ds, "split", split),)
    return Panels(
        name="hops_and_answers",
        title="Are the hops known, and is the answer right?",
        subtitle=pick.subtitle(pick.number_of_examples(ds.sel(split=list(splits))), WHOLE),
        panels=tuple(
            StackedArea(
                name=one,
                title=words(one),
                x=ds["step"].values.astype(float),
                labels=tuple(label for label, _ in CLASSES.values()),
                shares=ds["class_share"]
                .sel({"split": one, "class": list(CLASSES)})
                .transpose("class", "step")
                .values.astype(float),
                colours=tuple(colour for _, colour in CLASSES.values()),
                y_label="share of questions",
                cursor=cursor,
            )
            for one in splits
        ),
        columns=3,
        provenance=pick.provenance(ds, "hops_and_answers", split=split),
    )


def _curve(label: str, x: np.ndarray, found: Measured, colour: int, dash: Dash = "solid") -> Series:
    return Series(
        label=label, x=x, y=found.value, low=found.low, high=found.high, colour=colour, dash=dash
    )


def _with_n(ds: xr.Dataset, labels: dict[str, str]) -> list[str]:
    return [f"{label}, {int(ds[f'{name}_n'])}" for label, name in labels.items()]
