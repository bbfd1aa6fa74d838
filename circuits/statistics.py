"""Uncertainty of reported numbers: bootstrap and Wilson intervals, corrections for many tests.

The bootstrap resamples examples. All resamples are one matrix product: row b of a weight matrix
counts how often resample b drew each example, so the means of every resample, for any number of
trailing axes at once, are weights @ values (percentile bootstrap, Efron 1979). Examples without a
value (NaN) are left out of both numerator and denominator.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import Literal

import numpy as np
from jaxtyping import Float, Int, Num, Shaped
from numpy.typing import ArrayLike

from circuits.errors import HopscopeError

LEAST_EXAMPLES = 5
"""The fewest examples for which an interval is given."""

LEAST_OF_BOTH = 5
"""With fewer successes, or failures, the bootstrap interval of a share covers too rarely."""

LEAST_RUNS = 3
"""The fewest runs for which an interval over runs is given."""

N_RESAMPLES = 1000

Correction = Literal["benjamini_hochberg", "holm"]
"""Corrections for many tests, by the name of their function."""


@dataclass(frozen=True)
class Interval:
    """A mean over examples with its interval, elementwise over the trailing axes, in the data's
    unit."""

    mean: Float[np.ndarray, ...]
    low: Float[np.ndarray, ...]
    high: Float[np.ndarray, ...]
    n: Num[np.ndarray, ...]
    """Number of examples that had a value."""


def bootstrap(
    values: Shaped[np.ndarray, "n ..."],
    *,
    confidence: float = 0.95,
    n_resamples: int = N_RESAMPLES,
    seed: int = 0,
    shares: bool = False,
) -> Interval:
    """Mean over the first axis with a percentile bootstrap interval.

    Args:
        values: One row per example; NaN where an example has no value.
        confidence: Coverage of the two-sided interval.
        n_resamples: Number of bootstrap resamples.
        seed: The same seed draws the same resamples, so two results are comparable.
        shares: Values lie in [0, 1]. Near 0 and 1 the percentile interval is too short, and it
            would claim certainty if all values were 0 or all were 1. With fewer than
            `LEAST_OF_BOTH` successes or failures, Wilson's interval is given instead.

    Returns:
        Mean, low and high: NaN where there are fewer than `LEAST_EXAMPLES` values.

    Raises:
        HopscopeError: if there are fewer than `LEAST_EXAMPLES` rows.
    """
    _check(len(values), confidence)
    flat = np.ascontiguousarray(values, np.float32).reshape(len(values), -1)
    here = np.isfinite(flat)
    filled = np.where(here, flat, np.float32(0))
    n = here.sum(0)
    weights = _resamples(len(flat), n_resamples, seed)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = filled.sum(0, dtype=np.float64) / n
        per_resample = weights @ filled
        per_resample /= n[None] / len(flat) if here.all() else weights @ here.astype(np.float32)
    tails = [(1 - confidence) / 2, (1 + confidence) / 2]
    low, high = _quantiles(per_resample, tails)
    if shares:
        rare = (n > 0) & (np.minimum(mean, 1 - mean) * n < LEAST_OF_BOTH)
        low[rare], high[rare] = wilson((mean * n)[rare], n[rare], confidence)
    # rounding in float32 sums could leave the mean outside an interval without width
    low, high = np.fmin(low, mean), np.fmax(high, mean)
    low[n < LEAST_EXAMPLES] = high[n < LEAST_EXAMPLES] = np.nan
    shape = values.shape[1:]
    return Interval(*(part.reshape(shape) for part in (mean, low, high, n)))


def resample_weights(n: int, resamples: int, seed: int) -> Int[np.ndarray, "resample n"]:
    """How often each bootstrap resample draws each of n questions; equal at every checkpoint.

    >>> resample_weights(4, resamples=2, seed=0).sum(axis=1).tolist()
    [4, 4]
    """
    rng = np.random.default_rng([seed, n])
    return rng.multinomial(n, np.full(n, 1 / n), size=resamples)


def wilson(
    successes: Num[np.ndarray, "*_"],
    n: Num[np.ndarray, "*_"],
    confidence: float = 0.95,
) -> tuple[Float[np.ndarray, "*_"], Float[np.ndarray, "*_"]]:
    """Wilson's score interval (1927) of a share of successes; NaN where n is 0."""
    successes, n = np.asarray(successes, float), np.asarray(n, float)
    z = normal_quantile(confidence)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = successes / n
        centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
        half = z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    low = np.where(successes == 0, 0.0, centre - half)  # rounding would leave 1e-19 there
    high = np.where(successes == n, 1.0, centre + half)
    return np.asarray(np.clip(low, 0, 1)), np.asarray(np.clip(high, 0, 1))


def normal_quantile(confidence: float = 0.95) -> float:
    """How many standard errors a two-sided interval reaches to either side.

    >>> round(normal_quantile(), 2)
    1.96
    """
    return NormalDist().inv_cdf((1 + confidence) / 2)


def student_quantile(freedom: ArrayLike | int, confidence: float = 0.95) -> Float[np.ndarray, "*_"]:
    """The same where the error was estimated with so many degrees of freedom, at least one.

    >>> student_quantile([2, 1000]).round(2).tolist()
    [4.3, 1.96]
    """
    from scipy.special import stdtrit  # an eighth of a second; scipy.stats: a whole one

    return np.asarray(stdtrit(np.maximum(freedom, 1), (1 + confidence) / 2))


def paired_difference(
    one: Num[np.ndarray, " n"], other: Num[np.ndarray, " n"], confidence: float = 0.95
) -> Interval:
    """Difference of two shares of the same examples, with Newcombe's interval for paired data.

    Wilson's intervals of both shares are combined with the correlation of the pairs (the hybrid
    score interval; Newcombe, Statistics in Medicine 17, 2635, 1998). It has width even where the
    two never differ.

    Args:
        one: 0 or 1 per example.
        other: The same for what it is compared with; the difference is one - other.
        confidence: Coverage of the two-sided interval.

    >>> right, guessed = np.repeat([1, 0], [90, 10]), np.repeat([1, 0], [60, 40])
    >>> found = paired_difference(right, guessed)
    >>> round(float(found.mean), 2), round(float(found.low), 2), round(float(found.high), 2)
    (0.3, 0.21, 0.39)
    """
    n = len(one)
    a, b = np.asarray(one, float), np.asarray(other, float)
    right = np.array([a.sum(), b.sum()])
    low, high = wilson(right, np.full(2, n), confidence)
    with np.errstate(invalid="ignore", divide="ignore"):
        p, q = right / n
        phi = np.nan_to_num(((a * b).sum() / n - p * q) / np.sqrt(p * (1 - p) * q * (1 - q)))
    down, up = (p, q) - low, high - (p, q)
    below = np.sqrt(down[0] ** 2 - 2 * phi * down[0] * up[1] + up[1] ** 2)
    above = np.sqrt(up[0] ** 2 - 2 * phi * up[0] * down[1] + down[1] ** 2)
    gap = p - q
    return Interval(*(np.asarray(x) for x in (gap, gap - below, gap + above, n)))


def over_runs(values: Float[np.ndarray, "run ..."], confidence: float = 0.95) -> Interval:
    """Mean over runs with Student's interval; NaN bounds below `LEAST_RUNS` runs with a value.

    A bootstrap of three runs cannot leave their range, and covers the mean only three times in
    four.
    """
    here = np.isfinite(values)
    n = here.sum(0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(here, values, 0.0).sum(0) / n
        squares = np.where(here, (values - mean) ** 2, 0.0).sum(0)
        error = np.sqrt(squares / (n - 1) / n)
    half = student_quantile(n - 1, confidence) * error
    half = np.where(n < LEAST_RUNS, np.nan, half)
    return Interval(np.asarray(mean), np.asarray(mean - half), np.asarray(mean + half), n)


def benjamini_hochberg(
    p_values: Float[np.ndarray, "*shape"],
) -> Float[np.ndarray, "*shape"]:
    """P-values adjusted for the false discovery rate (Benjamini and Hochberg 1995); NaN stays."""
    return _adjusted(p_values, lambda p, m: _rising(p * m / np.arange(1, m + 1), from_end=True))


def holm(p_values: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """P-values adjusted for the family-wise error rate (Holm 1979); NaN stays."""
    return _adjusted(p_values, lambda p, m: _rising(p * (m - np.arange(m)), from_end=False))


def _check(n: int, confidence: float) -> None:
    if not 0 < confidence < 1:
        raise HopscopeError(f"confidence = {confidence} is refused; it lies between 0 and 1.")
    if n < LEAST_EXAMPLES:
        raise HopscopeError(
            f"{n} example{'' if n == 1 else 's'} give no interval; at least {LEAST_EXAMPLES} are "
            "needed. Choose a larger split or more examples."
        )


@lru_cache(maxsize=16)
def _resamples(n: int, n_resamples: int, seed: int) -> Float[np.ndarray, "resample n"]:
    """How often each resample drew each example, divided by n."""
    rng = np.random.default_rng([seed, n])
    drawn = rng.integers(n, size=(n_resamples, n)) + n * np.arange(n_resamples)[:, None]
    counts = np.bincount(drawn.ravel(), minlength=n_resamples * n)
    weights = (counts.reshape(n_resamples, n) / n).astype(np.float32)
    weights.flags.writeable = False
    return weights


def _quantiles(table: Float[np.ndarray, "resample k"], at: list[float]) -> np.ndarray:
    ordered = np.sort(table, axis=0)  # NaN sort last: columns without any value only
    places = np.array(at) * (len(table) - 1)
    below = np.floor(places).astype(int)
    above = np.minimum(below + 1, len(table) - 1)
    part = (places - below)[:, None]
    return (ordered[below] * (1 - part) + ordered[above] * part).astype(np.float64)


def _rising(ordered: np.ndarray, from_end: bool) -> np.ndarray:
    if from_end:
        return np.minimum.accumulate(ordered[::-1])[::-1]
    return np.maximum.accumulate(ordered)


def _adjusted(p_values, correct) -> np.ndarray:  # type: ignore[no-untyped-def]
    flat = np.asarray(p_values, float).ravel()
    out = np.full(flat.shape, np.nan)
    known = np.flatnonzero(np.isfinite(flat))
    order = known[np.argsort(flat[known], kind="stable")]
    if len(order):
        out[order] = np.minimum(correct(flat[order], len(order)), 1)
    return out.reshape(np.shape(p_values))
