"""Figures of several runs: how far their circuits agree, and which edges they share."""

from __future__ import annotations

import numpy as np
import xarray as xr

from analyses.figures.builders import pick
from analyses.figures.builders.circuit_discovery import edge_in_words
from analyses.figures.specs.charts import Bars, BarSeries, HeatMap, Panels, Spec
from analyses.figures.words import words

TITLES = {"jaccard": "Shared edges (Jaccard index)", "rank_correlation": "Strengths (rank corr.)"}


def pairs(ds: xr.Dataset, *, step: int | None = None) -> Spec:
    """How far the circuits of each pair of runs agree."""
    maps = tuple(_map(ds, measure) for measure in pick.names(ds, "measure"))
    return Panels(
        name="pairs",
        title="Do the runs form the same circuit?",
        subtitle=pick.subtitle(
            words(str(ds.attrs["split"])), f"{ds.sizes['run']} runs", *_step(ds), *_means(ds)
        ),
        panels=maps,
        columns=2,
        provenance=pick.provenance(ds, "pairs"),
    )


def shared_edges(ds: xr.Dataset, *, step: int | None = None) -> Spec:
    """In how many of the runs' circuits each edge is."""
    share = ds["edge_share"].values.astype(float)
    order = [i for i in np.argsort(-share, kind="stable") if share[i] > 0]
    return Bars(
        name="shared_edges",
        title="Edges of the circuit, by how many runs have them",
        subtitle=pick.subtitle(
            words(str(ds.attrs["split"])), f"{ds.sizes['run']} runs", *_step(ds)
        ),
        categories=tuple(edge_in_words(str(ds["edge"].values[i])) for i in order),
        series=(BarSeries(label="share of runs", values=share[order]),),
        y_label="share of runs",
        y_limits=(0.0, 1.0),
        provenance=pick.provenance(ds, "shared_edges"),
    )


def _step(ds: xr.Dataset) -> list[str]:
    return [pick.at_step(int(ds.attrs["step"]))] if "step" in ds.attrs else []


def _means(ds: xr.Dataset) -> list[str]:
    found = []
    for measure in pick.names(ds, "measure"):
        one = ds.sel(measure=measure)
        mean, low, high = (float(one[f"mean{end}"]) for end in ("", "_low", "_high"))
        interval = f" [{low:.2f}, {high:.2f}]" if np.isfinite(low) else ""
        found.append(f"mean {words(measure).lower()} {mean:.2f}{interval}")
    return found


def _map(ds: xr.Dataset, measure: str) -> HeatMap:
    names = pick.names(ds, "run")
    values = ds["pair"].sel(measure=measure).values.astype(float)
    signed = bool(np.nanmin(values) < 0)
    return HeatMap(
        name=measure,
        title=TITLES[measure],
        values=values,
        rows=names,
        columns=names,
        row_label="",
        value_label="agreement",
        limits=(-1.0, 1.0) if signed else (0.0, 1.0),
        diverging=signed,
    )
