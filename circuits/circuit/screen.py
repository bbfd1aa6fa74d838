"""Which edges are patched exactly: those with the largest predicted effect, and a sample.

All edges are predicted to first order (`circuits.circuit.eap`). Those with the largest predicted
share of a contrast's effect pass, where that effect is above zero, and some of the others, drawn at
random, so that what the screen misses is itself measured.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

SAMPLED = 20
"""Edges measured exactly although the screen predicts little of them."""


@dataclass(frozen=True)
class Screen:
    """Which edges are measured exactly, and why."""

    predicted: Float[np.ndarray, "n corrupted edge"]
    """Effects to first order, nats."""
    total: Float[np.ndarray, "n corrupted"]
    """Effects of the corrupted tokens as a whole, nats."""
    measured: Bool[np.ndarray, " edge"]
    sampled: Bool[np.ndarray, " edge"]
    """Measured only because drawn from those of little promise."""


def screened(
    predicted: Float[np.ndarray, "n corrupted edge"],
    total: Float[np.ndarray, "n corrupted"],
    at_most: int,
    seed: int,
) -> Screen:
    """Choose at most so many edges: the most promising ones and a sample of the others."""
    drawn = np.zeros(predicted.shape[-1], bool)
    if len(drawn) <= at_most:
        return Screen(predicted, total, ~drawn, drawn)
    counted = np.maximum(np.isfinite(predicted).sum(0), 1)
    share = np.abs(np.nansum(predicted, 0) / counted) / _lowered(total)[:, None]
    order = np.argsort(-share.max(0), kind="stable")
    n_drawn = min(SAMPLED, at_most // 2)
    best, rest = np.split(order, [at_most - n_drawn])
    drawn[np.random.default_rng([seed, 8]).choice(rest, n_drawn, replace=False)] = True
    measured = drawn.copy()
    measured[best] = True
    return Screen(predicted, total, measured, drawn)


def _lowered(total: Float[np.ndarray, "n corrupted"]) -> Float[np.ndarray, " corrupted"]:
    """Mean effect of each token; infinite where it is not above zero by two standard errors.

    No edge is kept for such a token, and shares of nearly nothing would rank above all others.
    """
    here = np.isfinite(total)
    n = np.maximum(here.sum(0), 1)
    mean = np.where(here, total, 0.0).sum(0) / n
    error = np.sqrt(np.where(here, (total - mean) ** 2, 0.0).sum(0) / n / n)
    return np.where(mean > 2 * error, mean, np.inf)
