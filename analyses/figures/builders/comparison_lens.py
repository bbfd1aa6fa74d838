"""Figures of the comparison task's lens; its tracing uses those of causal tracing."""

from __future__ import annotations

import dataclasses

import xarray as xr

from analyses.figures.builders import logit_lens
from analyses.figures.specs.charts import Spec


def mrr(
    ds: xr.Dataset, *, step: int | None = None, split: str | None = None, target: str | None = None
) -> Spec:
    """MRR of both values and of the label at every state, at one step."""
    spec = logit_lens.mrr(ds, step=step, split=split, target=target)
    return dataclasses.replace(spec, title="Where the two values and the label can be read")


def mrr_over_training(ds: xr.Dataset, *, step: int | None = None, split: str | None = None) -> Spec:
    """MRR of each at its own position over training, one curve per layer."""
    spec = logit_lens.mrr_over_training(ds, step=step, split=split)
    return dataclasses.replace(spec, title="When the two values and the label become readable")
