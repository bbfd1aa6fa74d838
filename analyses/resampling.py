"""Means and correlations under resampled questions, for intervals of what is no mean of values."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Num


def resampled_means(
    values: Float[np.ndarray, "n ..."], weights: Num[np.ndarray, "resample n"]
) -> Float[np.ndarray, "resample cells"]:
    """Mean over the questions that have a value, NaN where none has; trailing axes flattened."""
    flat = values.reshape(len(values), -1)
    here = np.isfinite(flat)
    often = weights.astype(float)  # products of integers are ten times as slow
    with np.errstate(invalid="ignore"):
        return (often @ np.where(here, flat, 0.0)) / (often @ here.astype(float))


def correlation(
    one: Float[np.ndarray, "resample cells"], other: Float[np.ndarray, "resample cells"]
) -> Float[np.ndarray, " resample"]:
    """Pearson's over cells, by resample; NaN where one of both does not vary."""
    a, b = (x - x.mean(1, keepdims=True) for x in (one, other))
    with np.errstate(invalid="ignore", divide="ignore"):
        return (a * b).sum(1) / np.sqrt((a**2).sum(1) * (b**2).sum(1))
