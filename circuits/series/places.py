"""Which name identical weights fit, and which other steps are in the wrong place: found together.

An early name that serves late weights and two exchanged steps explain each other's distances, so
every name is tried for the weights that several steps share.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import product
from math import prod

import numpy as np

from circuits.series.checking.identical import Same, detour
from circuits.series.checking.order import Misplaced, Order, fitting_order

MOST_TRIED = 32
"""Combinations of names that are tried; of more, each group keeps the name of least detour."""
DECISIVE = 0.02
"""How much more one name must explain than any other (`Order.explains`); else none is chosen."""

Array = np.ndarray


def places(
    steps: list[int], plain: Array, angle: Array, groups: Iterable[Same]
) -> tuple[list[Same], list[Misplaced]]:
    """The groups with the name that their weights fit, and the other steps that are misplaced.

    Args:
        steps: Steps that can be compared, rising.
        plain: Distances of weights, [tensor, step, step].
        angle: Distances of weights of length 1.
        groups: Steps with the same weights; of neighbours the first is kept, and nothing claimed.

    Returns:
        The groups, and misplaced steps by their numbers.
    """
    groups = list(groups)
    far = [g for g in groups if not g.neighbours and set(g.steps) <= set(steps)]
    if not far or not len(plain):
        return groups, _order(steps, plain, angle, groups).misplaced
    d = plain.mean(0)
    detours = {name: detour(name, g, steps, d) for g in far for name in g.steps}
    tried: list[tuple[float, tuple[int, ...], Order]] = []
    for names in _names(far, detours):
        own = dict(zip(far, names, strict=True))
        found = _order(steps, plain, angle, [replace(g, own=own.get(g)) for g in groups])
        tried.append((found.explains, names, found))
    best = max(tried, key=lambda one: one[0])
    rivals = [one for one in tried if one[0] > best[0] - DECISIVE]
    undecided = {g for i, g in enumerate(far) if any(r[1][i] != best[1][i] for r in rivals)}
    own = {g: name for g, name in zip(far, best[1], strict=True) if g not in undecided}
    placed = [replace(g, own=own.get(g)) for g in groups]
    found = _order(steps, plain, angle, placed) if undecided else best[2]
    return placed, found.misplaced


def _names(far: Sequence[Same], detours: dict[int, float]) -> Iterable[tuple[int, ...]]:
    if prod(len(g.steps) for g in far) <= MOST_TRIED:
        return product(*(g.steps for g in far))
    return [tuple(min(g.steps, key=lambda name: detours[name]) for g in far)]


def _order(steps: list[int], plain: Array, angle: Array, groups: list[Same]) -> Order:
    """The order of different steps; of a group only the name that keeps its weights takes part."""
    out = set()
    for same in groups:
        kept = same.steps[0] if same.neighbours else same.own
        out |= {step for step in same.steps if step != kept}
    left = [i for i, step in enumerate(steps) if step not in out]
    inside = np.ix_(range(len(plain)), left, left)
    return fitting_order(plain[inside], angle[inside], [steps[i] for i in left])
