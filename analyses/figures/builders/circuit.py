"""The circuit diagram: states with what can be read there, edges with measured widths.

Causal tracing overwrites one state S[l, p] by its value for a question that differs at p alone.
Earlier positions see the same tokens in both questions, so the corrupted S[l+1, p] is what block l
makes of the corrupted S[l, p] in the clean context. Two quantities follow, and only these are
drawn:

1. *carried*: overwriting S[l+1, p] is cutting the one edge S[l, p] -> S[l+1, p]. The edge into a
   state is as wide as the strength of that state.
2. *read*: strength(S[l, p]) - strength(S[l+1, p]) is the share of answers that change only if the
   later positions too see the corrupted S[l, p] in block l: what they read there through attention
   and get nowhere later. The last but one position has a single reader; the readers of earlier
   positions are not distinguished, and the edge ends between the columns.

Strength counts every answer that is not right, with the patch or without. At a position that
nothing reads any more, S[depth, p] shows the share of wrong answers without a patch. It is
subtracted, so that a width is the net share of right answers lost, and 0 where nothing can be lost.

A read edge is drawn if the 95% interval of the paired differences lies above zero. Colours are the
logit lens: the target with the highest MRR, if that is at least `readable`. States that cannot
reach the answer are hatched: what is read there, nothing uses (`analyses.usable`).
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import xarray as xr

from analyses.figures.builders import pick
from analyses.figures.builders.pieces import flip_shares, paired_bounds
from analyses.figures.specs.charts import CircuitDiagram, DrawnEdge, DrawnNode, Spec
from analyses.figures.words import words
from analyses.usable import CANNOT_REACH, usable_states
from circuits.errors import HopscopeError

READABLE = 0.1
FAINTEST = 0.02
"""Strength below which a carried edge is not drawn."""

LEGEND = (
    ("carried", "width: right answers lost when the state is replaced"),
    ("read", "width: of these, lost through later positions in this block"),
)


def circuit_dataset(tracing: xr.Dataset, lens: xr.Dataset | None = None) -> xr.Dataset:
    """Causal tracing and logit lens as one result, at the steps, splits and states of both."""
    wanted = ("strength", "flip", "drawn", "clean_accuracy")
    kept = [v for v in tracing.data_vars if str(v).startswith(wanted)]
    parts = [tracing[kept + [v for v in ("n", "n_valid") if v in tracing]]]
    records = {"causal_tracing": tracing.attrs.get("provenance")}
    if lens is not None:
        # In a sentence tracing, which replaces names, has no state where the answer is predicted.
        parts = [parts[0].reindex(position=lens["position"])]
        parts.append(lens[["mrr"]].reset_coords(drop=True))
        records["logit_lens"] = lens.attrs.get("provenance")
    merged = xr.merge(parts, join="inner", compat="override", combine_attrs="drop")
    if not merged.sizes["step"] or not merged.sizes["split"]:
        raise HopscopeError(
            "causal_tracing and logit_lens have no step and split in common; "
            "run `hopscope analyze RUN causal_tracing logit_lens` on the same steps and splits."
        )
    read = {k: json.loads(v) if isinstance(v, str) else v for k, v in records.items()}
    merged.attrs = {
        "analysis": "circuit",
        "options": tracing.attrs.get("options", ""),
        "provenance": json.dumps(read),
    }
    return merged


def circuit(
    ds: xr.Dataset,
    *,
    step: int | None = None,
    split: str | None = None,
    tokens: tuple[str, ...] = (),
) -> Spec:
    """The circuit at one step.

    Args:
        ds: Result of `circuit_dataset`, or of causal tracing alone.
        step: None: the last one.
        split: None: the first one.
        tokens: Names shown under the columns instead of the positions.
    """
    step = pick.chosen_step(ds, step)
    split = pick.chosen(ds, "split", split)
    now = ds.sel(step=step, split=split)
    targets = pick.names(ds, "target") if "mrr" in ds else ()
    return CircuitDiagram(
        name="circuit",
        title=f"The circuit at step {step:,}",
        subtitle=pick.subtitle(
            words(split),
            pick.number_of_examples(now),
            "fill: what the logit lens reads there, with its MRR" if targets else "",
            pick.hatched_note(now) if targets else "",
            "pale rims: 95% intervals",
        ),
        positions=pick.names(ds, "position"),
        depth=ds.sizes["layer"] - 1,
        nodes=tuple(_nodes(now, targets)),
        edges=tuple(_edges(now)),
        targets=targets,
        tokens=tokens,
        hatched_label=CANNOT_REACH,
        readable=READABLE,
        strength_label="share of right answers lost",
        legend=LEGEND,
        provenance=pick.provenance(ds, "circuit", step=step, split=split),
    )


def _grid(ds: xr.Dataset, variable: str) -> np.ndarray:
    """`variable` as [layer, position]; NaN where the result does not have it."""
    if variable not in ds:
        return np.full((ds.sizes["layer"], ds.sizes["position"]), np.nan)
    return ds[variable].transpose("layer", "position").values.astype(float)


def _nodes(ds: xr.Dataset, targets: tuple[str, ...]) -> list[DrawnNode]:
    strength, low, high = (_grid(ds, f"strength{end}") for end in ("", "_low", "_high"))
    mrr = {t: _grid(ds.sel(target=t), "mrr") for t in targets}
    usable = usable_states(len(strength) - 1, strength.shape[1])
    nodes = []
    for layer, position in np.ndindex(strength.shape):
        readings = {t: float(grid[layer, position]) for t, grid in mrr.items()}
        finite = {t: v for t, v in readings.items() if v >= READABLE}
        nodes.append(
            DrawnNode(
                layer=layer,
                position=position,
                readings=readings,
                reading=max(finite, key=lambda t: finite[t]) if finite else None,
                usable=bool(usable[layer, position]),
                strength=float(strength[layer, position]),
                low=float(low[layer, position]),
                high=float(high[layer, position]),
            )
        )
    return nodes


def _wrong_anyway(ds: xr.Dataset, strength: np.ndarray) -> np.ndarray:
    """Share of answers that are wrong without a patch, by position."""
    wrong = strength[-1].copy()
    if "clean_accuracy" in ds:
        wrong[-1] = 1 - float(ds["clean_accuracy"])
    else:
        wrong[-1] = np.nanmean(wrong[:-1]) if np.isfinite(wrong[:-1]).any() else 0.0
    return wrong


def _edges(ds: xr.Dataset) -> list[DrawnEdge]:
    strength, low, high = (_grid(ds, f"strength{end}") for end in ("", "_low", "_high"))
    read = _read_edges(ds, strength)
    wrong = _wrong_anyway(ds, strength)
    strength, low, high = (np.maximum(v - wrong, 0.0) for v in (strength, low, high))
    depth, last = strength.shape[0] - 1, strength.shape[1] - 1
    edges = []
    for layer, p in np.ndindex(strength.shape):
        value = float(strength[layer, p])
        measured: dict[str, Any] = {
            "strength": value,
            "low": float(low[layer, p]),
            "high": float(high[layer, p]),
            "shown": value >= FAINTEST,
        }
        source = None if layer == 0 else (layer - 1, p)
        edges.append(DrawnEdge(kind="carried", source=source, target=(layer, p), **measured))
        if (layer, p) == (depth, last):
            edges.append(DrawnEdge(kind="output", source=(layer, p), target=None, **measured))
    return edges + read


def _read_edges(ds: xr.Dataset, strength: np.ndarray) -> list[DrawnEdge]:
    """Drops of strength from one layer to the next, for all positions except the last."""
    drop = strength[:-1] - strength[1:]
    low, high = np.full(drop.shape, np.nan), np.full(drop.shape, np.nan)
    if "flip_example" in ds:
        flips = flip_shares(ds)
        low, high = paired_bounds(drop, flips[:, :-1] - flips[:, 1:])
    last = strength.shape[1] - 1
    return [
        DrawnEdge(
            kind="read",
            source=(layer, p),
            target=(layer + 1, last) if p == last - 1 else None,
            strength=float(drop[layer, p]),
            low=float(low[layer, p]),
            high=float(high[layer, p]),
            shown=bool(drop[layer, p] >= FAINTEST and not low[layer, p] <= 0),
        )
        for layer, p in np.ndindex(drop.shape)
        if p < last
    ]
