"""Fill empty (entity, relation) slots with objects of the relation's type.

1. *Even*: slots in random order, objects uniformly among those of the relation's type, which
   spreads them more than the source does. Taken if it reaches the goal while at most doubling the
   graph.
2. *Core*: otherwise. Lemma 1 of *Grokking in the Wild* says that facts spread over many entities
   do not raise phi; a new fact (s, r, o) makes in(s) + out(o) paths. So a core of m well connected
   entities gets every relation of its type, and then the other subjects get the relations that
   lead to an entity of the core, uniformly to each. m = 4, 6, 8, 12, 16, ... are tried.
3. The fewest facts always run through the fewest bridges, and accuracy would be about those alone.
   So of all choices that reach the goal with at most as many facts as the graph has, or `growth`
   times the fewest, the one whose paths have the highest effective number of bridges is taken;
   where the number of facts is given, the largest core.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Int

from circuits.corpus.augmentation.additions import Stage, shortest, slot_keys, with_objects
from circuits.corpus.augmentation.capacity import Goal
from circuits.corpus.augmentation.rules import Facts, Rules
from circuits.corpus.augmentation.types import EntityTypes
from circuits.graph.knowledge_graph import KnowledgeGraph
from circuits.graph.paths import effective_bridges


def densify(graph: KnowledgeGraph, goal: Goal, rules: Rules, draw: np.random.Generator) -> Stage:
    """Fill empty slots until the goal is reached, over as many bridges as the growth allows."""
    types = rules.types(graph)
    slots = draw.permutation(empty_slots(graph, types))
    even = shortest(graph, with_objects(slots, types, rules, draw), goal, rules)
    if _distance(even, goal) == 0 and len(even.facts) <= len(graph):
        return even
    ranked, choices = core_order(graph, types, draw), [even]
    for size in core_sizes(len(ranked)):
        candidates = _around_core(
            graph, slots, types, rules, ranked[:size], draw, all_slots=goal.n_facts is not None
        )
        choices.append(shortest(graph, candidates, goal, rules))
    if goal.n_facts is not None:
        choices.reverse()
    fewest = min(choices, key=lambda stage: (_distance(stage, goal), len(stage.facts)))
    if _distance(fewest, goal) or goal.n_facts is not None:
        return fewest
    at_most = max(len(graph), goal.growth * len(fewest.facts))
    allowed = [c for c in choices if not _distance(c, goal) and len(c.facts) <= at_most]
    return max(allowed, key=lambda stage: effective_bridges(stage.graph))


def core_sizes(n: int) -> Iterator[int]:
    """4, 6, 8, 12, 16, 24, ... up to n."""
    size = 4
    while size <= n:
        yield size
        if size + size // 2 <= n:
            yield size + size // 2
        size *= 2


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

    Slots that would crowd onto a few of the core come later than those that spread over it. With
    `all_slots` the others follow, because a given number of facts has to be reached. A relation
    whose objects cannot be in the core takes any object of its type.
    """
    in_core = np.zeros(len(graph.entities), bool)
    in_core[core] = True
    targets = types.preferring(in_core)
    leads_there = targets.leads_to_preferred[slots[:, 1]]
    own = in_core[slots[:, 0]]
    leading = slots[~own & leads_there]
    fair = _fair(leading, targets, len(core))
    chosen = [slots[own], leading[fair], leading[~fair]]
    if all_slots:
        chosen.append(slots[~own & ~leads_there])
    return with_objects(np.concatenate(chosen), targets, rules, draw)


def _fair(
    slots: Int[np.ndarray, "n 2"], targets: EntityTypes, n_core: int
) -> Bool[np.ndarray, " n"]:
    """Mask of the slots that do not crowd onto the few objects of their relation.

    Some relations accept less than half of the core as objects. Each of those objects gets at most
    as many facts as every object of the core would get if all such relations led to all of them.
    """
    fair = np.ones(len(slots), bool)
    n_objects = {r: len(targets.objects(r)) for r in np.unique(slots[:, 1]).tolist()}
    few = np.isin(slots[:, 1], [r for r, n in n_objects.items() if 2 * n < n_core])
    load = -(-int(few.sum()) // n_core)
    for relation in np.unique(slots[few, 1]).tolist():
        of_it = np.flatnonzero(slots[:, 1] == relation)
        fair[of_it[load * n_objects[relation] :]] = False
    return fair


def _distance(stage: Stage, goal: Goal) -> float:
    """A stage's distance from the goal: 0 if it is reached, else a number to compare stages by."""
    short = goal.asks_for_phi and goal.shortfall(stage.graph) > 0
    failing = len(goal.failing(stage.graph))
    if not short and not failing:
        return 0.0 if stage.reached else 1e-9
    return failing + (1 / (1 + goal.highest_phi(stage.graph)) if short else 0.0)
