"""A picture without a number says so in a sentence; a grey map would look like a measurement."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import xarray as xr

from analyses.figures.specs.charts import (
    Bars,
    CircuitDiagram,
    HeatMap,
    Lines,
    Panels,
    Scatter,
    Spec,
    StackedArea,
)
from analyses.figures.specs.facts import Table
from analyses.figures.words import words

NOTHING = ("nothing to show",)
"""The columns of the table that stands in the place of a figure."""


def said_if_empty(spec: Spec, ds: xr.Dataset, split: str | None) -> Spec:
    """The figure; without those of its panels that hold no number, or a sentence if none does.

    Args:
        spec: The figure.
        ds: The result that it was made from.
        split: The split that was chosen, if one was.
    """
    if is_empty(spec):
        return replace_by_sentence(spec, _reason(ds, split))
    if not isinstance(spec, Panels):
        return spec
    empty = [panel.title for panel in spec.panels if is_empty(panel)]
    if not empty:
        return spec
    note = f"not measured: {', '.join(empty)} (n = 0)"
    return replace(
        spec,
        panels=tuple(panel for panel in spec.panels if not is_empty(panel)),
        subtitle=" · ".join(filter(None, (spec.subtitle, note))),
    )


def replace_by_sentence(spec: Spec, sentence: str) -> Table:
    """A figure of the same name that says why there is nothing to draw."""
    return Table(
        name=spec.name,
        title=spec.title,
        subtitle=spec.subtitle,
        provenance=spec.provenance,
        columns=NOTHING,
        rows=((sentence,),),
        formats=("",),
    )


def said_instead(spec: Spec) -> str:
    """The sentence that stands in the place of a figure; "" of a figure with content."""
    if isinstance(spec, Table) and spec.columns == NOTHING:
        return str(spec.rows[0][0])
    return ""


def is_empty(spec: Spec) -> bool:
    """Whether a picture would show no number at all."""
    if isinstance(spec, Panels):
        return all(map(is_empty, spec.panels))
    numbers = _numbers(spec)
    return numbers is not None and not np.isfinite(numbers).any()


def _numbers(spec: Spec) -> np.ndarray | None:
    """What is drawn; None of kinds that are never without content."""
    match spec:
        case HeatMap():
            return spec.values
        case Lines():
            return np.concatenate([s.y for s in spec.series] or [np.zeros(0)])
        case StackedArea():
            return spec.shares
        case Bars():
            return np.concatenate([s.values for s in spec.series] or [np.zeros(0)])
        case Scatter():
            return np.concatenate([g.y for g in spec.groups] or [np.zeros(0)])
        case CircuitDiagram():
            read = [value for node in spec.nodes for value in node.readings.values()]
            return np.array([*(edge.strength for edge in spec.edges), *read], float)
    return None


def _reason(ds: xr.Dataset, split: str | None) -> str:
    of = f" of {words(split)}" if split else ""
    if split and "split" in ds.coords:
        ds = ds.sel(split=split)
    counts = next((ds[name].values for name in ("n_valid", "n") if name in ds), None)
    if counts is not None and not np.nan_to_num(np.asarray(counts, float)).any():
        return f"No question{of} could be measured (n = 0), so there is nothing to draw."
    return f"This result holds no number{of}, so there is nothing to draw."
