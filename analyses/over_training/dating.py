"""When something happens in training: rules that date curves, edges and phases, with intervals.

1. An event is dated on the run's own questions, and again on each bootstrap resample of them. The
   resamples are the same at every checkpoint.
2. The 2.5th and 97.5th percentiles of these dates are the bounds. They are order statistics, so
   every bound is a step of the run; infinity stands for "not within the run".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from circuits.runs.grok import MEMORIZED
from circuits.statistics import wilson

LEAST_CHANGE = 0.05
PERSISTENCE = 2
PHASES = ("memorization", "circuit_formation", "clean_up")


@dataclass(frozen=True)
class Timing:
    """Steps at which a curve is 10%, 50% and 90% of its way from first to last value."""

    start: float
    halfway: float
    done: float

    @classmethod
    def none(cls) -> Timing:
        """The timing of a curve that does not change: three times NaN."""
        return cls(np.nan, np.nan, np.nan)

    @property
    def steps(self) -> tuple[float, float, float]:
        """Start, halfway and done, in this order."""
        return self.start, self.halfway, self.done


def timing(steps: Int[np.ndarray, " step"], curve: Float[np.ndarray, " step"]) -> Timing:
    """When a curve has made 10%, 50% and 90% of its change from first to last value."""
    here = np.isfinite(curve)
    if here.sum() < 2:
        return Timing.none()
    steps, curve = steps[here], curve[here]
    change = curve[-1] - curve[0]
    if abs(change) < LEAST_CHANGE:
        return Timing.none()
    way = np.maximum.accumulate((curve - curve[0]) / change)
    return Timing(*(float(steps[(way >= part - 1e-9).argmax()]) for part in (0.1, 0.5, 0.9)))


def circuit_curve(
    strength: Float[np.ndarray, "step edge"], kept: Bool[np.ndarray, "step edge"]
) -> Float[np.ndarray, " step"]:
    """Mean strength of the last circuit's edges; an edge that a step does not keep counts as 0."""
    last = kept[-1]
    if not last.any():
        return np.zeros(len(strength))
    return np.where(kept, strength, 0.0)[:, last].mean(1)


def edge_steps(
    steps: Int[np.ndarray, " step"], kept: Bool[np.ndarray, "step edge"]
) -> tuple[Float[np.ndarray, " edge"], Float[np.ndarray, " edge"]]:
    """When each edge appears and when it vanishes.

    An edge appears at the first of `PERSISTENCE` steps in a row that keep it (NaN: never), and
    vanishes at the first step after the last one that keeps it (NaN: it never appears, or the last
    step keeps it).
    """
    run_length = min(PERSISTENCE, len(steps))
    n = len(steps) - run_length + 1
    lasting = np.logical_and.reduce([kept[k : k + n] for k in range(run_length)])
    appears = np.where(lasting.any(0), steps[lasting.argmax(0)].astype(float), np.nan)
    last = len(steps) - 1 - kept[::-1].argmax(0)
    gone = lasting.any(0) & (last < len(steps) - 1)
    vanishes = np.where(gone, steps[np.minimum(last + 1, len(steps) - 1)].astype(float), np.nan)
    return appears, vanishes


def phases(
    circuit: Timing, rises: bool, vanishes: Float[np.ndarray, " edge"], grok: Mapping[str, Any]
) -> Float[np.ndarray, "phase end"]:
    """First and last step of each of `PHASES`; NaN for a phase that is absent."""
    found = np.full((len(PHASES), 2), np.nan)
    memorized = grok.get("memorization_step")
    if memorized is not None:
        found[0] = 0.0, memorized
    if rises:
        found[1] = circuit.start, circuit.done
    # no edge counts if the run never memorized
    late = vanishes[vanishes >= (np.nan if memorized is None else memorized)]
    if len(late):
        found[2] = late.min(), late.max()
    return found


def memorized_between(
    steps: Int[np.ndarray, " step"], accuracy: Float[np.ndarray, " step"], n: int
) -> tuple[float, float]:
    """95% interval of the memorization step of a run that is evaluated on n trained questions.

    The interval begins at the first evaluation whose Wilson interval reaches the level of the grok
    rule, and ends at the first whose whole interval lies above it. (A bootstrap is not possible,
    because the single answers of an evaluation are not stored.)
    """
    low, high = wilson(accuracy * n, np.full(len(accuracy), n))
    return _first(steps, high >= MEMORIZED), _first(steps, low >= MEMORIZED)


def bounds(
    resampled: Float[np.ndarray, "resample ..."], at: Float[np.ndarray, ...]
) -> tuple[Float[np.ndarray, ...], Float[np.ndarray, ...]]:
    """95% interval of dates; infinite if too many resamples have no date, NaN where `at` is NaN."""
    if not len(resampled):
        return np.full_like(at, np.nan), np.full_like(at, np.nan)
    dates = np.where(np.isnan(resampled), np.inf, resampled)
    low = np.quantile(dates, 0.025, axis=0, method="lower")
    high = np.quantile(dates, 0.975, axis=0, method="higher")
    nothing = np.isnan(at)
    return np.where(nothing, np.nan, low), np.where(nothing, np.nan, high)


def differences(
    later: Float[np.ndarray, " resample"], earlier: Float[np.ndarray, " resample"]
) -> Float[np.ndarray, " resample"]:
    """later - earlier by resample; infinite if only one of the two has a date."""
    with np.errstate(invalid="ignore"):
        here, there = (np.where(np.isnan(x), np.inf, x) for x in (later, earlier))
        lag = here - there
    return lag[~np.isnan(lag)]


def spoken(at: float, low: float, high: float) -> str:
    """A date as "400 [350, 450]"; an open end is shown as "..."."""
    if not np.isfinite(low) and not np.isfinite(high):
        return f"{at:,.0f}"
    ends = (f"{x:,.0f}" if np.isfinite(x) else "..." for x in (low, high))
    return f"{at:,.0f} [{', '.join(ends)}]"


def _first(steps: Sequence[int] | np.ndarray, reached: Bool[np.ndarray, " step"]) -> float:
    return float(steps[int(reached.argmax())]) if reached.any() else np.inf
