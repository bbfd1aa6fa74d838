"""Random choices of questions, each from its own stream, uniformly or over bridges in turn."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

# Every random choice has a stream of its own, so that changing one setting (phi, say) leaves
# the choices made before it as they were.
_STREAMS = ("id_ood", "heldout_real", "id_test", "pool", "tests", "inject", "labels")


def stream(seed: int, name: str) -> np.random.Generator:
    """The random stream of one choice, by the recipe's seed and the choice's name."""
    return np.random.default_rng([seed, 1 + _STREAMS.index(name)])


def sample_rows(
    rows: Int[np.ndarray, "n k"], at_most: int, draw: np.random.Generator
) -> Int[np.ndarray, "m k"]:
    """A random subset of rows in their original order; all of them if there are not more."""
    if len(rows) <= at_most:
        return rows
    return rows[np.sort(draw.permutation(len(rows))[:at_most])]


def sampled(
    rows: Int[np.ndarray, "n hops"],
    at_most: int,
    draw: np.random.Generator,
    bridge: Int[np.ndarray, " n_facts"] | None,
) -> Int[np.ndarray, "m hops"]:
    """`sample_rows`, but over all bridges in turn if the bridge of each first fact is given."""
    if bridge is None or len(rows) <= at_most:
        return sample_rows(rows, at_most, draw)
    turn, _ = _turns(bridge[rows[:, 0]], draw)
    return rows[np.sort(np.argsort(turn, kind="stable")[:at_most])]


def _turns(
    bridge: Int[np.ndarray, " n"], draw: np.random.Generator
) -> tuple[Float[np.ndarray, " n"], Int[np.ndarray, " n"]]:
    """(turn of each row, size of its bridge): rows of a bridge come in random order, one a turn.

    Within a turn the order of the bridges is random.
    """
    order = np.lexsort((draw.random(len(bridge)), bridge))
    first = np.searchsorted(bridge[order], bridge[order])
    turn = np.empty(len(bridge))
    turn[order] = np.arange(len(bridge)) - first
    return turn + draw.random(len(bridge)), np.bincount(bridge)[bridge]


def halved(
    rows: Int[np.ndarray, "n hops"],
    items: int,
    draw: np.random.Generator,
    bridge: Int[np.ndarray, " n_facts"] | None,
) -> tuple[Int[np.ndarray, "t hops"], Int[np.ndarray, "p hops"]]:
    """(held out, rest): `items` of the rows, but at most half of them, are held out.

    If bridges are given, equally many of every bridge, and at most half of each.
    """
    held = np.zeros(len(rows), bool)
    at_most = min(items, len(rows) // 2)
    if bridge is None:
        held[draw.permutation(len(rows))[:at_most]] = True
        return rows[held], rows[~held]
    turn, size = _turns(bridge[rows[:, 0]], draw)
    candidates = np.flatnonzero(np.floor(turn) < size // 2)
    held[candidates[np.argsort(turn[candidates], kind="stable")[:at_most]]] = True
    return rows[held], rows[~held]
