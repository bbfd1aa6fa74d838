"""Which facts are asked for: empty (subject, relation) slots whose subject is of the right type."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int

from circuits.corpus.augmentation.types import EntityTypes
from circuits.graph.knowledge_graph import KnowledgeGraph

Slots = Int[np.ndarray, "n 2"]


def open_slots(graph: KnowledgeGraph, types: EntityTypes, most: int, seed: int) -> Slots:
    """Rows (subject, relation) without a fact.

    Subjects that many facts lead to come first, because each of these becomes a two-hop question
    with the new fact; ties are in random order.

    Args:
        graph: The graph.
        types: Of its entities.
        most: Slots at most.
        seed: Of the order of ties.

    >>> from circuits.corpus.augmentation.types import learn_types
    >>> facts = [("Ann", "home", "Lyon"), ("Bo", "home", "Lyon"), ("Lyon", "country", "France")]
    >>> facts += [("Ann", "friend", "Bo"), ("Cy", "home", "Nice"), ("Nice", "country", "France")]
    >>> graph = KnowledgeGraph.from_triples("people", facts)
    >>> types = learn_types(graph)
    >>> [(graph.entities[s], graph.relations[r]) for s, r in open_slots(graph, types, 1, 0)]
    [('Bo', 'friend')]
    """
    taken = np.zeros((len(graph.entities), len(graph.relations)), bool)
    taken[graph.facts[:, 0], graph.facts[:, 1]] = True
    fits = np.stack([types.member[t] for t in types.subject_type], axis=1)
    slots = np.argwhere(fits & ~taken)
    leading = np.bincount(graph.facts[:, 2], minlength=len(graph.entities))[slots[:, 0]]
    tie = np.random.default_rng(seed).random(len(slots))
    return slots[np.lexsort([tie, -leading])][:most]


def batches(slots: Slots, size: int) -> list[tuple[int, Int[np.ndarray, " k"]]]:
    """(relation, its subjects) with at most `size` subjects each, in the order of the slots."""
    found = []
    for relation in dict.fromkeys(slots[:, 1].tolist()):
        subjects = slots[slots[:, 1] == relation, 0]
        found += [(relation, subjects[i : i + size]) for i in range(0, len(subjects), size)]
    return found
