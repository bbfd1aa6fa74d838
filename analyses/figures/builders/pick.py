"""Selecting steps, splits and cells of a result by name, and describing the selection."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float

from analyses.figures.words import FIRST_SPLIT, words
from analyses.usable import CANNOT_REACH
from circuits.errors import HopscopeError, unknown_name

Z_95 = 1.959964
"""Half-width of a 95% normal interval in standard errors."""


@dataclass(frozen=True)
class Measured:
    """A value with its 95% interval; the bounds are None where the result has none."""

    value: Float[np.ndarray, " ..."]
    low: Float[np.ndarray, " ..."] | None
    high: Float[np.ndarray, " ..."] | None


def chosen_step(ds: xr.Dataset, step: int | None) -> int:
    """`step` if the result has it, the last step if it is None."""
    steps = [int(s) for s in np.atleast_1d(ds["step"].values)]
    if not steps:
        raise HopscopeError("this result holds no step yet; run `hopscope analyze RUN` first.")
    if step is None:
        return steps[-1]
    if step not in steps:
        nearest = min(steps, key=lambda s: abs(s - step))
        raise HopscopeError(
            f"this result has no step {step}; it has {len(steps)} from {steps[0]} to {steps[-1]}, "
            f"the nearest is {nearest}."
        )
    return step


def chosen(ds: xr.Dataset, dim: str, value: Any) -> Any:
    """`value` if `dim` has it; if it is None, ID test among splits, and else the first one."""
    names = list(ds[dim].values)
    if value is None:
        return FIRST_SPLIT if dim == "split" and FIRST_SPLIT in names else names[0]
    if value not in names:
        raise unknown_name(dim, str(value), [str(n) for n in names])
    return value


def names(ds: xr.Dataset, dim: str) -> tuple[str, ...]:
    """The names along `dim`, as text."""
    return tuple(str(v) for v in ds[dim].values)


def interval(ds: xr.Dataset, variable: str) -> Measured:
    """`variable` with `variable_low` and `variable_high`."""
    low, high = f"{variable}_low", f"{variable}_high"
    return Measured(
        ds[variable].values.astype(float),
        ds[low].values.astype(float) if low in ds else None,
        ds[high].values.astype(float) if high in ds else None,
    )


def number_of_examples(ds: xr.Dataset) -> str:
    """ "n = 300", or a range where it differs between what is shown; "" if not recorded.

    Counts the drawn examples that have a value: some have no corruption or no donor.
    """
    counts = next((ds[v].values.astype(float) for v in ("n_valid", "n") if v in ds), np.array([]))
    n = counts[np.isfinite(counts)].astype(int)
    if not n.size:
        return ""
    lowest, highest = int(n.min()), int(n.max())
    return f"n = {lowest:,}" if lowest == highest else f"n = {lowest:,} to {highest:,}"


def seen_by_lens(ds: xr.Dataset) -> str:
    """A warning if the lens was trained on first hops that are asked about; else ""."""
    seen = float(ds["lens_seen"].max()) if "lens_seen" in ds else 0.0
    return f"the lens was trained on {seen:.0%} of these first hops" if seen > 0 else ""


def hatched_note(ds: xr.Dataset) -> str:
    """What hatching means, if the result has states that are not usable; else ""."""
    some = "usable" in ds.coords and not bool(ds["usable"].all())
    return f"hatched: {CANNOT_REACH}" if some else ""


SPANS = {
    "all": "all tokens of each name",
    "after": "the tokens after each name",
    "through": "each name and the tokens after it",
}


def span_note(ds: xr.Dataset) -> str:
    """Which tokens of each role were read or replaced, unless its last one."""
    options = _record(ds.attrs.get("options")) or {}
    return SPANS.get(str(options.get("span")), "")


def subtitle(*parts: str) -> str:
    """The parts that are not empty, joined by dots."""
    return " · ".join(part for part in parts if part)


def at_step(step: int) -> str:
    """ "step 3,000"."""
    return f"step {step:,}"


def provenance(ds: xr.Dataset, figure: str, **selection: Any) -> dict[str, Any]:
    """Where a figure's numbers come from: the result's own record and the selection made."""
    record = _record(ds.attrs.get("provenance"))
    options = _record(ds.attrs.get("options"))
    return {
        "analysis": ds.attrs.get("analysis", ""),
        "figure": figure,
        "selection": {k: v for k, v in selection.items() if v is not None},
        "options": options,
        "result": record,
    }


def _record(text: Any) -> Any:
    """A JSON string as data; anything else as it is."""
    if not isinstance(text, str):
        return dict(text) if isinstance(text, Mapping) else text
    try:
        return json.loads(text)
    except ValueError:
        return text


def in_words(values: tuple[str, ...]) -> tuple[str, ...]:
    """Names in words, for ticks."""
    return tuple(words(v) for v in values)
