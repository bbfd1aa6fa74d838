"""Arrays as compact JSON: thousandths in flat lists, sets of examples as bits."""

from __future__ import annotations

import base64
from typing import Any, Literal

import numpy as np
import xarray as xr
from jaxtyping import Float, Integer

from app.instrument.packed_fields import Packed, PackedBytes, PackedMeasure


def pack(values: Float[np.ndarray, "*axes"]) -> Packed:
    """Values in thousandths, row-major, null where there is none.

    A value that is shown with two digits is rounded again, so that only an exact half may end in 5:
    .8648 is sent as 864 and .8652 as 866, and they are shown as .86 and .87.

    >>> pack(np.array([0.5, 0.8648, 0.865, 0.8652, np.nan]))["values"]
    [500, 864, 865, 866, None]
    """
    flat = np.asarray(values, dtype=float).ravel()
    known = np.isfinite(flat)
    exact = np.where(known, flat, 0) * 1000
    nearest = np.round(exact)
    missed = np.where(nearest % 10 == 5, np.sign(exact - nearest), 0)
    thousandths = (nearest + missed).astype(int).tolist()
    if not known.all():
        thousandths = [v if k else None for v, k in zip(thousandths, known, strict=True)]
    return {"shape": list(np.shape(values)), "values": thousandths}


def pack_measure(ds: xr.Dataset, name: str, axes: tuple[str, ...], n: str = "n") -> PackedMeasure:
    """A variable with its `_low` and `_high`, where it has them, transposed to `axes`.

    Args:
        ds: The result on one split.
        name: The variable.
        axes: Its axes, in the order in which they are packed.
        n: The variable with its number of questions, if there is no `<name>_n`.
    """
    packed: PackedMeasure = {"value": pack(ds.variables[name].transpose(*axes).values)}
    bounds: tuple[Literal["low", "high"], ...] = ("low", "high")
    for bound in bounds:
        if f"{name}_{bound}" in ds:
            packed[bound] = pack(ds.variables[f"{name}_{bound}"].transpose(*axes).values)
    counts = next((ds.variables[of] for of in (f"{name}_n", n) if of in ds), None)
    if counts is not None:
        there = [axis for axis in axes if axis in counts.dims]
        values = counts.transpose(*there).values
        shape = [counts.sizes[axis] if axis in there else 1 for axis in axes]
        packed["n"] = pack(_fewest(values.reshape(shape).astype(float)))
    return packed


def _fewest(values: Float[np.ndarray, "*axes"]) -> Float[np.ndarray, "*axes"]:
    """The values once along every axis along which they do not change."""
    for axis in range(values.ndim):
        first = values.take([0], axis) if values.shape[axis] else values
        if np.array_equal(np.broadcast_to(first, values.shape), values, equal_nan=True):
            values = first
    return values


def pack_bits(bits: np.ndarray) -> PackedBytes:
    """Booleans of any shape as base64 of packed bits, row-major, first bit highest."""
    packed = np.packbits(np.asarray(bits, dtype=bool).ravel())
    return {"shape": list(bits.shape), "base64": base64.b64encode(packed.tobytes()).decode()}


def pack_integers(values: Integer[np.ndarray, "*axes"]) -> PackedBytes:
    """Small whole numbers of any shape as base64 of their little-endian bytes, row-major."""
    data = base64.b64encode(np.ascontiguousarray(values).tobytes()).decode()
    return {"shape": list(values.shape), "base64": data}


def curve(values: Any) -> list[float | None]:
    """A short list of floats for JSON, null where there is none."""
    return [float(f"{v:.5g}") if np.isfinite(v) else None for v in np.asarray(values, dtype=float)]
