"""From stored results to what the instrument draws, per split.

The width of an edge is `changed` of causal tracing: the share of questions whose top answer changes
when the state is swapped. (The paper's `strength`, the share whose top answer is no longer right,
is close to 1 anyway while the model knows little.)

`moved` is our own measure, for the slanted edges of the circuit: how much of `changed` a position
loses in a block, changed(l, p) - changed(l+1, p). A later position has taken over what it loses,
because the answer is read at the last one; `moved` is negative where a position gains. Its interval
treats the two numbers as independent, which makes it wider than that of the paired difference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float

from app.instrument.fields import PackedMeasure, SplitMeasures
from app.instrument.packing import pack, pack_bits, pack_measure

Datasets = Mapping[str, xr.Dataset]
DRAWN = ("logit_lens", "causal_tracing", "bridge_patching")
STATE_AXES = ("step", "layer", "position")
LENS_AXES = ("step", "target", "layer", "position")
BRIDGE_AXES = ("step", "control", "layer", "position")


def split_measures(
    datasets: Datasets, split: str, steps: Sequence[int], roles: Sequence[str] | None = None
) -> SplitMeasures:
    """Everything measured on one split, at every step of the timeline (null where missing).

    Args:
        datasets: Results by core analysis.
        split: The split.
        steps: Those of the timeline.
        roles: Positions in their order; None: those of the results.
    """
    packed: SplitMeasures = {}
    drawn = {name: ds for name, ds in datasets.items() if name in DRAWN}
    positions = roles or measured_positions(drawn)
    selected = {
        name: _aligned(ds.sel(split=split), steps, positions)
        for name, ds in drawn.items()
        if split in ds.coords["split"].values
    }
    lens, tracing = selected.get("logit_lens"), selected.get("causal_tracing")
    if lens is not None:
        packed["lens"] = pack_measure(lens, "mrr", LENS_AXES)
        if "mrr_added" in lens:  # older results lack it
            packed["added"] = pack_measure(lens, "mrr_added", LENS_AXES)
    if (bridge := selected.get("bridge_patching")) is not None:
        packed["bridge"] = pack_measure(bridge, "success", BRIDGE_AXES, "n_valid")
    if tracing is not None:
        packed["tracing"] = pack_measure(tracing, "changed", STATE_AXES, "n_valid")
        packed["moved"] = _moved(tracing)
        packed |= _examples(tracing, lens)
    return packed


def measured_positions(drawn: Datasets) -> list[str]:
    """The positions of the drawn result that has most."""
    known: list[list[str]] = [ds["position"].values.tolist() for ds in drawn.values()]
    return max(known, key=len, default=[])


def _aligned(ds: xr.Dataset, steps: Sequence[int], positions: Sequence[str]) -> xr.Dataset:
    """A result at every step and position; tracing has none where a sentence's answer follows."""
    places = (ds["position"].values.tolist(), ds["step"].values.tolist())
    if places == (list(positions), list(steps)):
        return ds
    missing = {"n_valid": 0, "flip_example": -1}
    fill: dict[Any, Any] = {name: missing.get(str(name), np.nan) for name in ds.data_vars}
    return ds.reindex(position=list(positions), fill_value=fill).reindex(step=list(steps))


def example_rows(result: xr.Dataset | None, split: str) -> list[int]:
    """Rows of a result's questions in their split, in the order of the packed bits."""
    if result is None or split not in result.coords["split"].values:
        return []
    rows = result["example_row"].sel(split=split).values
    return [int(row) for row in rows if row >= 0]


def _moved(tracing: xr.Dataset) -> PackedMeasure:
    value, low, high = (
        tracing[name].transpose(*STATE_AXES).values
        for name in ("changed", "changed_low", "changed_high")
    )

    def lost(x: Float[np.ndarray, "step layer pos"]) -> Float[np.ndarray, "step edge pos"]:
        return x[:, :-1] - x[:, 1:]

    def both(x: Float[np.ndarray, "step layer pos"]) -> Float[np.ndarray, "step edge pos"]:
        return np.hypot(x[:, :-1], x[:, 1:])

    half = both((high - low) / 2)
    return {
        "value": pack(lost(value)),
        "low": pack(lost(value) - half),
        "high": pack(lost(value) + half),
    }


def _examples(tracing: xr.Dataset, lens: xr.Dataset | None) -> SplitMeasures:
    """Bits per question: does any swap leave it not right, was one found, was it right before?

    Without the lens, what was right before is told by the last state of the first position, which
    nothing reads: a swap leaves the answer as it was.
    """
    kept = tracing["example_row"].values >= 0
    flips = tracing["flip_example"].transpose("step", "layer", "position", "example").values
    flips = np.nan_to_num(flips, nan=-1)[..., kept]
    found: SplitMeasures = {
        "flips": pack_bits(flips > 0),
        "drawn": pack_bits((flips >= 0).any((0, 1))),
        "right": pack_bits(flips[:, -1, 0] == 0),
    }
    if lens is not None and np.array_equal(
        lens["example_row"].values, tracing["example_row"].values
    ):
        last = {"layer": -1, "position": -1}
        rank = lens["rank_example"].sel(target="answer").isel(last).transpose("step", "example")
        found["right"] = pack_bits(rank.values[:, kept] == 0)
    return found
