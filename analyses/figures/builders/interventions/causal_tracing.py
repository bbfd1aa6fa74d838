"""Figures of causal tracing: what each state carries, and how that changes over training."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr

from analyses.figures.builders import pick
from analyses.figures.builders.pieces import cell_map, curves_by_layer, difference, map_of, place
from analyses.figures.specs.charts import HeatMap, Panels, Spec
from analyses.figures.words import capital, words

VALUE = "share no longer right"


def _traced_to(ds: xr.Dataset) -> str:
    """The middle state that was traced to (option `target_layer`), or "" for the answer."""
    options = pick.provenance(ds, "strength")["options"]
    layer = options.get("target_layer") if isinstance(options, Mapping) else None
    if layer is None or layer == int(ds["layer"].values[-1]):
        return ""
    return place(layer, pick.names(ds, "position")[-1])


def _value(ds: xr.Dataset) -> str:
    traced = _traced_to(ds)
    return f"share whose lens token at {traced} changes" if traced else VALUE


def _what(ds: xr.Dataset) -> str:
    return _traced_to(ds) or "the answer"


def strength(ds: xr.Dataset, *, step: int | None = None, split: str | None = None) -> Spec:
    """Strength of every state at one step, for one split or all of them side by side."""
    step = pick.chosen_step(ds, step)
    now = ds.sel(step=step)
    title, value = f"Which states {_what(ds)} depends on", _value(ds)
    if split is not None or ds.sizes["split"] == 1:
        split = pick.chosen(ds, "split", split)
        one = now.sel(split=split)
        return cell_map(
            one,
            "strength",
            name="strength",
            title=title,
            subtitle=pick.subtitle(
                words(split),
                pick.at_step(step),
                pick.number_of_examples(one),
                pick.span_note(ds),
                _unpatched(one),
                pick.hatched_note(one),
            ),
            value_label=value,
            provenance=pick.provenance(ds, "strength", step=step, split=split),
        )
    maps = tuple(
        cell_map(now.sel(split=s), "strength", name=s, title=capital(words(s)), value_label=value)
        for s in pick.names(ds, "split")
    )
    return Panels(
        name="strength",
        title=title,
        subtitle=pick.subtitle(
            pick.at_step(step),
            pick.number_of_examples(now),
            pick.span_note(ds),
            _unpatched(now),
            pick.hatched_note(now),
        ),
        panels=maps,
        columns=4,
        provenance=pick.provenance(ds, "strength", step=step),
    )


def _unpatched(*at_steps: xr.Dataset) -> str:
    """Number of right answers without a patch, by split; the others count as strength
    everywhere."""
    if "clean_accuracy" not in at_steps[0] or _traced_to(at_steps[0]):
        return ""
    rows = [np.atleast_1d(ds["clean_accuracy"].values) for ds in at_steps]
    by_split = (" to ".join(f"{share:.0%}" for share in pair) for pair in zip(*rows, strict=True))
    return "right without patching: " + ", ".join(by_split)


def strength_over_training(
    ds: xr.Dataset, *, step: int | None = None, split: str | None = None
) -> Spec:
    """Strength of every state over training: a panel per position, a curve per layer."""
    split = pick.chosen(ds, "split", split)
    one = ds.sel(split=split)
    panels = tuple(
        curves_by_layer(
            one.sel(position=p), "strength", name=p, title=capital(words(p)), y_label=_value(ds),
            cursor=None if step is None else pick.chosen_step(ds, step),
        )
        for p in pick.names(ds, "position")
    )  # fmt: skip
    return Panels(
        name="strength_over_training",
        title=f"How {_what(ds)} comes to depend on each state",
        subtitle=pick.subtitle(
            words(split),
            pick.number_of_examples(one),
            pick.span_note(ds),
            "bands: 95% intervals over examples",
        ),
        panels=panels,
        columns=3,
        provenance=pick.provenance(ds, "strength_over_training", split=split),
    )


def strength_change(
    ds: xr.Dataset,
    *,
    step: int | None = None,
    start: int | None = None,
    split: str | None = None,
) -> Spec:
    """strength(step) - strength(start), as in figure 4 of *Grokked*; per split.

    Strength also counts answers that are wrong without a patch. At a state that nothing reads (the
    last layer, except at the last position) the change is that of accuracy with the sign reversed.

    Args:
        ds: Result of causal tracing.
        step: The later step; None: the last one.
        start: The earlier step, the start of grokking in the paper; None: the first one.
        split: One split; None: all side by side.
    """
    step = pick.chosen_step(ds, step)
    start = pick.chosen_step(ds, int(ds["step"].values[0]) if start is None else start)
    splits = pick.names(ds, "split") if split is None else (pick.chosen(ds, "split", split),)
    note = pick.subtitle(
        f"step {step:,} minus step {start:,}",
        pick.number_of_examples(ds.sel(step=step, split=list(splits))),
        _unpatched(*(ds.sel(step=s, split=list(splits)) for s in (start, step))),
        pick.hatched_note(ds),
    )
    source = pick.provenance(ds, "strength_change", step=step, start=start, split=split)
    maps = [_change(ds.sel(split=s), start, step, s) for s in splits]
    title = "Change in answers that are not right after a patch"
    if _traced_to(ds):
        title = f"Change in how much {_what(ds)} depends on each state"
    return Panels(
        name="strength_change",
        title=title,
        subtitle=note,
        panels=tuple(maps),
        columns=4,
        provenance=source,
    )


def _change(ds: xr.Dataset, start: int, step: int, split: str) -> HeatMap:
    ordered = ds.transpose("layer", "position", ...)
    return map_of(
        difference(ordered.sel(step=step), ordered.sel(step=start), "strength"),
        ordered,
        name=split,
        title=capital(words(split)),
        value_label=f"change in {_value(ds)}",
        limits=(-1.0, 1.0),
        diverging=True,
    )
