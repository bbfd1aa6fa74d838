"""What no added fact may do: contradict a protected fact, or close a cycle."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp
from jaxtyping import Bool, Float, Int
from scipy.sparse.csgraph import connected_components

from circuits.corpus.augmentation.types import EntityTypes, learn_types
from circuits.errors import HopscopeError
from circuits.graph.knowledge_graph import KnowledgeGraph

Facts = Int[np.ndarray, "n 3"]


@dataclass(frozen=True, eq=False)
class Rules:
    """Which additions are allowed."""

    protected: dict[tuple[int, int], int]
    """Object by protected (subject, relation)."""
    rank: Float[np.ndarray, " n_entities"] | None
    """If given, facts may only be added from a lower to a higher rank."""
    type_relation: str | None = None
    """Relation that states types; None: they are learned."""
    source: KnowledgeGraph | None = None
    """What types are learned from: everything that the source states."""

    def types(self, graph: KnowledgeGraph) -> EntityTypes:
        """The types of this graph's entities, which additions respect."""
        return learn_types(graph, self.type_relation, self.source)

    def ranked_anew(self, graph: KnowledgeGraph) -> Rules:
        """The same rules, with the rank (if any) recomputed for the facts of this graph."""
        return self if self.rank is None else replace(self, rank=topological_rank(graph))

    def allow(self, facts: Facts) -> Bool[np.ndarray, " n"]:
        """Mask of the facts that may be added."""
        allowed = self.keep_protected(facts)
        if self.rank is not None:
            allowed &= self.rank[facts[:, 0]] < self.rank[facts[:, 2]]
        return allowed

    def keep_protected(self, facts: Facts) -> Bool[np.ndarray, " n"]:
        """Mask of the facts that may be added, ranks ignored."""
        allowed = facts[:, 0] != facts[:, 2]
        for (subject, relation), obj in self.protected.items():
            same_key = (facts[:, 0] == subject) & (facts[:, 1] == relation)
            allowed &= ~same_key | (facts[:, 2] == obj)
        return allowed


def read_rules(graph: KnowledgeGraph, protect: tuple[str, ...], acyclic: bool) -> Rules:
    """Rules for a graph from what a recipe says.

    Raises:
        HopscopeError: if a protected fact is malformed or uses names that the graph lacks.
    """
    protected = {}
    for text in protect:
        subject, arrow, rest = text.partition(" -")
        relation, second_arrow, obj = rest.partition("-> ")
        if not (arrow and second_arrow):
            raise HopscopeError(
                f"augmentation.protect: {text!r} is not of the form 'subject -relation-> object'."
            )
        key = (graph.entity(subject), graph.relation(relation))
        protected[key] = graph.entity(obj)
    return Rules(protected, topological_rank(graph) if acyclic else None)


def topological_rank(graph: KnowledgeGraph) -> Float[np.ndarray, " n_entities"]:
    """A rank that never falls along a fact, and is equal within an existing cycle.

    Facts added from a lower to a higher rank leave it valid, so they never close a cycle. A rank
    refuses some facts that would not close a cycle on their own, but every set of facts without a
    cycle follows some rank. For invented facts the choice of rank is arbitrary; true facts are
    tested one by one instead (`closing_no_cycle`).
    """
    n_parts, part = _cycles(graph.facts, len(graph.entities))
    edges = np.unique(part[graph.facts[:, [0, 2]]].reshape(-1, 2), axis=0)
    edges = edges[edges[:, 0] != edges[:, 1]]
    depth = np.zeros(n_parts)
    while len(edges):  # one round per level of the longest path
        deeper = depth.copy()
        np.maximum.at(deeper, edges[:, 1], depth[edges[:, 0]] + 1)
        if (deeper == depth).all():
            break
        depth = deeper
    position = np.empty(n_parts)
    position[np.argsort(depth, kind="stable")] = np.arange(n_parts)
    return position[part]


def closing_no_cycle(graph: KnowledgeGraph, facts: Facts) -> Bool[np.ndarray, " n"]:
    """Mask of the facts that can be added one after the other without closing a cycle.

    An existing cycle stays, but no fact is added within it. Facts are tested together, and in
    halves if some of them close a cycle.
    """
    taken = np.zeros(len(facts), bool)
    waiting = [np.arange(len(facts))]
    while waiting:
        batch = waiting.pop()
        taken[batch] = True
        added = facts[taken]
        part = _cycles(np.concatenate([graph.facts, added]), len(graph.entities))[1]
        if (part[added[:, 0]] != part[added[:, 2]]).all():
            continue
        taken[batch] = False
        if len(batch) > 1:
            middle = len(batch) // 2
            waiting += [batch[middle:], batch[:middle]]  # the first half is tested next
    return taken


def _cycles(facts: Facts, n_entities: int) -> tuple[int, Int[np.ndarray, " n_entities"]]:
    """Number of strongly connected components, and each entity's component."""
    ones = np.ones(len(facts), np.int8)
    links = sp.csr_array((ones, (facts[:, 0], facts[:, 2])), shape=(n_entities, n_entities))
    n_parts, part = connected_components(links, directed=True, connection="strong")
    return n_parts, part
