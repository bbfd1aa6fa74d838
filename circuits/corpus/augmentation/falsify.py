"""Turn true additions false without changing the graph's statistics: the ablation dial.

The same (entity, relation) slots are filled for every share of true facts. Among the slots that
are to hold false facts, objects are only exchanged: within one relation, and within ID and OOD
facts separately. So every entity keeps its in-degree per relation, and hence the number of paths,
phi, phi_r of each relation and the number of trainable II paths stay exactly as they were. An
object that stays true or breaks a rule is exchanged with a single other one, across ID and OOD if
need be. Only if a relation has too few different objects for that, another type-consistent object
is drawn (counted in the report).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int

from circuits.corpus.augmentation.rules import Facts, Rules
from circuits.corpus.augmentation.types import EntityTypes
from circuits.graph.knowledge_graph import KnowledgeGraph


@dataclass(frozen=True, eq=False)
class Falsified:
    """False facts for the slots of true ones."""

    facts: Facts
    redrawn: int
    """Objects that could not come from an exchange."""
    kept_true: int
    """Facts for which every false object is forbidden."""


def falsify(
    graph: KnowledgeGraph,
    facts: Facts,
    in_distribution: Bool[np.ndarray, " n"],
    types: EntityTypes,
    rules: Rules,
    draw: np.random.Generator,
) -> Falsified:
    """Give every fact an object that is not true of it, by the module's procedure.

    Args:
        graph: The graph that holds the facts, and records what else is true.
        facts: The ones to make false; each is known to be true.
        in_distribution: Which of them are ID.
        types: The graph's types.
        rules: What the false facts must obey.
        draw: Generator of all random choices.
    """
    false = facts.copy()
    group = facts[:, 1].astype(np.int64) * 2 + in_distribution
    for value in np.unique(group):
        rows = np.flatnonzero(group == value)
        false[rows, 2] = exchanged(facts[rows, 2], draw)
    redrawn = kept = 0
    for row in np.flatnonzero(_wrong(false, graph, rules)).tolist():  # few, see the module
        if _swap(row, false, graph, in_distribution, rules):
            continue
        candidates = draw.permutation(types.objects(facts[row, 1]))
        tries = np.column_stack([np.tile(facts[row, :2], (len(candidates), 1)), candidates])
        allowed = candidates[~_wrong(tries, graph, rules)]
        false[row, 2] = allowed[0] if len(allowed) else facts[row, 2]
        redrawn, kept = redrawn + bool(len(allowed)), kept + (not len(allowed))
    return Falsified(false, redrawn, kept)


def _wrong(false: Facts, graph: KnowledgeGraph, rules: Rules) -> Bool[np.ndarray, " n"]:
    """Mask of the facts that are still true, or not allowed."""
    return graph.known_true(false) | ~rules.allow(false)


def _swap(
    row: int,
    false: Facts,
    graph: KnowledgeGraph,
    in_distribution: Bool[np.ndarray, " n"],
    rules: Rules,
) -> bool:
    """Exchange objects with a fact of the same relation such that both are valid, if one exists."""
    if not _wrong(false[[row]], graph, rules)[0]:
        return True  # an earlier swap has settled it
    others = np.flatnonzero(false[:, 1] == false[row, 1])
    others = others[np.argsort(in_distribution[others] != in_distribution[row], kind="stable")]
    mine, theirs = false[others].copy(), false[others].copy()
    mine[:, 0], theirs[:, 2] = false[row, 0], false[row, 2]
    settles = ~_wrong(mine, graph, rules) & ~_wrong(theirs, graph, rules)
    if not settles.any():
        return False
    partner = others[settles.argmax()]
    false[[row, partner], 2] = false[[partner, row], 2]
    return True


def exchanged(objects: Int[np.ndarray, " n"], draw: np.random.Generator) -> Int[np.ndarray, " n"]:
    """The objects permuted; none keeps its value if no object makes up more than half of them.

    Sorted by (randomly renamed) object and turned by the size of the largest block, no block
    falls on itself.
    """
    values, inverse, counts = np.unique(objects, return_inverse=True, return_counts=True)
    order = np.lexsort((draw.random(len(objects)), draw.permutation(len(values))[inverse]))
    turned = np.empty_like(objects)
    turned[order] = np.roll(objects[order], int(counts.max()))
    return turned
