"""Whether the weights of every step lie nearest to their own place in training.

A training run is a path: steps that are nearer in time are nearer in weights, so exchanging two
steps of the series makes the path longer. If it makes the path shorter, and in (nearly) every
tensor, then the two were exchanged before; likewise for one step that fits better elsewhere.

1. Every tensor gives its own distances between all steps, from a fixed random sample of its
   coordinates: of the weights, and of the weights scaled to length 1 (their angle).
2. A move is the exchange of two steps or the relocation of one to a gap between two others. In
   every tensor it changes the length of the legs that it touches from b to a; its gain there is
   (b - a) / (b + a), from -1 to 1. The single leg at an end counts twice, so that a step which only
   jumped out of the path (a spike of the loss) does not fit better there; but not in exchanges with
   the first step, for untrained weights lie far from all others.
3. The gain of a move is the mean over tensors, with a t-interval whose level is divided by the
   number of moves tried (Bonferroni). A move counts if, by distance and by angle alike, the
   interval is above 0 and the mean above `LEAST_GAIN`. A plateau, where all distances are equal but
   for noise, has no such move, and weights that only grow and shrink again have none by angle.
4. Of the moves that count, the one that shortens the path most is made, and the search repeated; a
   relocated step is flagged and left out.
5. The order found and its reverse are paths of equal length. The one is taken whose distances
   follow the number of steps between more closely (`follows`), less `PER_MOVED` for each step that
   it moves. Steps that are not where they were are flagged.

The idea is seriation: a matrix of distances along a path is anti-Robinson, and the true order is
its shortest path (Robinson 1951; Atkins, Boman and Hendrickson 1998, "A spectral algorithm for
seriation"). Not found are a series that is wholly reversed or whose names are all shifted alike
(its distances are the same), and exchanged steps between which the weights hardly moved.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

LEAST_GAIN = 0.05
"""Mean share of a path's legs that a move must save."""
FEWEST = 4
"""Fewer different steps, or fewer tensors, cannot show an order."""
PER_MOVED = 0.05
"""A correlation that one more misplaced step must add, to be believed."""

Array = np.ndarray
_TINY = 1e-300


@dataclass(frozen=True)
class Misplaced:
    """Steps whose weights fit elsewhere better than at their own place, by their numbers."""

    steps: tuple[int, ...]
    """Steps that were exchanged, each one's weights under the name of the next; or one step."""
    between: tuple[int, ...]
    """The steps between which a single step fits; one, if it fits at an end."""
    gain: float
    low: float
    high: float
    """What the move saves of the legs that it touches, with its interval."""


def distances(samples: list[Array]) -> tuple[Array, Array]:
    """Distances between all steps in every tensor, [tensor, step, step]: of weights, and by angle.

    Both are divided by their root mean square in that tensor, so that each tensor counts the same.
    Tensors that never change are left out.

    Args:
        samples: For each tensor its sampled coordinates, [step, coordinate], finite.

    >>> path = np.arange(8.0)[:, None] * [[3.0, 4.0]] + [[0.0, 1.0]]
    >>> plain, _ = distances([path])
    >>> [round(float(d / plain[0, 0, 1]), 6) for d in plain[0, 0, 1:4]]
    [1.0, 2.0, 3.0]
    """
    plain: list[Array] = []
    angle: list[Array] = []
    for values in samples:
        lengths = np.linalg.norm(values, axis=1, keepdims=True)
        both = _apart(values), _apart(values / np.maximum(lengths, np.finfo(np.float32).tiny))
        if all(d.any() for d in both):
            for kept, found in zip((plain, angle), both, strict=True):
                kept.append(found / np.sqrt((found**2).mean()))
    steps = len(samples[0]) if samples else 0
    empty = np.zeros((0, steps, steps))
    return (np.stack(plain), np.stack(angle)) if plain else (empty, empty)


@dataclass(frozen=True)
class Order:
    """The order in which steps fit, as far as it can be told."""

    misplaced: list[Misplaced]
    explains: float
    """`follows` of this order, less `PER_MOVED` for each misplaced step."""


def fitting_order(plain: Array, angle: Array, steps: Sequence[int]) -> Order:
    """Find steps that fit elsewhere better, by the method above; none if there are too few.

    Args:
        plain: Distances of weights, [tensor, step, step].
        angle: Distances of weights of length 1.
        steps: Their numbers, rising.
    """
    order = list(range(len(steps)))
    found: list[Misplaced] = []
    while min(len(order), len(plain)) >= FEWEST:
        move = _best_move(plain, angle, order)
        if move is None:
            break
        i, j, exchanged, numbers = move
        if exchanged:
            order[i], order[j] = order[j], order[i]
        else:
            left = [k for k in order if k != order[i]]
            near = (steps[k] for k in _gap(plain.mean(0), order[i], left))
            found.append(Misplaced((steps[order[i]],), tuple(near), *numbers))
            del order[i]
    given = sorted(order)
    if order != given:
        order = _forwards(plain.mean(0), order, steps)
        for ring in _rings(given, order):
            numbers = _saved_by(plain, given, order, ring)
            found.append(Misplaced(tuple(steps[given[k]] for k in ring), (), *numbers))
    n_moved = len({step for one in found for step in one.steps})
    fits = follows(plain.mean(0), order, steps) if len(order) > 2 and len(plain) else 0.0
    return Order(found, fits - PER_MOVED * n_moved)


def _gap(d: Array, step: int, others: list[int]) -> tuple[int, ...]:
    """The neighbours between which a step lengthens the path least; at an end there is one."""
    to = d[step, others]
    beside = [(to[0], others[:1]), (to[-1], others[-1:])]
    beside += [
        (to[k] + to[k + 1] - d[others[k], others[k + 1]], others[k : k + 2])
        for k in range(len(others) - 1)
    ]
    return tuple(min(beside, key=lambda found: found[0])[1])


def _forwards(d: Array, order: list[int], steps: Sequence[int]) -> list[int]:
    """The order, or its reverse, which is as short a path: the one that explains more."""
    given, back = sorted(order), order[::-1]

    def explains(o: list[int]) -> float:
        moved = sum(a != b for a, b in zip(o, given, strict=True))
        return follows(d, o, steps) - PER_MOVED * moved

    return order if explains(order) >= explains(back) else back


def follows(d: Array, order: list[int], steps: Sequence[int]) -> float:
    """How closely distances follow the number of steps between, if step k has the weights order[k].

    A correlation, and 0.3 times that with the logarithm: with even steps the first is the same for
    the reverse, and then training must slow down, not speed up.
    """
    step = np.array([float(steps[i]) for i in sorted(order)])
    upper = np.triu_indices(len(order), 1)
    apart = (np.abs(time[:, None] - time)[upper] for time in (step, np.log1p(step)))
    even, slowing = (np.corrcoef(gaps, d[np.ix_(order, order)][upper])[0, 1] for gaps in apart)
    return float(even + 0.3 * slowing)


def _rings(given: list[int], order: list[int]) -> list[list[int]]:
    """Places that exchanged their steps among one another; two, unless a ring of more."""
    rest = {place for place, step in enumerate(order) if step != given[place]}
    rings = []
    while rest:
        ring = [min(rest)]
        while (place := given.index(order[ring[-1]])) != ring[0]:
            ring.append(place)
        rest -= set(ring)
        rings.append(ring)
    return rings


def _saved_by(
    plain: Array, given: list[int], order: list[int], ring: list[int]
) -> tuple[float, float, float]:
    """What the order found saves of the legs to some places, with its interval."""
    legs = {(k, k + 1) for place in ring for k in (place - 1, place)}
    legs = {(a, b) for a, b in legs if a >= 0 and b < len(given)}
    before, after = (sum(plain[:, o[a], o[b]] for a, b in legs) for o in (given, order))
    share = (before - after) / np.maximum(before + after, _TINY)
    mean, low, high = (float(x) for x in _interval(share, 1))
    return mean, low, high


def _apart(values: Array) -> Array:
    """Distances between all rows; differences are summed as such, for near rows of long vectors."""
    values = values - values.mean(0)
    values = values.astype(np.float64)
    products = values @ values.T
    squares = np.diag(products)
    squared = squares[:, None] + squares[None] - 2 * products
    return np.sqrt(np.maximum(squared, 0))


def _best_move(
    plain: Array, angle: Array, order: list[int]
) -> tuple[int, int, bool, tuple[float, float, float]] | None:
    """The move that shortens the path most: places, whether they are exchanged, and its gain."""
    inside = np.ix_(range(len(plain)), order, order)
    moves = [(exchanges(plain[inside]), exchanges(angle[inside]), True),
             (relocations(plain[inside]), relocations(angle[inside]), False)]  # fmt: skip
    tried = sum(int(np.isfinite(weights.saved[0]).sum()) for weights, _, _ in moves)
    best, shortest = None, 0.0
    for weights, angles, exchanged in moves:
        (mean, low, high), (other, other_low, _) = (
            _interval(gains.share, tried) for gains in (weights, angles)
        )
        counts = (low > 0) & (other_low > 0) & (np.minimum(mean, other) > LEAST_GAIN)
        saved = np.where(counts, weights.saved.mean(0), 0)
        i, j = map(int, np.unravel_index(int(saved.argmax()), saved.shape))
        if saved[i, j] > shortest:
            numbers = float(mean[i, j]), float(low[i, j]), float(high[i, j])
            best, shortest = (i, j, exchanged, numbers), saved[i, j]
    return best


def _interval(gains: Array, tried: int) -> tuple[Array, Array, Array]:
    """Mean over tensors with its interval; -inf where a move does not exist."""
    n = len(gains)
    exists = np.isfinite(gains[0])
    gains = np.where(exists, gains, 0)
    mean = gains.mean(0)
    error = gains.std(0, ddof=1) / np.sqrt(n)
    wide = float(stats.t.isf(0.025 / max(tried, 1), n - 1)) * error
    low, high = mean - wide, mean + wide
    return np.where(exists, mean, -np.inf), np.where(exists, low, -np.inf), high


@dataclass(frozen=True)
class Gains:
    """What moves save in every tensor, [tensor, step, target]; NaN where there is no move."""

    saved: Array
    """Length of the path before less after."""
    share: Array
    """The same as a share of the legs before and after, with the leg of the last step twice."""


def exchanges(d: Array) -> Gains:
    """Gains of exchanging steps i < j.

    Args:
        d: Distances, [tensor, step, step].
    """
    before, after = _exchanged(d, last_counts=1)
    twice_before, twice_after = _exchanged(d, last_counts=2)
    exists = np.triu(np.ones(d.shape[1:], bool), 1)
    legs = twice_before + twice_after
    return Gains(
        np.where(exists, before - after, np.nan),
        np.where(exists, (twice_before - twice_after) / np.maximum(legs, _TINY), np.nan),
    )


def _exchanged(d: Array, last_counts: int) -> tuple[Array, Array]:
    """Legs to steps i and j before and after their exchange; the last's counts so many times."""
    n = d.shape[1]
    to_last = (last_counts - 1) * d[:, n - 2 : n - 1]
    padded = np.concatenate([np.zeros_like(to_last), d, to_last], axis=1)
    beside = padded[:, :-2] + padded[:, 2:]  # [i, j]: legs to j from the neighbours of place i
    own = np.einsum("kii->ki", beside)
    before = own[:, :, None] + own[:, None]
    after = beside + beside.transpose(0, 2, 1)
    i = np.arange(n - 1)
    between = d[:, i, i + 1]  # the leg between neighbours stays
    before[:, i, i + 1] -= between
    after[:, i, i + 1] += between * np.where(i == n - 2, last_counts, 1)
    return before, after


def relocations(d: Array) -> Gains:
    """Gains of moving step i between steps j - 1 and j, with j from 0 to n.

    Targets beside the step itself are left out: there is nothing to move, or it is an exchange.
    """
    n = d.shape[1]
    to_ends = np.pad(d, ((0, 0), (0, 0), (1, 1)), mode="edge")
    there = to_ends[:, :, :-1] + to_ends[:, :, 1:]
    gaps = np.pad(np.einsum("kii->ki", d[:, :-1, 1:]), ((0, 0), (1, 1)))
    skipped = np.pad(np.einsum("kii->ki", d[:, :-2, 2:]), ((0, 0), (1, 1)))
    here = gaps[:, :-1] + gaps[:, 1:]
    saved = (here - skipped)[:, :, None] - (there - gaps[:, None])
    i, j = np.arange(n)[:, None], np.arange(n + 1)[None]
    saved = np.where((j < i - 1) | (j > i + 2), saved, np.nan)
    return Gains(saved, saved / np.maximum(here[:, :, None] + there, _TINY))
