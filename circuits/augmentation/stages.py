"""The ways to add facts: true ones held back, empty slots filled, new entities.

Each stage lists its candidates in a seeded order and takes the shortest beginning of that list
(found by doubling and halving) with which the goal is reached, or all of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Int

from circuits.augmentation.capacity import Goal
from circuits.augmentation.rules import Facts, Rules
from circuits.augmentation.types import EntityTypes, learn_types
from circuits.knowledge_graph import PROVENANCES, KnowledgeGraph

ADDED_TRUE, ADDED_FALSE = PROVENANCES.index("added_true"), PROVENANCES.index("added_false")
GROWTH = 8
"""At most this many new entities per old one."""


@dataclass(frozen=True, eq=False)
class Stage:
    """Outcome of one stage."""

    graph: KnowledgeGraph
    facts: Facts
    """What was added, in order; indices into the names of `graph`."""
    rules: Rules
    """The rules in terms of the names of `graph`."""
    reached: bool


def add_true_facts(
    graph: KnowledgeGraph, goal: Goal, rules: Rules, draw: np.random.Generator
) -> Stage:
    """Add held-back true facts whose slot is empty; of several for a slot, one."""
    order = draw.permutation(len(graph.held_back))
    held = graph.held_back[order]
    key = slot_keys(graph, held)
    first = np.zeros(len(held), bool)
    first[np.unique(key, return_index=True)[1]] = True
    free = first & ~np.isin(key, slot_keys(graph, graph.facts)) & rules.allow(held)
    return _shortest(graph, held[free], goal, rules)


def densify(graph: KnowledgeGraph, goal: Goal, rules: Rules, draw: np.random.Generator) -> Stage:
    """Fill empty (entity, relation) slots with objects of the type the relation has."""
    types = learn_types(graph)
    slots, taken = [], slot_keys(graph, graph.facts)
    for relation in np.unique(graph.facts[:, 1]):
        subjects = types.subjects(relation)
        slots.append(np.column_stack([subjects, np.full_like(subjects, relation)]))
    empty = np.concatenate(slots)
    empty = empty[~np.isin(slot_keys(graph, empty), taken)]
    facts = with_objects(draw.permutation(empty), types, rules, draw)
    return _shortest(graph, facts, goal, rules)


def add_entities(
    graph: KnowledgeGraph, goal: Goal, rules: Rules, draw: np.random.Generator
) -> Stage:
    """Add entities that have every relation of their type, and are objects of one another."""
    seed = int(draw.integers(2**32))
    types = learn_types(graph)
    templates = np.unique(graph.facts[:, 0])  # a new entity is of the types of an old subject
    most = GROWTH * len(graph.entities)

    def grown(count: int) -> tuple[KnowledgeGraph, Facts, Rules]:
        return _grow(graph, types, rules, templates, count, seed)

    low, high = 0, 1
    while not goal.reached(grown(high)[0]):
        if high == most:
            return Stage(*grown(most), reached=False)
        low, high = high, min(2 * high, most)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if goal.reached(grown(middle)[0]) else (middle, high)
    return Stage(*grown(high), reached=True)


STAGES: dict[str, Callable[[KnowledgeGraph, Goal, Rules, np.random.Generator], Stage]] = {
    "true_facts": add_true_facts,
    "densify": densify,
    "new_entities": add_entities,
}


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


def _shortest(graph: KnowledgeGraph, candidates: Facts, goal: Goal, rules: Rules) -> Stage:
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


def _grow(
    graph: KnowledgeGraph,
    types: EntityTypes,
    rules: Rules,
    templates: Int[np.ndarray, " k"],
    count: int,
    seed: int,
) -> tuple[KnowledgeGraph, Facts, Rules]:
    draw = np.random.default_rng(seed)
    n_old = len(graph.entities)
    like = draw.choice(templates, count)
    member = np.concatenate([types.member, types.member[:, like]], axis=1)
    grown_types = replace(types, member=member)
    if rules.rank is not None:
        position = draw.uniform(rules.rank.min(), rules.rank.max(), count)
        rules = replace(rules, rank=np.concatenate([rules.rank, position]))
    slots = [
        np.column_stack([new, np.full_like(new, relation)])
        for relation in np.unique(graph.facts[:, 1])
        for new in [grown_types.subjects(relation)]
    ]
    schema = np.concatenate(slots)
    facts = with_objects(schema[schema[:, 0] >= n_old], grown_types, rules, draw)
    return _renamed(graph, facts, rules, count)


def _renamed(
    graph: KnowledgeGraph, facts: Facts, rules: Rules, count: int
) -> tuple[KnowledgeGraph, Facts, Rules]:
    """Name the new entities and put all names back into sorted order."""
    taken, names, number = set(graph.entities), [], 0
    while len(names) < count:
        number += 1
        name = f"new entity {number:05d}"
        names += [] if name in taken else [name]
    everyone = (*graph.entities, *names)
    order = sorted(range(len(everyone)), key=everyone.__getitem__)
    place = np.empty(len(order), np.int32)
    place[order] = np.arange(len(order))

    def moved(rows: Facts) -> Facts:
        return np.column_stack([place[rows[:, 0]], rows[:, 1], place[rows[:, 2]]]).astype(np.int32)

    old = moved(graph.facts)
    sort = np.lexsort(old.T[::-1])
    renamed = replace(
        graph,
        entities=tuple(everyone[i] for i in order),
        facts=old[sort],
        provenance=graph.provenance[sort],
        held_back=moved(graph.held_back),
    )
    protected = {(int(place[s]), r): int(place[o]) for (s, r), o in rules.protected.items()}
    rank = None if rules.rank is None else rules.rank[order]
    return adding(renamed, moved(facts)), moved(facts), Rules(protected, rank)
