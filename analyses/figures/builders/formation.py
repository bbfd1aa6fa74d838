"""Figures of formation: circuit, route and accuracy on one axis, the phases, the edges' steps."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import xarray as xr

from analyses.figures.builders import pick
from analyses.figures.builders.circuit_discovery import edge_in_words
from analyses.figures.specs.charts import Event, HeatMap, Lines, Series, Spec
from analyses.figures.words import (
    BROWN,
    EVENTS,
    GREEN,
    ORANGE,
    PINK,
    VERMILION,
    split_of,
    words,
)
from analyses.over_training.dating import PHASES, spoken

CURVES = {
    "trained_accuracy": "accuracy on trained questions",
    "accuracy": "accuracy",
    "circuit": "mean strength of the circuit's edges (shares of an effect, not its size)",
    "route": "accuracy through the two-hop route alone",
    "without_bridge": "accuracy without the bridge",
    "swap": "success of bridge swaps",
    "norm": "weight norm over its maximum",
}
COLOURS = {
    "trained_accuracy": split_of("train_inferred").colour,
    "circuit": VERMILION,
    "route": GREEN,
    "without_bridge": PINK,
    "swap": BROWN,
    "norm": ORANGE,
}
"""Accuracy is drawn in the colour of its split."""
INTERVALS = "bands and brackets: 95% intervals over questions"
NO_BREAK = "\N{NO-BREAK SPACE}"
"""So that no line of a label breaks within an interval."""
DASHES = {
    "trained_accuracy": "dot", "circuit": "dot", "norm": "dot",
    "without_bridge": "dash", "swap": "dash",
}  # fmt: skip
"""Curves that meet differ without colour, too."""


def curves(ds: xr.Dataset, *, step: int | None = None, x_log: bool = False) -> Spec:
    """Circuit, route and accuracy over training on one axis, with the phases of training."""
    x = ds["step"].values.astype(float)
    split_name = str(ds.attrs.get("split", ""))
    split = words(split_name)
    series = tuple(
        Series(
            label=CURVES[name] + (f", {split}" if name == "accuracy" else ""),
            x=x,
            **_band(ds.sel(curve=name)),
            colour=split_of(split_name).colour if name == "accuracy" else COLOURS[name],
            dash=DASHES.get(name, "solid"),  # type: ignore[arg-type]
        )
        for name in pick.names(ds, "curve")
    )
    return Lines(
        name="curves",
        title="The circuit and what it does for accuracy",
        subtitle=pick.subtitle(split, f"n = {ds.attrs['n']}", *_spans(ds), INTERVALS),
        series=series,
        y_label="share",
        y_limits=(0.0, 1.0),
        x_log=x_log,
        cursor=None if step is None else float(pick.chosen_step(ds, step)),
        events=_events(ds),
        provenance=pick.provenance(ds, "curves"),
    )


def edge_steps(ds: xr.Dataset, *, step: int | None = None) -> Spec:
    """At which steps each edge belongs to the circuit, and how certainly."""
    kept = ds["edge_share"].transpose("edge", "step").values.astype(float)
    appears, vanishes = ds["appears"].values, np.nan_to_num(ds["vanishes"].values, nan=np.inf)
    order = [i for i in np.lexsort((vanishes, -appears)) if np.isfinite(appears[i])]
    steps = [int(s) for s in ds["step"].values]
    rows = [f"{edge_in_words(str(ds['edge'].values[i]))}: {_date(ds, i)}" for i in order]
    return HeatMap(
        name="edge_steps",
        title="When each edge appears",
        subtitle=pick.subtitle(
            words(str(ds.attrs.get("split", ""))), f"n = {ds.attrs['n']}",
            "behind an edge: the step at which it appears, with its 95% interval over questions",
        ),
        values=kept[order] if order else np.zeros((1, len(steps))),
        rows=tuple(rows) or ("no edge appears",),
        columns=tuple(f"{s:,}" for s in steps),
        places=np.array(steps, float),
        row_label="",
        column_label="training step",
        value_label="share of resampled circuits with the edge",
        cursor=None if step is None else steps.index(pick.chosen_step(ds, step)),
        provenance=pick.provenance(ds, "edge_steps"),
    )  # fmt: skip


def _date(ds: xr.Dataset, edge: int) -> str:
    date = spoken(*(float(ds[f"appears{end}"][edge]) for end in ("", "_low", "_high")))
    return date.replace(", ", f",{NO_BREAK}")


def _band(curve: xr.Dataset) -> dict[str, Any]:
    """Values with their interval, if they were measured on questions."""
    value, low, high = (curve[f"value{e}"].values.astype(float) for e in ("", "_low", "_high"))
    return {"y": value, "low": low, "high": high} if curve["curve_n"] else {"y": value}


def _spans(ds: xr.Dataset) -> list[str]:
    found = []
    for phase in PHASES:
        one = ds.sel(phase=phase)
        if not np.isfinite(one["phase_start"]):
            continue
        if why := str(one["phase_why"].item()):
            found.append(f"{words(phase)}: cannot be dated ({why})")
            continue
        start, end = (
            spoken(*(float(one[f"phase_{name}{bound}"]) for bound in ("", "_low", "_high")))
            for name in ("start", "end")
        )
        found.append(f"{words(phase)}: step {start}" + (f" to {end}" if end != start else ""))
    if "lag" in ds and np.isfinite(ds["lag"]):
        lag = spoken(*(float(ds[f"lag{end}"]) for end in ("", "_low", "_high")))
        found.append(f"accuracy behind the circuit by {lag} steps{_counted_from(ds)}")
    return found


def _counted_from(ds: xr.Dataset) -> str:
    """A warning if the circuit may have been halfway before any checkpoint could show it."""
    early = float(ds["halfway"].sel(curve="circuit")) <= float(ds["step"][1])
    return ", counted from the first checkpoint that could show the circuit" if early else ""


def _events(ds: xr.Dataset) -> tuple[Event, ...]:
    grok = json.loads(ds.attrs.get("grok", "{}"))
    return tuple(
        Event(label=label, x=float(grok[key]))
        for key, label in EVENTS.items()
        if grok.get(key) is not None
    )
