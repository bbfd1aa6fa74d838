"""Figures of the crosscoder: do single features name the bridge, and when are they born?"""

from __future__ import annotations

import numpy as np
import xarray as xr

from analyses.figures.builders import pick
from analyses.figures.builders.pick import interval, names
from analyses.figures.builders.pieces import place
from analyses.figures.specs.charts import Bars, BarSeries, HeatMap, Lines, Panels, Series, Spec
from analyses.figures.words import BROWN, ORANGE, PINK, capital

KINDS = {
    "feature": "best\nfeature",
    "probe": "linear\nprobe",
    "shuffled": "shuffled\nbridges",
}
SCORES = {"auroc": "AUROC", "average_precision": "average precision"}
MOST_ROWS = 30
"""Most bridges in the map of features."""


def features_and_probe(ds: xr.Dataset, *, step: int | None = None) -> Spec:
    """How well the best feature names each bridge, beside a linear probe and shuffled bridges."""
    found = ds["found"].item()
    return Panels(
        name="features_and_probe",
        title="Do sparse features find the bridge?",
        subtitle=pick.subtitle(
            _site(ds), f"{ds.sizes['bridge']} bridges", f"found by a feature: {found:.0%}",
            "95% intervals over bridges",
        ),
        panels=tuple(_bars(ds, score, words) for score, words in SCORES.items()),
        columns=2,
        provenance=pick.provenance(ds, "features_and_probe"),
    )  # fmt: skip


def births(ds: xr.Dataset, *, step: int | None = None) -> Spec:
    """Features of bridges and of everything that are born by each checkpoint, beside the probe."""
    x = ds["step"].values.astype(float)
    probe = interval(ds, "probe_auroc")
    n, every = (int(ds[name].attrs["n"]) for name in ("born", "all_born"))
    series = [
        Series(label=f"born: all {every} living features", x=x, y=_shares(ds, "all_born"),
               colour=BROWN),
        Series(label="AUROC of a probe of this checkpoint", x=x, y=probe.value, low=probe.low,
               high=probe.high, colour=PINK, dash="dash"),
    ]  # fmt: skip
    if n:
        label = f"born: the {n} features of found bridges"
        series.insert(0, Series(label=label, x=x, y=_shares(ds, "born"), colour=ORANGE))
    return Lines(
        name="births",
        title="When features are born",
        subtitle=pick.subtitle(
            _site(ds), "born: its decoder has half of its highest norm",
            "band: 95% interval over bridges",
        ),
        series=tuple(series),
        y_label="share, AUROC",
        y_limits=(0.0, 1.0),
        cursor=None if step is None else float(pick.chosen_step(ds, step)),
        provenance=pick.provenance(ds, "births"),
    )  # fmt: skip


def bridge_features(ds: xr.Dataset, *, step: int | None = None) -> Spec:
    """Strength over training of the features that name a bridge best, the first-born below."""
    precision = ds["average_precision_bridge"].sel(kind="feature").values
    best = np.argsort(-precision, kind="stable")[:MOST_ROWS]
    feature = ds["feature_of"].values.astype(int)
    birth = ds["birth"].values[feature]
    rows = best[np.argsort(np.nan_to_num(birth[best], nan=np.inf), kind="stable")]
    steps = [int(s) for s in ds["step"].values]
    return HeatMap(
        name="bridge_features",
        title="Features that name a bridge",
        subtitle=pick.subtitle(
            _site(ds), "in brackets: average precision on held-out prompts",
            f"the {len(rows)} best of {ds.sizes['bridge']} bridges",
        ),
        values=ds["decoder_norm"].transpose("feature", "step").values[feature[rows]].astype(float),
        rows=tuple(f"{names(ds, 'bridge')[i]} ({precision[i]:.2f})" for i in rows),
        columns=tuple(f"{s:,}" for s in steps),
        places=np.array(steps, float),
        row_label="",
        column_label="training step",
        value_label="decoder norm over its highest",
        cursor=None if step is None else steps.index(pick.chosen_step(ds, step)),
        provenance=pick.provenance(ds, "bridge_features"),
    )  # fmt: skip


def _site(ds: xr.Dataset) -> str:
    where = ds["feature_of"].attrs
    return place(where["layer"], where["position"])


def _shares(ds: xr.Dataset, name: str) -> np.ndarray:
    return ds[name].values.astype(float)


def _bars(ds: xr.Dataset, score: str, words: str) -> Bars:
    found = interval(ds.sel(kind=list(KINDS)), score)
    return Bars(
        name=score,
        title=capital(words),
        categories=tuple(KINDS.values()),
        series=(
            BarSeries(
                label="mean over bridges", values=found.value, low=found.low, high=found.high,
                colour=ORANGE,
            ),
        ),
        y_label=words,
        y_limits=(0.0, 1.0),
    )  # fmt: skip
