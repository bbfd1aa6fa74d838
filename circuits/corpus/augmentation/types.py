"""Types of entities: which may be the subject or the object of which relation.

Types are learned from everything that the source states, including what a preset or a policy leaves
out: types are not facts, and a small part of a graph says too little about them.

1. Every relation has two roles, its subjects and its objects.
2. Walk from a role to one of its entities and on to another role of that entity. Where two roles
   are of one type, one and two such steps lead from both to the same roles: their *profiles*, the
   sum of both distributions, have a cosine near 1. Wrong facts spread over all roles and change a
   profile little; two roles whose entities hardly overlap still meet through a third.
3. `PRIOR` steps, and `UNSEEN` for every fact of the role, stay in place. They represent unseen
   entities, so that one entity of two kinds (a film that is also a town) does not merge two types.
4. Roles are joined by average linkage (scipy) where profiles have a cosine of at least `ALIKE`;
   with single linkage a chain of chance likenesses would join nearly all roles.
5. An entity has the types in which it occurs at least `SHARE` of the time.

With `type_relation` ("instance of", rdf:type) the source's own types are taken instead for every
role most of whose entities have one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp
from jaxtyping import Bool, Float, Int

from circuits.graph.knowledge_graph import KnowledgeGraph

ALIKE = 0.5
"""Least mean cosine of the profiles of two groups of roles that are joined."""
PRIOR, UNSEEN = 2.0, 0.05
"""Steps of the walk that stay, per role and per fact in it."""
SHARE = 0.2
NEARLY_ALL = 0.8
"""A learned type with at least this share of all entities says little."""


@dataclass(frozen=True, eq=False)
class EntityTypes:
    """Which entities fit which side of which relation."""

    subject_type: Int[np.ndarray, " n_relations"]
    object_type: Int[np.ndarray, " n_relations"]
    member: Bool[np.ndarray, "n_types n_entities"]
    preferred: Bool[np.ndarray, "n_types n_entities"] | None = None
    """If given, objects are taken from these entities, for types that have any of them."""

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
        """The same types, with objects taken from these entities if a type has any of them."""
        return replace(self, preferred=self.member & entities)

    @property
    def leads_to_preferred(self) -> Bool[np.ndarray, " n_relations"]:
        """Relations that have a preferred object."""
        assert self.preferred is not None
        return np.asarray(self.preferred.any(axis=1))[self.object_type]


@dataclass(frozen=True)
class TypeReport:
    """One type, for the report."""

    subject_of: tuple[str, ...]
    """Relations that its entities may be the subject of."""
    object_of: tuple[str, ...]
    entities: int
    examples: tuple[str, ...]


def learn_types(
    graph: KnowledgeGraph,
    type_relation: str | None = None,
    source: KnowledgeGraph | None = None,
) -> EntityTypes:
    """Learn the types of a graph's entities by the module's procedure.

    Args:
        graph: Any knowledge graph.
        type_relation: Relation whose objects are the types of its subjects, if there is one.
        source: The graph that this one was made from, if it states more; matched by names.

    Raises:
        HopscopeError: if the graph does not have the relation `type_relation`.

    >>> facts = [(f"person {i}", "born in", f"town {i % 5}") for i in range(20)]
    >>> facts += [(f"person {i}", "works in", f"town {i % 4}") for i in range(20)]
    >>> graph = KnowledgeGraph.from_triples("people", facts)
    >>> types = learn_types(graph)
    >>> [graph.entities[i] for i in types.objects(graph.relation("works in"))]
    ['town 0', 'town 1', 'town 2', 'town 3', 'town 4']
    """
    if source is not None and source is not graph:
        return _by_name(graph, source, learn_types(source, type_relation))
    occurs = _occurrences(graph)
    role_type = _joined(_profiles(occurs))
    n_relations = len(graph.relations)
    member = _members(occurs, role_type)
    if type_relation is not None:
        role_type, member = _stated(graph, graph.relation(type_relation), occurs, role_type, member)
    return EntityTypes(role_type[:n_relations], role_type[n_relations:], member)


def _by_name(graph: KnowledgeGraph, source: KnowledgeGraph, types: EntityTypes) -> EntityTypes:
    """The types of the source for a graph with names of its own; new ones by where they occur."""
    relations = np.array([source.relation(name) for name in graph.relations])
    subject_type, object_type = types.subject_type[relations], types.object_type[relations]
    role_type = np.concatenate([subject_type, object_type])
    member = _members(_occurrences(graph), role_type, len(types.member))
    number = {name: i for i, name in enumerate(source.entities)}
    there = np.array([number.get(name, -1) for name in graph.entities])
    member[:, there >= 0] = types.member[:, there[there >= 0]]
    return EntityTypes(subject_type, object_type, member)


def type_reports(graph: KnowledgeGraph, types: EntityTypes) -> Iterator[TypeReport]:
    """Every type that several roles share or several entities have, the largest first."""
    size = types.member.sum(1)
    for number in np.argsort(-size, kind="stable").tolist():
        sides = (types.subject_type, types.object_type)
        subject_of, object_of = (
            tuple(graph.relations[r] for r in np.flatnonzero(side == number)) for side in sides
        )
        if size[number] > 1 or len(subject_of) + len(object_of) > 1:
            first = np.flatnonzero(types.member[number])[:3]
            names = tuple(graph.entities[e] for e in first)
            yield TypeReport(subject_of, object_of, int(size[number]), names)


def says_little(graph: KnowledgeGraph, types: EntityTypes) -> str | None:
    """A warning if one type is so large that nearly any entity has the right type."""
    largest = int(types.member.sum(1).max(initial=0))
    if largest < NEARLY_ALL * len(graph.entities):
        return None
    return (
        f"one learned type holds {largest:,} of {len(graph.entities):,} entities, so an object of "
        "the right type may be nearly any entity; name the relation that states types in "
        "augmentation.type_relation if the source has one."
    )


def _occurrences(graph: KnowledgeGraph) -> sp.csr_array:
    """Number of facts of each entity in each role: subjects of all relations, then objects."""
    subject, relation, obj = np.concatenate([graph.facts, graph.held_back, graph.also_true]).T
    n_relations = len(graph.relations)
    where = (np.concatenate([subject, obj]), np.concatenate([relation, relation + n_relations]))
    shape = (len(graph.entities), 2 * n_relations)
    occurs = sp.csr_array((np.ones(2 * len(subject)), where), shape=shape)
    occurs.sum_duplicates()
    return occurs


def _profiles(occurs: sp.csr_array) -> Float[np.ndarray, "n_roles n_roles"]:
    """Where one and two steps of the walk lead from each role, as rows of length 1."""
    several = occurs[np.diff(occurs.indptr) > 1]
    total = np.repeat(np.asarray(several.sum(1)).reshape(-1), np.diff(several.indptr))
    leaving = several.copy()
    leaving.data = several.data / (total - several.data)
    steps = (leaving.T @ several).toarray()
    np.fill_diagonal(steps, 0)
    seen, stays = steps.sum(1), PRIOR + UNSEEN * np.asarray(occurs.sum(0)).reshape(-1)
    steps[np.diag_indices(len(steps))] = stays
    steps /= (seen + stays)[:, None]
    profile = steps + steps @ steps
    return np.asarray(profile / np.linalg.norm(profile, axis=1, keepdims=True))


def _joined(profile: Float[np.ndarray, "n_roles n_roles"]) -> Int[np.ndarray, " n_roles"]:
    """Number of the type of each role, by average linkage."""
    from scipy.cluster.hierarchy import fcluster, linkage  # imports for a tenth of a second
    from scipy.spatial.distance import squareform

    distance = np.clip(1 - profile @ profile.T, 0, None)
    np.fill_diagonal(distance, 0)
    tree = linkage(squareform(distance, checks=False), "average")
    return np.asarray(fcluster(tree, 1 - ALIKE, "distance") - 1)


def _members(
    occurs: sp.csr_array, role_type: Int[np.ndarray, " n_roles"], n_types: int | None = None
) -> Bool[np.ndarray, "n_types n_entities"]:
    """Entities of each type: those that occur in it often enough, or all if none does."""
    n_types = n_types or int(role_type.max()) + 1
    roles = np.arange(len(role_type))
    of_type = sp.csr_array((np.ones(len(roles)), (roles, role_type)), shape=(len(roles), n_types))
    times = (occurs @ of_type).toarray().T
    often = (times > 0) & (times >= SHARE * times.sum(0))
    return np.where(often.any(1, keepdims=True), often, times > 0)


def _stated(
    graph: KnowledgeGraph,
    type_relation: int,
    occurs: sp.csr_array,
    role_type: Int[np.ndarray, " n_roles"],
    member: Bool[np.ndarray, "n_types n_entities"],
) -> tuple[Int[np.ndarray, " n_roles"], Bool[np.ndarray, "n_types n_entities"]]:
    """The same with stated types for the roles most of whose entities have one: each such role gets
    its entities' most common stated type.
    """
    known = np.concatenate([graph.facts, graph.held_back, graph.also_true])
    subject, relation, obj = known.T
    named = relation == type_relation
    kinds, kind = np.unique(obj[named], return_inverse=True)
    is_a = np.zeros((len(kinds), len(graph.entities)), bool)
    is_a[kind, subject[named]] = True
    in_role = (occurs > 0).astype(np.int64)
    count = is_a.astype(np.int64) @ in_role
    typed = is_a.any(0).astype(np.int64) @ in_role
    enough = typed * 2 > np.asarray(in_role.sum(0))
    states = np.where(enough, len(member) + count.argmax(0), role_type)
    used, renumbered = np.unique(states, return_inverse=True)
    return renumbered, np.concatenate([member, is_a])[used]
