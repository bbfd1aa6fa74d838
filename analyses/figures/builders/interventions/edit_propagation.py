"""Figures of fine-tunes: which answers follow a changed fact or a new one, and which stay."""

from __future__ import annotations

import xarray as xr

from analyses.figures.builders import pick
from analyses.figures.specs.charts import Bars, BarSeries, Lines, Panels, Reference, Series, Spec
from analyses.figures.words import capital, split_of, words

GROUPS = {
    "the fact, and questions not through it": {
        "learned": "fact\nlearned",
        "bystanders_kept": "others\nstay right",
    },
    "questions with the fact as hop one": {
        "first_hop_before": "right\nbefore",
        "first_hop_new": "new\nanswer",
        "first_hop_old": "old\nanswer",
        "first_hop_chance": "new answer\nbefore",
    },
    "questions with the fact as hop two": {
        "second_hop_before": "right\nbefore",
        "second_hop_new": "new\nanswer",
        "second_hop_old": "old\nanswer",
        "second_hop_chance": "new answer\nbefore",
    },
}

NEW_HOPS = {
    "none": "no hop new",
    "first": "first hop new",
    "second": "second hop new",
    "both": "both hops new",
}
PROMPTS = {"new_facts": "the new facts themselves", "kept_facts": "kept facts"}


def edit_outcomes(ds: xr.Dataset, *, step: int | None = None, split: str | None = None) -> Spec:
    """What a changed fact does to its own question and to the two-hop questions through it."""
    step = pick.chosen_step(ds, step)
    splits = pick.names(ds, "split") if split is None else (pick.chosen(ds, "split", split),)
    now = ds.sel(step=step, split=list(splits))
    edits = now["share_n"].sel(measure="learned").values
    n = f"{int(edits.min())}" + (f" to {int(edits.max())}" if edits.max() > edits.min() else "")
    return Panels(
        name="edit_outcomes",
        title="What changing one fact changes",
        subtitle=pick.subtitle(
            pick.at_step(step), f"n = {n} edits", "95% intervals over edits",
            "an old answer may mean that the change sits where no second hop reads it",
        ),
        panels=tuple(_bars(now, title, measures) for title, measures in GROUPS.items()),
        columns=3,
        provenance=pick.provenance(ds, "edit_outcomes", step=step, split=split),
    )  # fmt: skip


def _bars(ds: xr.Dataset, title: str, measures: dict[str, str]) -> Bars:
    series = []
    for split in pick.names(ds, "split"):
        one = ds.sel(split=split, measure=list(measures))
        found = pick.interval(one.transpose("measure", ...), "share")
        label = f"facts of {words(split)}"
        series.append(
            BarSeries(
                label=label,
                values=found.value,
                low=found.low,
                high=found.high,
                colour=split_of(split).colour,
            )
        )
    return Bars(
        name=title,
        title=capital(title),
        categories=tuple(measures.values()),
        series=tuple(series),
        y_label="share of answers",
        y_limits=(0.0, 1.0),
    )


def transfer_curve(ds: xr.Dataset, *, step: int | None = None, split: str | None = None) -> Spec:
    """Two-hop accuracy over a fine-tune on new facts, by which hop is new."""
    step = pick.chosen_step(ds, step)
    split = pick.chosen(ds, "split", split)
    now = ds.sel(step=step, split=split).transpose("point", "kind", ...)
    x = now["fine_step"].values.astype(float)
    series = []
    for i, (kind, label) in enumerate({**NEW_HOPS, **PROMPTS}.items()):
        found = pick.interval(now.sel(kind=kind), "accuracy")
        series.append(
            Series(
                label=label, x=x, y=found.value, low=found.low, high=found.high, colour=i,
                dash="dot" if kind in PROMPTS else "solid",
            )
        )  # fmt: skip
    kinds = list(NEW_HOPS)
    n = int(now["accuracy_n"].sel(kind="first").max())
    guessed = now["shortcut"].sel(kind=kinds).values.astype(float)
    best = Reference(label="best shortcut, first hop new", value=float(guessed[1]), colour=1)
    return Lines(
        name="transfer_curve",
        title="Do new facts enter compositions?",
        subtitle=pick.subtitle(
            f"fine-tuned from {pick.at_step(step)}", f"n = {n:,} questions by which hop is new"
        ),
        series=tuple(series),
        x_label="fine-tuning step",
        y_label="accuracy",
        y_limits=(0.0, 1.0),
        references=(best,),
        provenance=pick.provenance(ds, "transfer_curve", step=step, split=split),
    )
