"""The ways to add facts, by the names that recipes use."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from circuits.corpus.augmentation.additions import Stage, shortest, slot_keys
from circuits.corpus.augmentation.capacity import Goal
from circuits.corpus.augmentation.densify import densify
from circuits.corpus.augmentation.new_entities import add_entities
from circuits.corpus.augmentation.rules import Rules, closing_no_cycle
from circuits.graph.knowledge_graph import KnowledgeGraph
from circuits.recipes.schema import AugmentationMode


def add_true_facts(
    graph: KnowledgeGraph, goal: Goal, rules: Rules, draw: np.random.Generator
) -> Stage:
    """Add held-back true facts whose slot is empty, one per slot."""
    order = draw.permutation(len(graph.held_back))
    held = graph.held_back[order]
    key = slot_keys(graph, held)
    first = np.zeros(len(held), bool)
    first[np.unique(key, return_index=True)[1]] = True
    free = first & ~np.isin(key, slot_keys(graph, graph.facts)) & rules.keep_protected(held)
    candidates = held[free]
    if rules.rank is not None:
        candidates = candidates[closing_no_cycle(graph, candidates)]
    return shortest(graph, candidates, goal, rules)


STAGES: dict[
    AugmentationMode, Callable[[KnowledgeGraph, Goal, Rules, np.random.Generator], Stage]
] = {
    "true_facts": add_true_facts,
    "densify": densify,
    "new_entities": add_entities,
}
