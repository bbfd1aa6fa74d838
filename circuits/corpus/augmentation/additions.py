"""Candidates for addition, and the shortest prefix of a list of them that reaches a goal."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from circuits.corpus.augmentation.capacity import Goal
from circuits.corpus.augmentation.rules import Facts, Rules
from circuits.corpus.augmentation.types import EntityTypes
from circuits.graph.knowledge_graph import PROVENANCES, KnowledgeGraph

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
    """The graph with facts added, each marked true or false by the source's knowledge."""
    return graph.adding(facts, np.where(graph.known_true(facts), ADDED_TRUE, ADDED_FALSE))


def with_objects(
    slots: Int[np.ndarray, "n 2"], types: EntityTypes, rules: Rules, draw: np.random.Generator
) -> Facts:
    """Slots with uniformly drawn allowed objects of their type; slots without one are dropped."""
    objects = np.full(len(slots), -1)
    for relation in np.unique(slots[:, 1]):
        candidates = types.objects(relation)
        open_slots = np.flatnonzero(slots[:, 1] == relation)
        for _ in range(8):  # redraw what the rules refuse
            objects[open_slots] = _drawn(slots[open_slots, 0], candidates, rules, draw)
            tried = np.column_stack([slots[open_slots], objects[open_slots]])
            open_slots = open_slots[(tried[:, 2] >= 0) & ~rules.allow(tried)]
        for slot in open_slots:  # few are left: those with hardly any allowed object
            every = np.column_stack([np.tile(slots[slot], (len(candidates), 1)), candidates])
            left = candidates[rules.allow(every)]
            objects[slot] = draw.choice(left) if len(left) else -1
    facts = np.column_stack([slots, objects]).astype(np.int32)
    return facts[objects >= 0]


def _drawn(
    subjects: Int[np.ndarray, " n"],
    candidates: Int[np.ndarray, " c"],
    rules: Rules,
    draw: np.random.Generator,
) -> Int[np.ndarray, " n"]:
    """A candidate per subject, uniformly among those of higher rank; -1 where there is none."""
    if rules.rank is None:
        return draw.choice(candidates, len(subjects))
    rising = candidates[np.argsort(rules.rank[candidates], kind="stable")]
    lowest = np.searchsorted(rules.rank[rising], rules.rank[subjects], side="right")
    room = len(rising) - lowest
    place = lowest + (draw.random(len(subjects)) * room).astype(np.int64)
    return np.where(room > 0, rising[np.minimum(place, len(rising) - 1)], -1)


def shortest(graph: KnowledgeGraph, candidates: Facts, goal: Goal, rules: Rules) -> Stage:
    """Add the shortest prefix of the candidates that reaches the goal, or all of them.

    Found by doubling and halving, so it is the shortest only if more facts never do harm.
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
