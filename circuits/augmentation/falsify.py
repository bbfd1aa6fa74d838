"""Turn true additions false without changing the graph's statistics: the ablation dial.

The same (entity, relation) slots are filled whatever the share of true facts. Among the slots that
are to hold false facts, objects are only exchanged: within one relation, and within ID and OOD
facts separately. So every entity keeps its in-degree per relation, and hence the number of paths,
phi, phi_r of each relation and the number of trainable II paths stay exactly as they were. Only
where a relation has too few different objects to exchange, another type-consistent object is drawn
(counted in the report).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int

from circuits.augmentation.rules import Facts, Rules
from circuits.augmentation.types import EntityTypes


@dataclass(frozen=True, eq=False)
class Falsified:
    """False facts for the slots of true ones."""

    facts: Facts
    redrawn: int
    """Objects that could not come from an exchange."""
    kept_true: int
    """Facts for which no false object is allowed at all."""


def falsify(
    facts: Facts,
    in_distribution: Bool[np.ndarray, " n"],
    types: EntityTypes,
    rules: Rules,
    draw: np.random.Generator,
) -> Falsified:
    """Give every fact an object that is not its own, as the module says."""
    false = facts.copy()
    group = facts[:, 1].astype(np.int64) * 2 + in_distribution
    for value in np.unique(group):
        rows = np.flatnonzero(group == value)
        false[rows, 2] = exchanged(facts[rows, 2], draw)
    wrong = np.flatnonzero((false[:, 2] == facts[:, 2]) | ~rules.allow(false))
    redrawn = kept = 0
    for row in wrong:  # few: relations with hardly any different objects, and refused exchanges
        candidates = draw.permutation(types.objects(facts[row, 1]))
        tries = np.column_stack([np.tile(facts[row, :2], (len(candidates), 1)), candidates])
        allowed = candidates[(candidates != facts[row, 2]) & rules.allow(tries)]
        false[row, 2] = allowed[0] if len(allowed) else facts[row, 2]
        redrawn, kept = redrawn + bool(len(allowed)), kept + (not len(allowed))
    return Falsified(false, redrawn, kept)


def exchanged(objects: Int[np.ndarray, " n"], draw: np.random.Generator) -> Int[np.ndarray, " n"]:
    """The same objects, none in its own place if no object makes up more than half of them.

    Sorted by (randomly renamed) object and turned by the size of the largest block, no block
    falls on itself.
    """
    values, inverse, counts = np.unique(objects, return_inverse=True, return_counts=True)
    order = np.lexsort((draw.random(len(objects)), draw.permutation(len(values))[inverse]))
    turned = np.empty_like(objects)
    turned[order] = np.roll(objects[order], int(counts.max()))
    return turned
