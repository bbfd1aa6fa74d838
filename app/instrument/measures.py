"""From stored results to what the instrument draws, per split.

`moved` is ours, for the slanted edges of the circuit: the causal strength that a position loses in
a block, strength(l, p) - strength(l+1, p), example by example, with a normal 95% interval of that
paired difference. What a position loses in a block a later position has taken over, since the
answer is read at the last one. It is negative where a position gains hold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float

from app.instrument.packing import pack, pack_bits, pack_measure

Datasets = Mapping[str, xr.Dataset]
NORMAL_95 = 1.959964
"""Half width of a normal 95% interval in standard errors."""


def split_measures(datasets: Datasets, split: str, steps: Sequence[int]) -> dict[str, Any]:
    """Everything measured on one split, at every step of the timeline (null where missing)."""
    packed: dict[str, Any] = {}
    selected = {
        name: ds.sel(split=split).reindex(step=list(steps))
        for name, ds in datasets.items()
        if split in ds.coords["split"].values
    }
    if (lens := selected.get("logit_lens")) is not None:
        packed["lens"] = pack_measure(lens, "mrr", ("step", "target", "layer", "position"))
    if (bridge := selected.get("bridge_patching")) is not None:
        axes = ("step", "control", "layer", "position")
        packed["bridge"] = pack_measure(bridge, "success", axes)
    if (tracing := selected.get("causal_tracing")) is not None:
        packed["tracing"] = pack_measure(tracing, "strength", ("step", "layer", "position"))
        if "flip_example" in tracing:
            flips = tracing["flip_example"].transpose("step", "layer", "position", "example")
            packed["moved"] = _moved(flips.values.astype(float))
            packed["flips"] = pack_bits(np.nan_to_num(flips.values.astype(float)) > 0.5)
            packed["n"] = int(flips.sizes["example"])
    return packed


def _moved(flips: Float[np.ndarray, "step layer position example"]) -> dict[str, Any]:
    lost = flips[:, :-1] - flips[:, 1:]
    valid = np.isfinite(lost)
    n = np.maximum(valid.sum(-1), 1)
    filled = np.where(valid, lost, 0.0)
    mean = filled.sum(-1) / n
    variance = (np.where(valid, (lost - mean[..., None]) ** 2, 0.0)).sum(-1) / np.maximum(n - 1, 1)
    error = NORMAL_95 * np.sqrt(variance / n)
    mean = np.where(valid.any(-1), mean, np.nan)
    return {"value": pack(mean), "low": pack(mean - error), "high": pack(mean + error)}
