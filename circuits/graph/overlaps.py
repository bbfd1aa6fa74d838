"""Relations that state the same or inverse facts, which let a model answer by copying.

With "capital" and "capital of" in one graph, (Lyon, capital of, capital) asks for its own subject.
With "born in" beside "birthplace" a test question is a trained one in other words. Toutanova and
Chen ("Observed versus latent features", 2015) found both in FB15k and took them out.

A fact (s, r, o) has a twin in relation q if (s, q, o) is a fact too, an inverse if (o, q, s) is.
Both are one join of the facts with themselves, over their pair (s, o) or the pair turned round.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Int

from circuits.graph.knowledge_graph import KnowledgeGraph

LEAST_SHARE = 0.5
"""Two relations are reported if they share at least this part of the smaller one's facts."""
LEAST_FACTS = 2

OverlapKind = Literal["duplicate", "inverse", "symmetric"]


@dataclass(frozen=True)
class RelationOverlap:
    """Two relations that connect many of the same pairs of entities, the smaller one second."""

    kind: OverlapKind
    """duplicate: (s, r, o) and (s, q, o); inverse: (s, r, o) and (o, q, s); symmetric: r is its
    own inverse."""
    relation: str
    other: str
    facts: int
    """Facts of `other` that `relation` states too."""
    share: float
    """`facts` as a share of all facts of `other`."""


class SharedFacts(NamedTuple):
    """How many facts pairs of relations share, where they share any; in both orders."""

    relation: Int[np.ndarray, " k"]
    other: Int[np.ndarray, " k"]
    facts: Int[np.ndarray, " k"]


def shared_facts(graph: KnowledgeGraph) -> tuple[SharedFacts, SharedFacts]:
    """(duplicates, inverses): how many facts of a relation have a twin, an inverse, in the other.

    Each relation is its own duplicate, with all of its facts.
    """
    subject, _, obj = graph.facts.T.astype(np.int64)
    n = len(graph.entities)
    pair = subject * n + obj
    return _joined(graph, pair, pair), _joined(graph, pair, obj * n + subject)


def _joined(
    graph: KnowledgeGraph, key: Int[np.ndarray, " fact"], wanted: Int[np.ndarray, " fact"]
) -> SharedFacts:
    """Count the relations of all facts f, g for which key[f] is what g wants."""
    order = np.argsort(key, kind="stable")
    low = np.searchsorted(key[order], wanted, side="left")
    width = np.searchsorted(key[order], wanted, side="right") - low
    second = np.repeat(np.arange(len(wanted)), width)
    within = np.arange(len(second)) - np.repeat(np.cumsum(width) - width, width)
    first = order[low[second] + within]
    relation, size = graph.facts[:, 1].astype(np.int64), max(1, len(graph.relations))
    cells, facts = np.unique(relation[first] * size + relation[second], return_counts=True)
    return SharedFacts(cells // size, cells % size, facts)


def relation_overlaps(graph: KnowledgeGraph) -> tuple[RelationOverlap, ...]:
    """Relations that state at least half of another's facts, or of their inverses, most first.

    >>> rows = [(f"Land {i}", "capital", f"Town {i}") for i in range(9)]
    >>> rows += [(f"Town {i}", "capital of", f"Land {i}") for i in range(9)]
    >>> found, = relation_overlaps(KnowledgeGraph.from_triples("lands", rows))
    >>> found.kind, found.relation, found.other, found.facts, found.share
    ('inverse', 'capital', 'capital of', 9, 1.0)
    """
    duplicates, inverses = shared_facts(graph)
    found = [
        *_overlaps(graph, duplicates, duplicates.relation < duplicates.other, "duplicate"),
        *_overlaps(graph, inverses, inverses.relation <= inverses.other, "inverse"),
    ]
    return tuple(sorted(found, key=lambda o: (-o.facts, o.kind, o.relation, o.other)))


def _overlaps(
    graph: KnowledgeGraph, shared: SharedFacts, once: Bool[np.ndarray, " k"], kind: OverlapKind
) -> list[RelationOverlap]:
    size = np.bincount(graph.facts[:, 1], minlength=len(graph.relations))
    smaller = np.minimum(size[shared.relation], size[shared.other])
    enough = (shared.facts >= LEAST_FACTS) & (shared.facts >= LEAST_SHARE * smaller)
    found = []
    for i in np.flatnonzero(once & enough).tolist():
        first, second = int(shared.relation[i]), int(shared.other[i])
        if size[first] < size[second]:
            first, second = second, first
        names = graph.relations[first], graph.relations[second]
        n = int(shared.facts[i])
        named = "symmetric" if first == second else kind
        found.append(RelationOverlap(named, *names, n, n / int(size[second])))
    return found
