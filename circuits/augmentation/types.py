"""Types of entities, learned from the graph: who may be subject or object of which relation.

1. Every relation has two roles, its subjects and its objects.
2. Two roles that share at least half of the smaller one's entities are of one type: those who
   have a spouse and those who are one, those born somewhere and those who direct films.
3. An entity has the types of the roles it occurs in; it may take any role of these types.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from jaxtyping import Bool, Int
from scipy.sparse.csgraph import connected_components

from circuits.knowledge_graph import KnowledgeGraph

SHARED = 0.5
"""Roles that share this much of the smaller one are of one type."""


@dataclass(frozen=True, eq=False)
class EntityTypes:
    """Which entities fit which side of which relation."""

    subject_type: Int[np.ndarray, " n_relations"]
    object_type: Int[np.ndarray, " n_relations"]
    member: Bool[np.ndarray, "n_types n_entities"]

    def subjects(self, relation: int) -> Int[np.ndarray, " k"]:
        """Entities that may be the subject of a relation, by index."""
        return np.flatnonzero(self.member[self.subject_type[relation]])

    def objects(self, relation: int) -> Int[np.ndarray, " k"]:
        """Entities that may be the object of a relation, by index."""
        return np.flatnonzero(self.member[self.object_type[relation]])


def learn_types(graph: KnowledgeGraph) -> EntityTypes:
    """Learn the types of a graph's entities as the module's procedure says."""
    subject, relation, obj = graph.facts.T
    n_relations = len(graph.relations)
    entity = np.concatenate([subject, obj])
    role = np.concatenate([relation, relation + n_relations])
    shape = (len(graph.entities), 2 * n_relations)
    occurs = sp.csr_array((np.ones(len(entity), np.int64), (entity, role)), shape=shape)
    occurs.data[:] = 1
    common = (occurs.T @ occurs).tocoo()
    size = np.maximum(np.asarray(occurs.sum(axis=0)), 1)
    alike = common.data >= SHARED * np.minimum(size[common.row], size[common.col])
    links = sp.csr_array(
        (alike[alike], (common.row[alike], common.col[alike])), shape=(2 * n_relations,) * 2
    )
    n_types, role_type = connected_components(links, directed=False)
    member = np.zeros((n_types, len(graph.entities)), bool)
    member[role_type[role], entity] = True
    return EntityTypes(role_type[:n_relations], role_type[n_relations:], member)
