"""Figures of bridge patching: whether the second hop then works on a transplanted bridge."""

from __future__ import annotations

from typing import Literal

import numpy as np
import xarray as xr

from analyses.bridge_swaps import swap_state
from analyses.figures.builders import pick
from analyses.figures.builders.pieces import cell_map, place
from analyses.figures.specs.charts import Bars, BarSeries, Lines, Panels, Series, Spec
from analyses.figures.words import CONTROLS, control_colour, words

VALUE = "share following the donor's bridge"
DASHES: dict[str, Literal["solid", "dash", "dot"]] = {"bridge": "solid", "random": "dot"}
"""The controls stay apart without colour; the others are dashed."""


def success(
    ds: xr.Dataset, *, step: int | None = None, split: str | None = None, control: str | None = None
) -> Spec:
    """Share of answers that follow the donor's bridge, by patched state, with the controls."""
    step = pick.chosen_step(ds, step)
    split = pick.chosen(ds, "split", split)
    now = ds.sel(step=step, split=split)
    shown = pick.names(ds, "control")
    if control is not None:
        shown = (pick.chosen(ds, "control", control),)
    return Panels(
        name="success",
        title="Does the answer follow a transplanted bridge?",
        subtitle=pick.subtitle(
            words(split),
            pick.at_step(step),
            pick.number_of_examples(now),
            pick.span_note(ds),
            pick.hatched_note(now),
        ),
        panels=tuple(
            cell_map(
                now.sel(control=c),
                "success",
                name=c,
                title=donor(c),
                value_label=VALUE,
            )
            for c in shown
        ),
        columns=len(shown),
        provenance=pick.provenance(ds, "success", step=step, split=split, control=control),
    )


def success_over_training(
    ds: xr.Dataset,
    *,
    step: int | None = None,
    split: str | None = None,
    layer: int | None = None,
    position: str | None = None,
) -> Spec:
    """Success and controls over training at one state.

    By default it is the state at which bridge swaps are read (`analyses.bridge_swaps`); the
    subtitle says whether it is the best of several, because choosing it biases its value upwards a
    little.
    """
    split = pick.chosen(ds, "split", split)
    one = ds.sel(split=split)
    layer, position, how = _state(one, layer, position)
    cell = one.sel(layer=layer, position=position)
    x = ds["step"].values.astype(float)
    series = []
    for c in pick.names(ds, "control"):
        found = pick.interval(cell.sel(control=c).transpose("step", ...), "success")
        series.append(
            Series(
                label=donor(c),
                x=x,
                y=found.value,
                low=found.low,
                high=found.high,
                colour=control_colour(c),
                dash=DASHES.get(c, "dash"),
            )
        )
    return Lines(
        name="success_over_training",
        title=f"Transplanting the bridge at {place(layer, position)}",
        subtitle=pick.subtitle(
            words(split),
            pick.number_of_examples(one),
            pick.span_note(ds),
            how,
            "bands: 95% intervals",
        ),
        series=tuple(series),
        y_label=VALUE,
        y_limits=(0.0, 1.0),
        cursor=None if step is None else pick.chosen_step(ds, step),
        provenance=pick.provenance(
            ds, "success_over_training", split=split, layer=int(layer), position=position
        ),
    )


def _state(ds: xr.Dataset, layer: int | None, position: str | None) -> tuple[int, str, str]:
    """The state to show and how it was chosen."""
    if layer is not None and position is not None:
        return pick.chosen(ds, "layer", layer), pick.chosen(ds, "position", position), ""
    state = swap_state(ds) if layer is None and position is None else None
    if state is not None:
        return state.layer, state.position, "the best layer at the last step" * state.chosen
    last = ds["success"].isel(step=-1).sel(control=pick.names(ds, "control")[0])
    if "usable" in ds.coords:  # after the last block a swap can only seem to succeed
        last = last.where(ds["usable"])
    if layer is not None:
        last = last.sel(layer=[pick.chosen(ds, "layer", layer)])
    if position is not None:
        last = last.sel(position=[pick.chosen(ds, "position", position)])
    last = last.transpose("layer", "position")
    best = np.unravel_index(np.nan_to_num(last.values, nan=-1.0).argmax(), last.shape)
    how = "the state with the highest success at the last step"
    return int(last["layer"].values[best[0]]), str(last["position"].values[best[1]]), how


def donor(control: str) -> str:
    """What kind of donor a control is, in words."""
    return CONTROLS.get(control, words(control))


SWAPPED = {
    "whole": "whole state",
    "subspace": "learned subspace",
    "rest": "all but that",
    "shuffled": "learned from shuffled targets",
    "random": "random subspace",
}


def subspace_swaps(ds: xr.Dataset, *, step: int | None = None, split: str | None = None) -> Spec:
    """Share of answers that follow the donor's bridge when only a subspace is swapped."""
    step = pick.chosen_step(ds, step)
    split = pick.chosen(ds, "split", split)
    now = ds.sel(step=step, split=split, kind=list(SWAPPED)).transpose("kind", "control", ...)
    found = {c: pick.interval(now.sel(control=c), "success") for c in pick.names(ds, "control")}
    rank, layer = int(now["state_rank"]), int(now["state_layer"])
    return Bars(
        name="subspace_swaps",
        title="Which part of the state carries the bridge?",
        subtitle=pick.subtitle(
            words(split), pick.at_step(step), f"rank {rank} at {place(layer, 'relation_1')}",
            pick.number_of_examples(now),
        ),
        categories=tuple(SWAPPED.values()),
        series=tuple(
            BarSeries(
                label=donor(c), values=f.value, low=f.low, high=f.high, colour=control_colour(c)
            )
            for c, f in found.items()
        ),
        y_label="share following",
        y_limits=(0.0, 1.0),
        provenance=pick.provenance(ds, "subspace_swaps", step=step, split=split),
    )  # fmt: skip
