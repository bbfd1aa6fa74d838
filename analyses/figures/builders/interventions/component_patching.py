"""Figures of component, path and attribution patching."""

from __future__ import annotations

import numpy as np
import xarray as xr

from analyses.figures.builders import pick
from analyses.figures.builders.circuit_discovery import edge_in_words
from analyses.figures.builders.pieces import cell_map
from analyses.figures.specs.charts import (
    HeatMap,
    Panels,
    PointGroup,
    Scatter,
    Spec,
)
from analyses.figures.words import capital, words

COMPONENTS = {
    "resid_pre": "state before the block",
    "resid_mid": "state after attention",
    "resid_post": "state after the block",
    "attn_out": "attention",
    "mlp_out": "MLP",
    "z": "head output",
    "q": "queries",
    "k": "keys",
    "v": "values",
    "pattern": "attention pattern",
}
EFFECT = "fall of the logit difference (nats)"


def effects(ds: xr.Dataset, *, step: int | None = None, split: str | None = None) -> Spec:
    """What each component carries: one row of maps per corrupted token, one map per component."""
    step = pick.chosen_step(ds, step)
    split = pick.chosen(ds, "split", split)
    now = ds.sel(step=step, split=split)
    top = float(np.ceil(max(1.0, float(ds["total"].sel(split=split).max()))))
    maps = []
    for token in pick.names(ds, "corrupted"):
        for component in pick.names(ds, "component"):
            one = now.sel(corrupted=token, component=component)
            maps.append(
                cell_map(
                    one.drop_vars([v for v in one.data_vars if not str(v).startswith("effect")]),
                    "effect",
                    name=f"{component}_{token}",
                    title=f"{capital(COMPONENTS[component])} · {words(token)}",
                    value_label=EFFECT,
                    limits=(0.0, top),
                )
            )
    return Panels(
        name="effects",
        title="What each component carries",
        subtitle=pick.subtitle(
            words(split), pick.at_step(step), pick.number_of_examples(now),
            "above each map: component and replaced token",
        ),
        panels=tuple(maps),
        columns=ds.sizes["component"],
        provenance=pick.provenance(ds, "effects", step=step, split=split),
    )  # fmt: skip


def heads(ds: xr.Dataset, *, step: int | None = None, split: str | None = None) -> Spec:
    """What each attention head's output carries: one map of head and position per token."""
    step = pick.chosen_step(ds, step)
    split = pick.chosen(ds, "split", split)
    component = pick.names(ds, "head_component")[0]
    now = ds.sel(step=step, split=split, head_component=component)
    top = float(np.ceil(max(1.0, float(np.nanmax(now["head_effect"].values)))))
    maps = tuple(_head_map(now.sel(corrupted=token), token, top) for token in
                 pick.names(ds, "corrupted"))  # fmt: skip
    return Panels(
        name="heads",
        title=f"What each head carries ({COMPONENTS[component]})",
        subtitle=pick.subtitle(words(split), pick.at_step(step), pick.number_of_examples(now)),
        panels=maps,
        columns=3,
        provenance=pick.provenance(ds, "heads", step=step, split=split),
    )


def _head_map(ds: xr.Dataset, token: str, top: float) -> HeatMap:
    ordered = ds.transpose("layer", "head", "position", ...)
    n_layers, n_heads, n_pos = (ordered.sizes[d] for d in ("layer", "head", "position"))
    value, low, high = (
        ordered[f"head_effect{end}"].values.astype(float).reshape(n_layers * n_heads, n_pos)
        for end in ("", "_low", "_high")
    )
    return HeatMap(
        name=token,
        title=f"{capital(words(token))} replaced",
        values=value,
        low=low,
        high=high,
        rows=tuple(f"{i}.{h}" for i in range(n_layers) for h in range(n_heads)),
        columns=tuple(words(p) for p in pick.names(ds, "position")),
        row_label="layer.head",
        value_label=EFFECT,
        limits=(0.0, top),
    )


def strongest_paths(
    ds: xr.Dataset, *, step: int | None = None, split: str | None = None, most: int = 12
) -> Spec:
    """The paths with the largest effect, beside their placebos."""
    step = pick.chosen_step(ds, step)
    split = pick.chosen(ds, "split", split)
    now = ds.sel(step=step, split=split).transpose("corrupted", "edge", ...)
    effect = np.nan_to_num(now["effect"].values.astype(float))
    order = np.argsort(-np.abs(effect).max(0))[:most][::-1]
    top = float(np.ceil(max(1.0, np.abs(effect).max())))
    titles = {"effect": "Token with another answer", "placebo": "Placebo: same answer"}
    maps = tuple(_path_map(now, variable, order, title, top) for variable, title in titles.items())
    return Panels(
        name="strongest_paths",
        title="The paths that carry most",
        subtitle=pick.subtitle(
            words(split), pick.at_step(step), pick.number_of_examples(now),
            "columns: the token replaced",
        ),
        panels=maps,
        columns=2,
        provenance=pick.provenance(ds, "strongest_paths", step=step, split=split),
    )  # fmt: skip


def _path_map(now: xr.Dataset, variable: str, order: np.ndarray, title: str, top: float) -> HeatMap:
    value, low, high = (
        now[variable + end].values.astype(float).T[order] for end in ("", "_low", "_high")
    )
    return HeatMap(
        name=variable,
        title=title,
        values=value,
        low=low,
        high=high,
        rows=tuple(edge_in_words(str(now["edge"].values[i])) for i in order),
        columns=tuple(words(p) for p in pick.names(now, "corrupted")),
        row_label="",
        value_label=EFFECT,
        limits=(-top, top) if np.nanmin(value) < -0.05 * top else (0.0, top),
        diverging=bool(np.nanmin(value) < -0.05 * top),
    )


def agreement(ds: xr.Dataset, *, step: int | None = None, split: str | None = None) -> Spec:
    """Attributed against measured effects, a point per component, place and token."""
    step = pick.chosen_step(ds, step)
    split = pick.chosen(ds, "split", split)
    now = ds.sel(step=step, split=split)
    panels = tuple(_agreement(now, name) for name in pick.names(ds, "estimate"))
    return Panels(
        name="agreement",
        title="How well gradients predict patching",
        subtitle=pick.subtitle(words(split), pick.at_step(step), pick.number_of_examples(now)),
        panels=panels,
        columns=2,
        provenance=pick.provenance(ds, "agreement", step=step, split=split),
    )


def _agreement(now: xr.Dataset, estimate: str) -> Scatter:
    one = now.sel(estimate=estimate)
    groups = [
        PointGroup(
            label=COMPONENTS[component],
            x=one["attribution"].sel(component=component).values.ravel().astype(float),
            y=one["patched"].sel(component=component).values.ravel().astype(float),
            colour=i,
        )
        for i, component in enumerate(pick.names(now, "component"))
    ]
    groups.append(
        PointGroup(
            label=COMPONENTS["z"],
            x=one["head_attribution"].values.ravel().astype(float),
            y=one["head_patched"].transpose(*one["head_attribution"].dims).values.ravel()
            .astype(float),
            colour=len(groups),
        )
    )  # fmt: skip
    r, rho = (float(one[name].sel(of="all")) for name in ("pearson", "spearman"))
    names = {"gradient": "Gradient", "integrated": "Integrated gradients"}
    return Scatter(
        name=estimate,
        title=f"{names[estimate]}: r = {r:.2f}, rank correlation {rho:.2f}",
        groups=tuple(groups),
        x_label="predicted fall (nats)",
        y_label="measured fall (nats)",
        diagonal=True,
    )
