"""New entities that have every relation of their type, linked to each other and to old ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Int

from circuits.corpus.augmentation.additions import Stage, adding, with_objects
from circuits.corpus.augmentation.capacity import Goal
from circuits.corpus.augmentation.rules import Facts, Rules
from circuits.corpus.augmentation.types import EntityTypes
from circuits.graph.knowledge_graph import KnowledgeGraph

GROWTH = 8
"""At most this many new entities per old one."""


def add_entities(
    graph: KnowledgeGraph, goal: Goal, rules: Rules, draw: np.random.Generator
) -> Stage:
    """Add entities until the goal is reached.

    They are modelled on old entities that are bridges or, without any, on any subject.
    """
    seed = int(draw.integers(2**32))
    types = rules.types(graph)
    bridges = np.intersect1d(graph.facts[:, 0], graph.facts[:, 2])
    templates = bridges if len(bridges) else np.unique(graph.facts[:, 0])
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
    # Objects that have facts of their own continue the path; objects of other types end it.
    has_facts = np.zeros(member.shape[1], bool)
    has_facts[graph.facts[:, 0]] = has_facts[n_old:] = True
    grown_types = grown_types.preferring(has_facts)
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
    taken, number = set(graph.entities), 0
    names: list[str] = []
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
        also_true=moved(graph.also_true),
    )
    protected = {(int(place[s]), r): int(place[o]) for (s, r), o in rules.protected.items()}
    rank = None if rules.rank is None else rules.rank[order]
    return (
        adding(renamed, moved(facts)),
        moved(facts),
        replace(rules, protected=protected, rank=rank),
    )
