"""The phases of a run's training, their dates, and which of them can be dated at all.

The phases are those of `analyses.over_training.formation` (step 4 of its docstring). A phase is
marked only where its interval is narrower than the distance to its neighbours:

1. Its dates are its first and its last step, each with a 95% interval [low, high]. (The start of
   memorization is the start of training, and exact.)
2. A date at the second checkpoint has no lower end: what is seen there may have happened at any
   time since the first one, which is blank by definition. Such a date is never marked. If only
   `low` is the second checkpoint, the interval begins at the first.
3. The neighbours of a date are the first checkpoint, the first and last steps of the other phases,
   and the step at which the run generalized, by its grok rule. If high - low is not below the
   distance from the date to each of them, it is not marked; nor if an end is open.
4. A phase is marked if both of its dates are. Otherwise `phase_why` says why in a sentence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Float

from analyses.bridge_swaps import FIRST_HOP, swap_state
from analyses.estimates import resampled_means
from analyses.outcomes import SUCCESS
from analyses.over_training.dating import (
    PHASES,
    bounds,
    circuit_curve,
    edge_steps,
    memorized_between,
    phases,
    spoken,
    timing,
)
from circuits.statistics import resample_weights

NAMES = {
    "memorization": "memorization",
    "circuit_formation": "circuit formation",
    "clean_up": "clean-up",
}
ENDS = ("start", "end")
LEAST_SUCCESS = 0.2
"""Final success of bridge swaps below which their rise is not a phase."""
RESAMPLES = 200
"""Bootstrap resamples behind the dates of that rise."""


@dataclass(frozen=True)
class Date:
    """A step with its 95% interval; NaN for what does not happen, infinite for an open end."""

    at: float
    low: float
    high: float

    @property
    def spoken(self) -> str:
        """As "step 400 [350, 450]"."""
        return f"step {spoken(self.at, self.low, self.high)}"


def why_undated(
    date: Date, steps: Float[np.ndarray, " step"], neighbours: Mapping[str, float]
) -> str:
    """Why a date cannot be marked, as the end of a sentence; "" if it can.

    Args:
        date: The date.
        steps: The checkpoints at which it could have been seen, rising.
        neighbours: Other dates by name, beside the first checkpoint.

    >>> steps = np.arange(0, 1001, 100.0)
    >>> why_undated(Date(500, 400, 600), steps, {"the end of memorization": 200})
    ''
    >>> why_undated(Date(500, 400, 600), steps, {"the end of memorization": 300})
    'step 500 [400, 600] is known no better than its distance to the end of memorization, step 300'
    >>> why_undated(Date(100, 100, 100), steps, {})
    'it is there by step 100, the first checkpoint that could show it'
    """
    if not np.isfinite(date.at):
        return ""
    first, second = steps[0], steps[min(1, len(steps) - 1)]
    if date.at <= second:
        return f"it is there by step {date.at:,.0f}, the first checkpoint that could show it"
    width = date.high - (first if date.low <= second else date.low)
    if not np.isfinite(width):
        return f"the interval of {date.spoken} is open"
    near = {"the first checkpoint": float(first), **neighbours}
    name, at = min(near.items(), key=lambda pair: abs(pair[1] - date.at))
    if width < abs(at - date.at):
        return ""
    return f"{date.spoken} is known no better than its distance to {name}, step {at:,.0f}"


def phase_dates(
    circuit: xr.Dataset, grok: Mapping[str, Any], table: pd.DataFrame, n_evaluated: int
) -> xr.Dataset:
    """`phase_start` and `phase_end` (phase) with bounds, `phase_n`, and `phase_why` they have none.

    Args:
        circuit: Result of circuit discovery, of one split, with several steps.
        grok: The run's grok record.
        table: The run's metrics.
        n_evaluated: Trained questions behind its accuracies.
    """
    steps = circuit["step"].values
    at, again = _found(circuit, grok)
    found = xr.Dataset(coords={"phase": list(PHASES)})
    for k, end in enumerate(ENDS):
        low, high = bounds(again[..., k], at[:, k])
        if end == "start":  # training starts at step 0, without uncertainty
            low[0] = high[0] = np.nan
        for bound, values in (("", at[:, k]), ("_low", low), ("_high", high)):
            text = "95% bootstrap interval over questions" if bound else ""
            found[f"phase_{end}{bound}"] = ("phase", values, {"units": "step", "long_name": text})
    n = np.full(len(PHASES), int(circuit["n"]))
    seen_at = [steps.astype(float)] * len(PHASES)
    column = "accuracy/train_inferred"
    if column in table:
        rows = table[["step", column]].dropna()
        n[0], seen_at[0] = n_evaluated, rows["step"].to_numpy(float)
        if np.isfinite(at[0, 1]):
            ends = memorized_between(rows["step"].to_numpy(), rows[column].to_numpy(float), n[0])
            found["phase_end_low"][0], found["phase_end_high"][0] = ends
    found["phase_n"] = ("phase", n, {"long_name": "questions behind a phase"})
    why = [_why(found, name, seen_at[i], grok) for i, name in enumerate(PHASES)]
    about = {"long_name": "why the phase cannot be dated; empty if it can, or does not occur"}
    return found.assign(phase_why=("phase", np.array(why, object), about))


def swap_rise(bridge: xr.Dataset, first_hop: str = FIRST_HOP) -> tuple[Date, Date] | None:
    """When bridge swaps come to succeed: 10% and 90% of the way, at their state (`swap_state`).

    It stands for circuit formation in a run without circuits. None: success does not rise, or is
    below `LEAST_SUCCESS` at the end.

    Args:
        bridge: Result of bridge patching, of one split and the control "bridge".
        first_hop: The role that completes the first hop.
    """
    state = swap_state(bridge, first_hop)
    if state is None:
        return None
    cell = bridge.sel(position=state.position).isel(layer=state.layer)
    success = cell["success"].values.astype(float)
    measured = np.isfinite(success)
    steps, success = cell["step"].values[measured], success[measured]
    rise = timing(steps, success)
    if success[-1] < LEAST_SUCCESS or not np.isfinite(rise.start):
        return None
    again = np.empty((0, 3))
    if "outcome_example" in cell:
        outcome = cell["outcome_example"].transpose("example", "step").values[:, measured]
        swapped = np.where(outcome >= 0, outcome == SUCCESS, np.nan)
        curves = resampled_means(swapped, resample_weights(len(swapped), RESAMPLES, 0))
        again = np.array([timing(steps, curve).steps for curve in curves])
    low, high = bounds(again, np.array(rise.steps))
    start, _, end = (Date(*ends) for ends in zip(rise.steps, low, high, strict=True))
    return start, end


def _found(
    circuit: xr.Dataset, grok: Mapping[str, Any]
) -> tuple[Float[np.ndarray, "phase end"], Float[np.ndarray, "resample phase end"]]:
    """The phases on all questions, and on each resample of them."""
    steps = circuit["step"].values

    def of(strength: np.ndarray, kept: np.ndarray) -> Float[np.ndarray, "phase end"]:
        curve = circuit_curve(strength, kept)
        rises = bool(curve[-1] > curve[0])
        return phases(timing(steps, curve), rises, edge_steps(steps, kept)[1], grok)

    ordered = circuit.transpose("resample", "step", "edge", ...)
    strength = ordered["strength"].values.astype(float)
    again = ordered["strength_resample"].values.astype(float)
    return of(strength, ordered["in_circuit"].values == 1), np.stack([of(x, x != 0) for x in again])


def _why(
    found: xr.Dataset, name: str, steps: Float[np.ndarray, " step"], grok: Mapping[str, Any]
) -> str:
    neighbours = {
        f"the {end} of {NAMES[other]}": float(found[f"phase_{end}"].sel(phase=other))
        for other in PHASES
        for end in ENDS
        if other != name and (other, end) != ("memorization", "start")
    }
    if grok.get("grok_step") is not None:
        neighbours["generalization"] = float(grok["grok_step"])
    known = {text: at for text, at in neighbours.items() if np.isfinite(at)}
    for end in ENDS:
        if (name, end) == ("memorization", "start"):
            continue
        parts = [float(found[f"phase_{end}{b}"].sel(phase=name)) for b in ("", "_low", "_high")]
        if problem := why_undated(Date(*parts), steps, known):
            return f"its {end}: {problem}" if end == "end" and name != "memorization" else problem
    return ""
