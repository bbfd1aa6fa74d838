"""Figures of tuned lens, Jacobian lens and Patchscopes: what they read, how near to the output."""

from __future__ import annotations

import dataclasses

import xarray as xr

from analyses.figures.builders import pick
from analyses.figures.builders.pieces import curves_by_layer
from analyses.figures.builders.readouts import logit_lens
from analyses.figures.specs.charts import Panels, Spec
from analyses.figures.words import words

LENSES = {"kl": "tuned lens", "kl_logit_lens": "logit lens"}


def mrr(
    ds: xr.Dataset, *, step: int | None = None, split: str | None = None, target: str | None = None
) -> Spec:
    """MRR of each target at every state, through the tuned lens, at one step."""
    spec = logit_lens.mrr(ds, step=step, split=split, target=target)
    return _tuned(spec, ds, split, "What a tuned lens reads from each state")


def mrr_added(ds: xr.Dataset, *, step: int | None = None, split: str | None = None) -> Spec:
    """What the question adds to what the tuned lens reads, beyond a placebo."""
    spec = logit_lens.mrr_added(ds, step=step, split=split)
    return _tuned(spec, ds, split, "What the question adds to what a tuned lens reads")


def mrr_over_training(ds: xr.Dataset, *, step: int | None = None, split: str | None = None) -> Spec:
    """MRR of each target at its own position over training, one curve per layer."""
    spec = logit_lens.mrr_over_training(ds, step=step, split=split)
    return _tuned(spec, ds, split, "When a tuned lens reads each target")


def _tuned(spec: Spec, ds: xr.Dataset, split: str | None, title: str) -> Spec:
    note = pick.seen_by_lens(ds.sel(split=pick.chosen(ds, "split", split)))
    return dataclasses.replace(spec, title=title, subtitle=pick.subtitle(spec.subtitle, note))


def jacobian_mrr(
    ds: xr.Dataset, *, step: int | None = None, split: str | None = None, target: str | None = None
) -> Spec:
    """MRR of each target at every state, through the Jacobian lens, at one step."""
    spec = logit_lens.mrr(ds, step=step, split=split, target=target)
    return _tuned(spec, ds, split, "What each state makes the model say (Jacobian lens)")


def jacobian_mrr_over_training(
    ds: xr.Dataset, *, step: int | None = None, split: str | None = None
) -> Spec:
    """MRR of each target at its own position over training, through the Jacobian lens."""
    spec = logit_lens.mrr_over_training(ds, step=step, split=split)
    return _tuned(spec, ds, split, "When a Jacobian lens reads each target")


def patchscopes_mrr(
    ds: xr.Dataset, *, step: int | None = None, split: str | None = None, target: str | None = None
) -> Spec:
    """MRR of each target in what the model says of every state, at one step."""
    spec = logit_lens.mrr(ds, step=step, split=split, target=target)
    return dataclasses.replace(spec, title="What the model says of each state (Patchscopes)")


def patchscopes_mrr_over_training(
    ds: xr.Dataset, *, step: int | None = None, split: str | None = None
) -> Spec:
    """MRR of each target in what the model says over training, one curve per layer."""
    spec = logit_lens.mrr_over_training(ds, step=step, split=split)
    return dataclasses.replace(spec, title="When the model says what a state holds (Patchscopes)")


def divergence(
    ds: xr.Dataset,
    *,
    step: int | None = None,
    split: str | None = None,
    position: str | None = None,
) -> Spec:
    """KL divergence of both lenses from the final output over training, one curve per layer."""
    split = pick.chosen(ds, "split", split)
    position = pick.names(ds, "position")[-1] if position is None else position
    one = ds.sel(split=split, position=pick.chosen(ds, "position", position))
    return Panels(
        name="divergence",
        title=f"How near each lens is to the output at {words(position)}",
        subtitle=pick.subtitle(
            words(split), pick.number_of_examples(one), "bands: 95% intervals over examples",
            "last layer: 0 by construction", pick.seen_by_lens(one),
        ),
        panels=tuple(
            curves_by_layer(
                one, variable, name=variable, title=title, y_label="KL (nats)", y_limits=None,
                cursor=None if step is None else pick.chosen_step(ds, step),
            )
            for variable, title in LENSES.items()
        ),
        columns=2,
        provenance=pick.provenance(ds, "divergence", split=split, position=position),
    )  # fmt: skip
