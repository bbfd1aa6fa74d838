"""Candidates for addition, and the shortest beginning of a list of them that reaches a goal."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from circuits.augmentation.capacity import Goal
from circuits.augmentation.rules import Facts, Rules
from circuits.augmentation.types import EntityTypes
from circuits.knowledge_graph import PROVENANCES, KnowledgeGraph

ADDED_TRUE, ADDED_FALSE = PROVENANCES.index("added_true"), PROVENANCES.index("added_false")


@dataclass(frozen=True, eq=False)
class Stage:
    """Outcome of one way to add facts."""

    graph: KnowledgeGraph
    facts: Facts
    """What was added, in order; indices into the names of `graph`."""
    rules: Rules
    """The rules in terms of the names of `graph`."""
    reached: bool


def slot_keys(graph: KnowledgeGraph, facts: Int[np.ndarray, "n k"]) -> Int[np.ndarray, " n"]:
    """One integer per (subject, relation)."""
    return facts[:, 0].astype(np.int64) * len(graph.relations) + facts[:, 1]


def adding(graph: KnowledgeGraph, facts: Facts) -> KnowledgeGraph:
    """The graph with facts added; those among its held-back ones count as true."""
    width = len(graph.entities)
    known = slot_keys(graph, graph.held_back) * width + graph.held_back[:, 2]
    true = np.isin(slot_keys(graph, facts) * width + facts[:, 2], known)
    return graph.adding(facts, np.where(true, ADDED_TRUE, ADDED_FALSE))


def with_objects(
    slots: Int[np.ndarray, "n 2"], types: EntityTypes, rules: Rules, draw: np.random.Generator
) -> Facts:
    """Slots with uniformly drawn type-consistent objects; slots without an allowed one go."""
    objects = np.full(len(slots), -1)
    for relation in np.unique(slots[:, 1]):
        candidates = types.objects(relation)
        open_slots = np.flatnonzero(slots[:, 1] == relation)
        for _ in range(8):  # redraw what the rules refuse
            objects[open_slots] = draw.choice(candidates, len(open_slots))
            refused = ~rules.allow(np.column_stack([slots[open_slots], objects[open_slots]]))
            open_slots = open_slots[refused]
        objects[open_slots] = -1
    facts = np.column_stack([slots, objects]).astype(np.int32)
    return facts[objects >= 0]


def shortest(graph: KnowledgeGraph, candidates: Facts, goal: Goal, rules: Rules) -> Stage:
    """Add the shortest beginning of the candidates that reaches the goal, or all of them.

    Found by doubling and halving, so it is the shortest only where more facts never do harm.
    """

    def reached(count: int) -> bool:
        return goal.reached(adding(graph, candidates[:count]))

    low, high = 0, min(1, len(candidates))
    while high < len(candidates) and not reached(high):
        low, high = high, min(2 * high, len(candidates))
    if not reached(high):
        return Stage(adding(graph, candidates), candidates, rules, reached=False)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if reached(middle) else (middle, high)
    return Stage(adding(graph, candidates[:high]), candidates[:high], rules, reached=True)
