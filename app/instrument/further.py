"""Panels of further measures below the first page's maps: one for each analysis that has a result.

All curves are shares, over the checkpoints of their own result.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from itertools import pairwise
from typing import Any

import numpy as np
import xarray as xr

from analyses.figures.words import SLATE, VIOLET, words
from analyses.over_training.first_usable import first_usable
from app.instrument.fields import ComparedPanel, ComparedSeries
from app.instrument.packing import curve
from circuits.errors import HopscopeError
from circuits.statistics import wilson

Datasets = Mapping[str, xr.Dataset]
LEAST_QUESTIONS = 20
"""A curve of fewer questions would be noise."""


def further_panels(datasets: Datasets, split: str) -> list[ComparedPanel]:
    """The panels that have something to show of this split.

    Args:
        datasets: Stored results by analysis name; `further_results` adds those that are derived.
        split: The split that is looked at. Measures of the whole model are the same for all.
    """
    panels: list[ComparedPanel] = []
    for name, make in _PANELS.items():
        ds = datasets.get(name)
        if ds is None:
            continue
        if name not in _OF_THE_MODEL:
            if split not in ds.coords["split"].values:
                continue
            ds = ds.sel(split=split)
        title, hint, series = make(ds)
        if series and len(series[0]["steps"]) > 1:
            panels.append({"title": title, "hint": hint, "series": series})
    return panels


def further_results(datasets: Datasets) -> dict[str, xr.Dataset]:
    """The given results and those derived from them (once): the first usable layers."""
    found = dict(datasets)
    for name, derived in _READ.items():
        lens = datasets.get(name)
        if derived in found or lens is None or "rank_example" not in lens:
            continue
        if "bridge" in lens["target"].values:
            with suppress(HopscopeError):  # one of sentences that is too old
                found[derived] = first_usable(lens)
    return found


_READ = {"logit_lens": "first_usable", "patchscopes": "first_usable_patchscopes"}
"""Readouts, and what their first usable layers are called."""

Made = tuple[str, str, list[ComparedSeries]]


def _cut(ds: xr.Dataset) -> Made:
    """Accuracy if a later position cannot read an earlier one in any block."""
    every = ds.isel(window=-1)
    series = [_series("no edge cut", "answer", every, "whole_accuracy")]
    positions = [str(p) for p in ds["from"].values]
    for i, (read, reads) in enumerate(pairwise(positions)):
        if bool(every["accuracy"].sel({"from": read, "to": reads}).isnull().all()):
            read, reads = reads, read  # sentences may name the later role first
        edge = every.sel({"from": read, "to": reads})
        name = f"{words(reads)} cannot read {words(read)}"
        series.append(_series(name, f"run_{SLATE + i}", edge, "accuracy", dashed=True))
    return "Attention cut", "accuracy", series


def _composed(ds: xr.Dataset) -> Made:
    """Whether both hops are known, and whether their composition follows."""
    series = [
        _series("hop 1 known", "bridge", ds.sel(prompt="hop_1"), "right"),
        _series("hop 2 known", "relation_2", ds.sel(prompt="hop_2"), "right"),
        _series("composed", "answer", ds.sel(prompt="composed"), "right"),
        _series("composed, if both known", "swap", ds, "composable"),
        _series(
            "without subject", f"run_{SLATE}", ds.sel(prompt="no_subject"), "right", dashed=True
        ),
        _series(
            "without relation 1",
            f"run_{VIOLET}",
            ds.sel(prompt="no_relation_1"),
            "right",
            dashed=True,
        ),
    ]
    return "Latent composability", "whole answers, share right", series


def _said(ds: xr.Dataset) -> Made:
    """Whether the model can say what its states hold, where something still depends on them."""
    return "Said while usable", "Patchscopes, share of questions", _read(ds)[2]


def _read(ds: xr.Dataset) -> Made:
    """Whether bridge and answer can be read where something still depends on them."""
    series = [
        _series(f"{words(name)} decoded", name, ds.sel(name=name), "decoded")
        for name in ("bridge", "answer")
    ]
    first = ds.sel(order="bridge_first")
    series.append(_series("bridge first", "bridge", first, "order_share", dashed=True))
    return "Readable while usable", "logit lens, share of questions", series


def _covered(ds: xr.Dataset) -> Made:
    """Accuracy on the questions that first hops cover little and much."""
    k = ds["k_example"].sel(fragments="first_hop").values
    right = ds["right_example"].transpose("step", "example").values
    middle = int(np.median(k[k > 0])) if (k > 0).any() else 0
    groups = {
        "k = 0": k == 0,
        f"k up to {middle}": (k > 0) & (k <= middle),
        f"k above {middle}": k > middle,
    }
    series: list[ComparedSeries] = []
    for i, (name, members) in enumerate(groups.items()):
        n = int(members.sum())
        if n >= LEAST_QUESTIONS and (name == "k = 0" or middle):
            hits = right[:, members].sum(1)
            low, high = wilson(hits, np.full(len(hits), n))
            steps = [int(s) for s in ds["step"].values]
            series.append(
                {
                    "name": name, "colour": f"run_{SLATE + i}", "dash": None, "steps": steps,
                    "values": curve(hits / n), "low": curve(low), "high": curve(high),
                }
            )  # fmt: skip
    return "Covered by training", "accuracy by k-cutoff of the first hop", series


def _born(ds: xr.Dataset) -> Made:
    """Births of a crosscoder's features."""
    series = [_series("all features", "neutral", ds, "all_born")]
    if int(ds["born"].attrs["n"]):
        series.insert(0, _series("features of bridges", "bridge", ds, "born"))
    series.append(_series("AUROC of a probe", "swap", ds, "probe_auroc", dashed=True))
    return "Features born", "crosscoder", series


def _coefficient(ds: xr.Dataset) -> Made:
    """The learning coefficient of all weights, over its highest."""
    one = ds.isel(split=0, part=0)
    most = float(np.nanmax(np.abs(one["coefficient"].values), initial=1e-9))
    parts = {f"coefficient{end}": one[f"coefficient{end}"] / most for end in ("", "_low", "_high")}
    series = [_series(f"of {most:,.0f}", "edge", xr.Dataset(parts), "coefficient")]
    return "Learning coefficient", "over its highest", series


_PANELS: dict[str, Callable[[xr.Dataset], Made]] = {
    "composability": _composed,
    "attention_knockout": _cut,
    "first_usable": _read,
    "first_usable_patchscopes": _said,
    "coverage": _covered,
    "crosscoder": _born,
    "learning_coefficient": _coefficient,
}
_OF_THE_MODEL = ("crosscoder", "learning_coefficient")
FURTHER_ANALYSES: Sequence[str] = (
    *(name for name in _PANELS if name not in _READ.values()),
    "patchscopes",
)
"""The analyses whose results have a panel."""


def _series(
    name: str, colour: str, ds: xr.Dataset, variable: str, *, dashed: bool = False
) -> ComparedSeries:
    ordered: Any = ds.transpose("step", ...)
    series: ComparedSeries = {
        "name": name,
        "colour": colour,
        "dash": "6 4" if dashed else None,
        "steps": [int(s) for s in ordered["step"].values],
        "values": curve(ordered[variable].values),
    }
    if f"{variable}_low" in ordered:
        series["low"] = curve(ordered[f"{variable}_low"].values)
        series["high"] = curve(ordered[f"{variable}_high"].values)
    return series
