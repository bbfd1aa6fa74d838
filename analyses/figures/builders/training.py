"""Accuracy and loss over training, always beside the graph's shortcuts."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from analyses.figures.builders import pick
from analyses.figures.specs.charts import Event, Lines, Reference, Series, Spec
from analyses.figures.words import (
    EVENTS,
    SPLITS,
    capital,
    shortcut_words,
    split_of,
    words,
)
from circuits.statistics import wilson

if TYPE_CHECKING:
    import pandas as pd

    from circuits.runs.run import Run

MAIN_SPLITS = ("train_inferred", "id_test", "ood_test", "asked")


def training_dataset(
    metrics: pd.DataFrame,
    baselines: Mapping[str, Mapping[str, float]] | None = None,
    counts: Mapping[str, int] | None = None,
    grok: Mapping[str, Any] | None = None,
    provenance: Mapping[str, Any] | None = None,
) -> xr.Dataset:
    """The metrics of a run as a result: accuracy and loss by (step, split), shortcuts by split.

    Args:
        metrics: Columns "step", "accuracy/<split>", "loss/<split>".
        baselines: Accuracy of each shortcut answerer per split.
        counts: Number of evaluated questions per split, for intervals.
        grok: memorization_step, grok_step.
        provenance: Kept in the attributes.
    """
    splits = _ordered({c.split("/", 1)[1] for c in metrics.columns if c.startswith("accuracy/")})
    ds = xr.Dataset(coords={"step": metrics["step"].to_numpy(int), "split": splits})
    for variable in ("accuracy", "loss"):
        table = metrics.reindex(columns=[f"{variable}/{s}" for s in splits])
        ds[variable] = (("step", "split"), table.to_numpy(float))
    if counts:
        ds["n"] = ("split", [float(counts.get(s, np.nan)) for s in splits])
        low, high = wilson(ds["accuracy"].values * ds["n"].values, ds["n"].values)
        ds["accuracy_low"], ds["accuracy_high"] = (
            (("step", "split"), low),
            (("step", "split"), high),
        )
    shortcuts = sorted({k for row in (baselines or {}).values() for k in row})
    if baselines and shortcuts:
        share = [[baselines.get(s, {}).get(k, np.nan) for k in shortcuts] for s in splits]
        ds = ds.assign_coords(shortcut=shortcuts)
        ds["baseline"] = (("split", "shortcut"), np.array(share, float))
    ds.attrs = {
        "analysis": "training",
        "grok": json.dumps(dict(grok or {})),
        "provenance": json.dumps(dict(provenance or {})),
    }
    return ds


def training_of(run: Run) -> xr.Dataset:
    """The metrics of `run` with its shortcuts, its grok steps and the sizes of its splits."""
    at_most = run.recipe.evaluation.items
    counts = {s: min(len(q), at_most) for s, q in run.corpus.splits.items()}
    record = {
        "run": run.path.resolve().name,
        "seed": run.seed,
        "state": run.state,
        "versions": run.manifest.get("versions", {}),
        "commit": run.manifest.get("commit"),
    }
    return training_dataset(run.metrics(), run.baselines, counts, run.grok, record)


def accuracy(
    ds: xr.Dataset,
    *,
    step: int | None = None,
    splits: tuple[str, ...] | None = None,
    x_log: bool = False,
) -> Spec:
    """Accuracy per split over training; dashed: the best shortcut's accuracy on that split.

    Args:
        ds: Result of `training_dataset`.
        step: Step of the cursor; None: no cursor.
        splits: Which splits; None: trained questions, ID test and OOD test.
        x_log: Logarithmic steps, for long runs; step 0 is then left out.
    """
    shown = _shown(ds, splits)
    return Lines(
        name="accuracy",
        title="Accuracy over training",
        subtitle=pick.subtitle(
            _counts(ds, shown), "bands: 95% intervals" if "accuracy_low" in ds else ""
        ),
        series=_curves(ds, "accuracy", shown),
        y_label="accuracy",
        y_limits=(0.0, 1.0),
        x_log=x_log,
        cursor=None if step is None else float(pick.chosen_step(ds, step)),
        references=_shortcuts(ds, shown),
        events=_events(ds),
        provenance=pick.provenance(ds, "accuracy", step=step, splits=shown),
    )


def accuracy_all_splits(ds: xr.Dataset, *, step: int | None = None, x_log: bool = False) -> Spec:
    """Accuracy over training for every split of the run."""
    spec = accuracy(ds, step=step, splits=pick.names(ds, "split"), x_log=x_log)
    assert isinstance(spec, Lines)
    return dataclasses.replace(spec, name="accuracy_all_splits", references=())


def loss(
    ds: xr.Dataset,
    *,
    step: int | None = None,
    splits: tuple[str, ...] | None = None,
    x_log: bool = False,
) -> Spec:
    """Cross-entropy per split over training, on a logarithmic axis."""
    shown = _shown(ds, splits)
    return Lines(
        name="loss",
        title="Loss over training",
        subtitle=_counts(ds, shown),
        series=_curves(ds, "loss", shown),
        y_label="cross-entropy (nats)",
        y_log=True,
        x_log=x_log,
        cursor=None if step is None else float(pick.chosen_step(ds, step)),
        events=_events(ds),
        provenance=pick.provenance(ds, "loss", step=step, splits=shown),
    )


def _ordered(splits: set[str]) -> list[str]:
    order = list(SPLITS)
    return sorted(splits, key=lambda s: (order.index(s) if s in order else len(order), s))


def _shown(ds: xr.Dataset, splits: tuple[str, ...] | None) -> tuple[str, ...]:
    present = pick.names(ds, "split")
    if splits is None:
        return tuple(s for s in MAIN_SPLITS if s in present) or present
    return tuple(pick.chosen(ds, "split", s) for s in splits)


def _curves(ds: xr.Dataset, variable: str, splits: tuple[str, ...]) -> tuple[Series, ...]:
    x = ds["step"].values.astype(float)
    curves = []
    for split in splits:
        found = pick.interval(ds.sel(split=split), variable)
        measured = np.isfinite(found.value)
        curves.append(
            Series(
                label=capital(words(split)),
                x=x[measured],
                y=found.value[measured],
                low=None if found.low is None else found.low[measured],
                high=None if found.high is None else found.high[measured],
                colour=split_of(split).colour,
                dash=split_of(split).dash,
            )
        )
    return tuple(curves)


def _shortcuts(ds: xr.Dataset, splits: tuple[str, ...]) -> tuple[Reference, ...]:
    """The best shortcut on each shown split that is not trained."""
    if "baseline" not in ds:
        return ()
    references = []
    for split in (s for s in splits if s != "train_inferred"):
        row = ds["baseline"].sel(split=split)
        if np.isfinite(row.values).any():
            best = row.isel(shortcut=int(np.nanargmax(row.values)))
            label = f"{words(split)}: shortcut by {shortcut_words(str(best['shortcut'].values))}"
            references.append(
                Reference(label=label, value=float(best), colour=split_of(split).colour)
            )
    return tuple(references)


def _events(ds: xr.Dataset) -> tuple[Event, ...]:
    grok = json.loads(ds.attrs.get("grok", "{}"))
    return tuple(
        Event(label=label, x=float(grok[key]))
        for key, label in EVENTS.items()
        if grok.get(key) is not None
    )


def _counts(ds: xr.Dataset, splits: tuple[str, ...]) -> str:
    if "n" not in ds:
        return ""
    n = ds["n"].sel(split=list(splits)).values
    return "n = " + ", ".join(
        f"{int(k):,} ({words(s)})" for s, k in zip(splits, n, strict=True) if np.isfinite(k)
    )
