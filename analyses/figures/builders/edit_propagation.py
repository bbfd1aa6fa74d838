"""Figures of edit propagation: which answers follow a changed fact, and which stay."""

from __future__ import annotations

import xarray as xr

from analyses.figures.builders import pick
from analyses.figures.specs.charts import Bars, BarSeries, Panels, Spec
from analyses.figures.words import capital, words

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
    for i, split in enumerate(pick.names(ds, "split")):
        one = ds.sel(split=split, measure=list(measures))
        found = pick.interval(one.transpose("measure", ...), "share")
        label = f"facts of {words(split)}"
        series.append(
            BarSeries(label=label, values=found.value, low=found.low, high=found.high, colour=i)
        )
    return Bars(
        name=title,
        title=capital(title),
        categories=tuple(measures.values()),
        series=tuple(series),
        y_label="share of answers",
        y_limits=(0.0, 1.0),
    )
