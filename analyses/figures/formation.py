"""Figures of formation: circuit, route and accuracy on one axis, with the phases."""

from __future__ import annotations

import json

import numpy as np
import xarray as xr

from analyses.figures import selection as pick
from analyses.figures.labels import words
from analyses.figures.specs import Event, Lines, Series, Spec

CURVES = {
    "trained_accuracy": "accuracy on trained questions",
    "accuracy": "accuracy",
    "circuit": "mean strength of the circuit's edges",
    "route": "accuracy through the two-hop route alone",
    "without_bridge": "accuracy without the bridge",
    "swap": "success of bridge swaps",
    "norm": "weight norm over its maximum",
}
DASHES = {"trained_accuracy": "dot", "without_bridge": "dash", "norm": "dot"}


def curves(ds: xr.Dataset, *, step: int | None = None, x_log: bool = False) -> Spec:
    """Circuit, route and accuracy over training on one axis, with the phases of training."""
    x = ds["step"].values.astype(float)
    split = words(str(ds.attrs.get("split", "")))
    series = tuple(
        Series(
            label=CURVES[name] + (f", {split}" if name == "accuracy" else ""),
            x=x,
            y=ds["value"].sel(curve=name).values.astype(float),
            colour=list(CURVES).index(name),
            dash=DASHES.get(name, "solid"),  # type: ignore[arg-type]
        )
        for name in pick.names(ds, "curve")
    )
    return Lines(
        name="curves",
        title="The circuit and what it does for accuracy",
        subtitle=pick.subtitle(split, _spans(ds)),
        series=series,
        y_label="share",
        y_limits=(0.0, 1.0),
        x_log=x_log,
        cursor=None if step is None else float(pick.chosen_step(ds, step)),
        events=_events(ds),
        provenance=pick.provenance(ds, "curves"),
    )


def _spans(ds: xr.Dataset) -> str:
    found = []
    for phase in ("circuit_formation", "clean_up"):
        start, end = (float(ds[f"phase_{end}"].sel(phase=phase)) for end in ("start", "end"))
        if np.isfinite(start):
            where = f"step {start:,.0f}" if start == end else f"steps {start:,.0f} to {end:,.0f}"
            found.append(f"{words(phase).replace('clean up', 'clean-up')}: {where}")
    return pick.subtitle(*found)


def _events(ds: xr.Dataset) -> tuple[Event, ...]:
    grok = json.loads(ds.attrs.get("grok", "{}"))
    named = (("memorization_step", "memorized"), ("grok_step", "generalized"))
    return tuple(
        Event(label=label, x=float(grok[key])) for key, label in named if grok.get(key) is not None
    )
