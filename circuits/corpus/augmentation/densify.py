"""Fill empty (entity, relation) slots with objects of the type that the relation has.

1. *Even*: slots in random order, objects uniformly among those of the relation's type. Taken if it
   reaches the goal while at most doubling the graph.
2. *Core*: otherwise. Lemma 1 of *Grokking in the Wild* says that facts spread over many entities
   do not raise phi; a new fact (s, r, o) makes in(s) + out(o) paths. So a core of m well connected
   entities gets every relation of its type, and then the other subjects get the relations that
   lead to an entity of the core. m = 4, 8, ... are tried; the one that reaches the goal with the
   fewest facts is taken, or the largest where the number of facts is given.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Int

from circuits.corpus.augmentation.additions import Stage, shortest, slot_keys, with_objects
from circuits.corpus.augmentation.capacity import Goal
from circuits.corpus.augmentation.rules import Facts, Rules
from circuits.corpus.augmentation.types import EntityTypes, learn_types
from circuits.graph.knowledge_graph import KnowledgeGraph

SMALLEST_CORE = 4


def densify(graph: KnowledgeGraph, goal: Goal, rules: Rules, draw: np.random.Generator) -> Stage:
    """Fill empty slots until the goal is reached, evenly if that is enough."""
    types = learn_types(graph)
    slots = draw.permutation(empty_slots(graph, types))
    even = shortest(graph, with_objects(slots, types, rules, draw), goal, rules)
    if _distance(even, goal) == 0 and len(even.facts) <= len(graph):
        return even
    ranked, choices = core_order(graph, types, draw), [even]
    size = SMALLEST_CORE
    while size <= len(ranked):
        candidates = _around_core(
            graph, slots, types, rules, ranked[:size], draw, all_slots=goal.n_facts is not None
        )
        choices.append(shortest(graph, candidates, goal, rules))
        size *= 2
    if goal.n_facts is not None:
        choices.reverse()
    return min(choices, key=lambda stage: (_distance(stage, goal), len(stage.facts)))


def empty_slots(graph: KnowledgeGraph, types: EntityTypes) -> Int[np.ndarray, "n 2"]:
    """All (entity, relation) without a fact whose entity is of the relation's subject type."""
    slots = []
    for relation in np.unique(graph.facts[:, 1]):
        subjects = types.subjects(relation)
        slots.append(np.column_stack([subjects, np.full_like(subjects, relation)]))
    every = np.concatenate(slots)
    return every[~np.isin(slot_keys(graph, every), slot_keys(graph, graph.facts))]


def core_order(
    graph: KnowledgeGraph, types: EntityTypes, draw: np.random.Generator
) -> Int[np.ndarray, " k"]:
    """Entities that can be a bridge, the best connected first.

    First by how many relations may lead to and from entities of their types, then by their facts.
    """
    n = len(graph.entities)
    used = np.unique(graph.facts[:, 1])
    leading_in = types.member[types.object_type[used]].sum(0)
    leading_out = types.member[types.subject_type[used]].sum(0)
    degree = np.bincount(graph.facts[:, [0, 2]].reshape(-1), minlength=n)
    potential = leading_in * leading_out
    order = np.lexsort((draw.random(n), -degree, -potential))
    return order[potential[order] > 0]


def _around_core(
    graph: KnowledgeGraph,
    slots: Int[np.ndarray, "n 2"],
    types: EntityTypes,
    rules: Rules,
    core: Int[np.ndarray, " m"],
    draw: np.random.Generator,
    *,
    all_slots: bool,
) -> Facts:
    """The core's own slots, then those of others that lead to it, with objects from the core.

    With `all_slots` the others follow, for a given number of facts has to be reached. Relations
    that no entity of the core can be an object of take any object of their type.
    """
    in_core = np.zeros(len(graph.entities), bool)
    in_core[core] = True
    targets = types.preferring(in_core)
    leads_there = targets.leads_to_preferred[slots[:, 1]]
    own = in_core[slots[:, 0]]
    chosen = [slots[own], slots[~own & leads_there]]
    if all_slots:
        chosen.append(slots[~own & ~leads_there])
    return with_objects(np.concatenate(chosen), targets, rules, draw)


def _distance(stage: Stage, goal: Goal) -> float:
    """How far a stage stays from the goal: 0 if it reaches it, comparable if it does not."""
    short = goal.asks_for_phi and goal.shortfall(stage.graph) > 0
    failing = len(goal.failing(stage.graph))
    if not short and not failing:
        return 0.0 if stage.reached else 1e-9
    return failing + (1 / (1 + goal.highest_phi(stage.graph)) if short else 0.0)
