"""Figures of probes: where the bridge is linearly decodable, how similar its states are, and
maps."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import xarray as xr

from analyses.figures.builders import pick
from analyses.figures.builders.pieces import cell_map, curves, curves_by_layer, place
from analyses.figures.specs.charts import Panels, PointGroup, Scatter, Spec
from analyses.figures.words import words
from analyses.usable import CANNOT_REACH

LABELS = {"bridge": "probe for the bridge", "shuffled": "control: shuffled bridges"}
GEOMETRY = {
    "cohesion": "same bridge, other first hop",
    "alignment": "centroid of the same bridge",
    "cosine_embedding": "embedding of the bridge",
    "cosine_unembedding": "unembedding of the bridge",
}
OTHERS = {
    "cohesion": "other bridges",
    "alignment": "other bridges",
    "cosine_embedding": "all other entities",
    "cosine_unembedding": "all other entities",
}
"""What the `_other` baseline of each is the mean over."""
SHARE = "held-out accuracy"


def probe_accuracy(ds: xr.Dataset, *, step: int | None = None, split: str | None = None) -> Spec:
    """Held-out accuracy of the bridge probe at every state, beside shuffled labels."""
    step, split = pick.chosen_step(ds, step), pick.chosen(ds, "split", split)
    now = ds.sel(step=step, split=split)
    return Panels(
        name="probe_accuracy",
        title="Where the bridge is linearly decodable",
        subtitle=pick.subtitle(
            words(split), pick.at_step(step), pick.number_of_examples(now), pick.hatched_note(now)
        ),
        panels=tuple(
            cell_map(now.sel(labels=k), "accuracy", name=k, title=title, value_label=SHARE)
            for k, title in LABELS.items()
        ),
        columns=2,
        provenance=pick.provenance(ds, "probe_accuracy", step=step, split=split),
    )


def probe_accuracy_over_training(
    ds: xr.Dataset,
    *,
    step: int | None = None,
    split: str | None = None,
    position: str = "relation_1",
) -> Spec:
    """Held-out accuracy of the bridge probe over training, one curve per layer."""
    split = pick.chosen(ds, "split", split)
    position = pick.chosen(ds, "position", position)
    one = ds.sel(split=split)
    return Panels(
        name="probe_accuracy_over_training",
        title=f"How the bridge becomes decodable at {words(position)}",
        subtitle=pick.subtitle(
            words(split), pick.number_of_examples(one), "bands: 95% intervals over examples"
        ),
        panels=tuple(
            curves_by_layer(
                one.sel(labels=k, position=position), "accuracy", name=k, title=title,
                y_label=SHARE, cursor=None if step is None else pick.chosen_step(ds, step),
            )
            for k, title in LABELS.items()
        ),
        columns=2,
        provenance=pick.provenance(
            ds, "probe_accuracy_over_training", split=split, position=position
        ),
    )  # fmt: skip


def geometry(ds: xr.Dataset, *, step: int | None = None, split: str | None = None) -> Spec:
    """Cosine of every state to states with the same bridge and to the bridge's embeddings."""
    step, split = pick.chosen_step(ds, step), pick.chosen(ds, "split", split)
    now = ds.sel(step=step, split=split)
    return Panels(
        name="geometry",
        title="What the bridge's states are close to",
        subtitle=pick.subtitle(
            words(split), pick.at_step(step), pick.number_of_examples(now), pick.hatched_note(now)
        ),
        panels=tuple(
            cell_map(
                now, v, name=v, title=f"cosine to {to}", value_label="cosine", limits=(-1.0, 1.0)
            )
            for v, to in GEOMETRY.items()
        ),
        columns=4,
        provenance=pick.provenance(ds, "geometry", step=step, split=split),
    )


def geometry_over_training(
    ds: xr.Dataset,
    *,
    step: int | None = None,
    split: str | None = None,
    layer: int | None = None,
    position: str = "relation_1",
) -> Spec:
    """The same cosines at one state over training, dashed: to others than the bridge."""
    split = pick.chosen(ds, "split", split)
    position = pick.chosen(ds, "position", position)
    layers = ds["layer"].values
    layer = int(layers[max(0, len(layers) - 2)] if layer is None else layer)
    one = ds.sel(split=split, layer=pick.chosen(ds, "layer", layer), position=position)
    usable = "usable" not in one.coords or bool(one["usable"])
    labels: dict[str, str] = {}
    for variable, to in GEOMETRY.items():
        labels[variable] = to
        labels[f"{variable}_other"] = f"{to}: {OTHERS[variable]}"
    return curves(
        one,
        labels,
        dashed=tuple(v for v in labels if v.endswith("_other")),
        name="geometry_over_training",
        title=f"What {place(layer, position)} is close to",
        subtitle=pick.subtitle(
            words(split),
            pick.number_of_examples(one),
            "bands: 95% intervals over examples",
            "" if usable else CANNOT_REACH,
        ),
        y_label="cosine",
        cursor=None if step is None else pick.chosen_step(ds, step),
        provenance=pick.provenance(
            ds, "geometry_over_training", split=split, layer=layer, position=position
        ),
    )


def state_map(ds: xr.Dataset, *, step: int | None = None, split: str | None = None) -> Spec:
    """States of the most frequent bridges on two principal components, one map per split."""
    note = "in brackets: share of the variance of these bridges' trained states"
    return _maps(ds, "state_map", "Map of bridge states", _scatter, step, split, note)


def state_map_mds(ds: xr.Dataset, *, step: int | None = None, split: str | None = None) -> Spec:
    """The same states by multidimensional scaling of their distances, one map per split."""
    title = "Map of bridge states by their distances (MDS)"
    return _maps(ds, "state_map_mds", title, _scaled, step, split)


def _maps(
    ds: xr.Dataset,
    name: str,
    title: str,
    draw: Callable[[xr.Dataset, str], Scatter],
    step: int | None,
    split: str | None,
    note: str = "",
) -> Spec:
    step = pick.chosen_step(ds, step)
    splits = pick.names(ds, "split") if split is None else (pick.chosen(ds, "split", split),)
    now = ds.sel(step=step)
    maps = tuple(draw(now.sel(split=s), s) for s in splits)
    where = ds["map_state"].attrs
    state = place(where["layer"], where["position"]) if "layer" in where else ""
    if state and "usable" in ds.coords:
        usable = ds["usable"].sel(layer=int(where["layer"]), position=where["position"])
        state += "" if bool(usable) else f", {CANNOT_REACH}"
    return Panels(
        name=name,
        title=title,
        subtitle=pick.subtitle(state, pick.at_step(step), note),
        panels=tuple(p for p in maps if p.frame().shape[0]) or maps[:1],
        columns=3,
        provenance=pick.provenance(ds, name, step=step, split=split),
    )


def _scatter(ds: xr.Dataset, split: str) -> Scatter:
    explained = ds["map_explained"].values
    groups = _points(ds, "map_state")
    return Scatter(
        name=split,
        title=words(split),
        subtitle=f"n = {sum(len(g.x) for g in groups)}",
        groups=groups,
        x_label=f"component 1 ({explained[0]:.0%})",
        y_label=f"component 2 ({explained[1]:.0%})",
        equal_axes=True,
    )


def _scaled(ds: xr.Dataset, split: str) -> Scatter:
    groups = _points(ds, "map_mds")
    return Scatter(
        name=split,
        title=words(split),
        subtitle=f"n = {sum(len(g.x) for g in groups)}, stress {float(ds['map_stress']):.2f}",
        groups=groups,
        x_label="distances in the model's units",
        equal_axes=True,
    )


def _points(ds: xr.Dataset, variable: str) -> tuple[PointGroup, ...]:
    groups = []
    for i, bridge in enumerate(pick.names(ds, "map_bridge")):
        points = ds[variable].isel(map_bridge=i).transpose("map_point", "axis").values
        points = points[np.isfinite(points[:, 0])].astype(float)
        groups.append(PointGroup(label=bridge, x=points[:, 0], y=points[:, 1], colour=i))
    return tuple(groups)
