"""Figures of the local learning coefficient: over training, by head, and how its chains went."""

from __future__ import annotations

import numpy as np
import xarray as xr

from analyses.figures.builders import pick
from analyses.figures.builders.pick import interval, names
from analyses.figures.specs.charts import Bars, BarSeries, Lines, Panels, Series, Spec

WHOLE = "all weights"
NAME = "local learning coefficient"


def coefficients(ds: xr.Dataset, *, step: int | None = None) -> Spec:
    """Local learning coefficient of all weights and of every head, at one step."""
    step = pick.chosen_step(ds, step)
    now = ds.isel(split=0).sel(step=step)
    heads = [part for part in names(ds, "part") if part != WHOLE]
    groups = {WHOLE: [WHOLE], "each head, all other weights held": heads}
    return Panels(
        name="coefficients",
        title="How many directions the loss feels",
        subtitle=pick.subtitle(
            pick.at_step(step), f"loss {float(now['loss']):.2g} nats", _settings(ds),
            "95% intervals over chains",
        ),
        panels=tuple(_bars(now, title, parts) for title, parts in groups.items() if parts),
        columns=2,
        provenance=pick.provenance(ds, "coefficients", step=step),
    )  # fmt: skip


def coefficient_over_training(ds: xr.Dataset, *, step: int | None = None) -> Spec:
    """Local learning coefficient of all weights over training, with each chain."""
    one = ds.isel(split=0).sel(part=WHOLE).transpose("step", ...)
    found, x = interval(one, "coefficient"), ds["step"].values.astype(float)
    mean = Series(label=WHOLE, x=x, y=found.value, low=found.low, high=found.high)
    chains = one["coefficient_chain"].transpose("chain", "step").values.astype(float)
    single = tuple(
        Series(label=f"chain {i + 1}", x=x, y=values, colour=1 + i, dash="dot")
        for i, values in enumerate(chains)
    )
    return Lines(
        name="coefficient_over_training",
        title="Local learning coefficient over training",
        subtitle=pick.subtitle(_settings(ds), "band: 95% interval over chains"),
        series=(mean, *single),
        y_label=NAME,
        cursor=None if step is None else float(pick.chosen_step(ds, step)),
        provenance=pick.provenance(ds, "coefficient_over_training"),
    )


def chains(ds: xr.Dataset, *, step: int | None = None) -> Spec:
    """Loss along the chains of all weights at one step: have they settled?"""
    step = pick.chosen_step(ds, step)
    now = ds.isel(split=0).sel(step=step, part=WHOLE)
    trace = now["loss_trace"].transpose("chain", "draw").values.astype(float)
    x = np.arange(trace.shape[1], dtype=float)
    start = float(now["loss"])
    series = tuple(
        Series(label=f"chain {i + 1}", x=x, y=values, colour=i) for i, values in enumerate(trace)
    )
    point = Series(
        label="the checkpoint itself", x=x, y=np.full(len(x), start), colour=len(series),
        dash="dash",
    )  # fmt: skip
    return Lines(
        name="chains",
        title="Have the chains settled?",
        subtitle=pick.subtitle(pick.at_step(step), _settings(ds)),
        series=(*series, point),
        x_label="step of the chain, burn-in first",
        y_label="loss (nats)",
        provenance=pick.provenance(ds, "chains", step=step),
    )


def _settings(ds: xr.Dataset) -> str:
    """What the number depends on."""
    options = pick.provenance(ds, "")["options"] or {}
    options = {**options, "n_beta": ds["coefficient"].attrs["n_beta"]}
    found = [f"{key} {options[key]:.4g}" for key in ("lr", "n_beta", "localization")]
    return ", ".join([*found, f"{ds.sizes['chain']} chains"])


def _bars(ds: xr.Dataset, title: str, parts: list[str]) -> Bars:
    found = interval(ds.sel(part=parts), "coefficient")
    return Bars(
        name=title,
        title=title,
        categories=tuple(part.removeprefix("head ") for part in parts),
        series=(BarSeries(label=NAME, values=found.value, low=found.low, high=found.high),),
        y_label=NAME,
    )
