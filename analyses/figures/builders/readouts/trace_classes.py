"""Figures of trace classes: whether a model is right through the bridge or without it."""

from __future__ import annotations

import xarray as xr

from analyses.figures.builders import pick
from analyses.figures.builders.pieces import curves
from analyses.figures.specs.charts import Panels, Spec, StackedArea
from analyses.figures.words import capital, words

DECODED = "decoded: at a state that the answer can still depend on"
ANY_STATE = "bridge decoded at any state (as in the atomic prompt)"

CLASSES = {
    "right_with_bridge": "right, bridge decoded",
    "right_without_bridge": "right, bridge not decoded",
    "wrong_with_bridge": "wrong, bridge decoded",
    "wrong_without_bridge": "wrong, bridge not decoded",
}


def class_shares(ds: xr.Dataset, *, step: int | None = None, split: str | None = None) -> Spec:
    """Shares of the four classes over training, for one split or all of them."""
    cursor = None if step is None else pick.chosen_step(ds, step)
    splits = pick.names(ds, "split") if split is None else (pick.chosen(ds, "split", split),)
    areas = tuple(_area(ds.sel(split=s), s, cursor) for s in splits)
    return Panels(
        name="class_shares",
        title="Is the bridge decoded, and is the answer right?",
        subtitle=pick.subtitle(pick.number_of_examples(ds.sel(split=list(splits))), DECODED),
        panels=areas,
        columns=3,
        provenance=pick.provenance(ds, "class_shares", split=split),
    )


def _area(ds: xr.Dataset, split: str, cursor: int | None) -> StackedArea:
    flagged = int((ds["fake_grok"].values > 0).sum())
    note = f"flagged as fake grokking at {flagged} of {ds.sizes['step']} checkpoints"
    return StackedArea(
        name=split,
        title=capital(words(split)),
        subtitle=pick.subtitle(
            pick.number_of_examples(ds), note if flagged else "", pick.seen_by_lens(ds)
        ),
        x=ds["step"].values.astype(float),
        labels=tuple(CLASSES[c] for c in pick.names(ds, "class")),
        shares=ds["share"].transpose("class", "step").values.astype(float),
        y_label="share of questions",
        cursor=cursor,
    )


def recovery(ds: xr.Dataset, *, step: int | None = None, split: str | None = None) -> Spec:
    """Accuracy beside the share of questions whose bridge is decoded, over training."""
    split = pick.chosen(ds, "split", split)
    one = ds.sel(split=split)
    return curves(
        one,
        {
            "accuracy": "answer right",
            "decoded": "bridge decoded",
            "decoded_chance": "another bridge decoded (chance)",
            "decoded_given_right": "bridge decoded, among right answers",
            "decoded_any_state": ANY_STATE,
        },
        dashed=("decoded_chance",),
        name="recovery",
        title="Does accuracy come with the bridge?",
        subtitle=pick.subtitle(
            words(split),
            pick.number_of_examples(one),
            DECODED,
            "bands: 95% intervals over examples",
            pick.seen_by_lens(one),
        ),
        y_label="share of questions",
        y_limits=(0.0, 1.0),
        cursor=None if step is None else pick.chosen_step(ds, step),
        provenance=pick.provenance(ds, "recovery", split=split),
    )
