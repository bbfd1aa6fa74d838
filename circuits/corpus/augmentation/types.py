"""Types of entities, learned from facts: who may be subject or object of which relation.

All that the source states is looked at, also what the graph leaves out: types are no facts, and a
small beginning of a graph says too little about them.

1. Every relation has two roles, its subjects and its objects.
2. Two roles are of one type if they share enough of the smaller one's entities: half of them, or
   a tenth if that is three or more; a role of fewer than three joins only the one it is most
   like. Those who have a father are those who have a mother; a name
   that a film and a town share does not make them one.
3. An entity has the types of the roles it occurs in; it may take any role of these types.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp
from jaxtyping import Bool, Int
from scipy.sparse.csgraph import connected_components

from circuits.graph.knowledge_graph import KnowledgeGraph

SHARED, SHARED_BY_SEVERAL, SEVERAL = 0.5, 0.1, 3
"""Shares of the smaller role, and the number of entities for which the lower share suffices."""


@dataclass(frozen=True, eq=False)
class EntityTypes:
    """Which entities fit which side of which relation."""

    subject_type: Int[np.ndarray, " n_relations"]
    object_type: Int[np.ndarray, " n_relations"]
    member: Bool[np.ndarray, "n_types n_entities"]
    preferred: Bool[np.ndarray, "n_types n_entities"] | None = None
    """Where given: objects are taken from these, for types that have any."""

    def subjects(self, relation: int) -> Int[np.ndarray, " k"]:
        """Entities that may be the subject of a relation, by index."""
        return np.flatnonzero(self.member[self.subject_type[relation]])

    def objects(self, relation: int) -> Int[np.ndarray, " k"]:
        """Entities that may be the object of a relation, by index."""
        object_type = self.object_type[relation]
        if self.preferred is not None and self.preferred[object_type].any():
            return np.flatnonzero(self.preferred[object_type])
        return np.flatnonzero(self.member[object_type])

    def preferring(self, entities: Bool[np.ndarray, " n_entities"]) -> EntityTypes:
        """The same types, with objects taken from these entities where a type has some."""
        return replace(self, preferred=self.member & entities)

    @property
    def leads_to_preferred(self) -> Bool[np.ndarray, " n_relations"]:
        """Relations that have a preferred object."""
        assert self.preferred is not None
        return np.asarray(self.preferred.any(axis=1))[self.object_type]


def learn_types(graph: KnowledgeGraph) -> EntityTypes:
    """Learn the types of a graph's entities as the module's procedure says."""
    subject, relation, obj = np.concatenate([graph.facts, graph.held_back, graph.also_true]).T
    n_relations = len(graph.relations)
    entity = np.concatenate([subject, obj])
    role = np.concatenate([relation, relation + n_relations])
    shape = (len(graph.entities), 2 * n_relations)
    occurs = sp.csr_array((np.ones(len(entity), np.int64), (entity, role)), shape=shape)
    occurs.data[:] = 1
    common = (occurs.T @ occurs).tocoo()
    size = np.maximum(np.asarray(occurs.sum(axis=0)), 1)
    share = common.data / np.minimum(size[common.row], size[common.col])
    alike = (share >= SHARED) | ((share >= SHARED_BY_SEVERAL) & (common.data >= SEVERAL))
    alike &= ~_second_choices(common, size)
    links = sp.csr_array(
        (alike[alike], (common.row[alike], common.col[alike])), shape=(2 * n_relations,) * 2
    )
    n_types, role_type = connected_components(links, directed=False)
    member = np.zeros((n_types, len(graph.entities)), bool)
    member[role_type[role], entity] = True
    return EntityTypes(role_type[:n_relations], role_type[n_relations:], member)


def _second_choices(common: sp.coo_array, size: Int[np.ndarray, " k"]) -> Bool[np.ndarray, " n"]:
    """Pairs of roles that a tiny role is in, apart from the one with the role most like it.

    Otherwise one film that is also a town would join all films to all towns.
    """
    row, col = common.row, common.col
    similarity = common.data / (size[row] + size[col] - common.data)
    best = np.full(len(size), -1)
    other = row != col
    order = np.lexsort((-col[other], similarity[other]))
    best[row[other][order]] = col[other][order]  # the last one written is the most similar
    tiny = size < SEVERAL
    return other & ((tiny[row] & (best[row] != col)) | (tiny[col] & (best[col] != row)))
