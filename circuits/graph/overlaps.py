"""Relations that state the same or inverse facts, which let a model answer by copying.

With "capital" and "capital of" in one graph, (Lyon, capital of, capital) asks for its own subject.
With "born in" beside "birthplace" a test question is a trained one in other words. Toutanova and
Chen ("Observed versus latent features", 2015) found both in FB15k and took them out.

A fact (s, r, o) has a twin in relation q if (s, q, o) is a fact too, an inverse if (o, q, s) is.
Pairs (s, o) are numbered and both are counted by one sparse product.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from circuits.graph.knowledge_graph import KnowledgeGraph

if TYPE_CHECKING:  # a tenth of a second, and the dashboard needs none of it to start
    import scipy.sparse as sp

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


def shared_facts(graph: KnowledgeGraph) -> tuple[sp.csr_array, sp.csr_array]:
    """(duplicates, inverses): how many facts of relation r have a twin, an inverse, in relation q.

    Both int64 [n_relations, n_relations]; the first has the facts of each relation as its diagonal.
    """
    import scipy.sparse as sp

    subject, relation, obj = graph.facts.T
    n = len(graph.entities)
    pairs, pair = np.unique(subject.astype(np.int64) * n + obj, return_inverse=True)
    turned = obj.astype(np.int64) * n + subject
    place = np.minimum(np.searchsorted(pairs, turned), len(pairs) - 1)
    found = pairs[place] == turned
    shape = (len(graph.relations), len(pairs))
    states = sp.csr_array((np.ones(len(pair), np.int64), (relation, pair)), shape=shape)
    inverted = sp.csr_array(
        (np.ones(int(found.sum()), np.int64), (relation[found], place[found])), shape=shape
    )
    return sp.csr_array(states @ states.T), sp.csr_array(inverted @ states.T)


def relation_overlaps(graph: KnowledgeGraph) -> tuple[RelationOverlap, ...]:
    """Relations that state at least half of another's facts, or of their inverses, most first.

    >>> rows = [(f"Land {i}", "capital", f"Town {i}") for i in range(9)]
    >>> rows += [(f"Town {i}", "capital of", f"Land {i}") for i in range(9)]
    >>> found, = relation_overlaps(KnowledgeGraph.from_triples("lands", rows))
    >>> found.kind, found.relation, found.other, found.facts, found.share
    ('inverse', 'capital', 'capital of', 9, 1.0)
    """
    import scipy.sparse as sp

    duplicates, inverses = shared_facts(graph)
    size = duplicates.diagonal()
    found = [
        *_overlaps(graph, sp.triu(duplicates, 1).tocoo(), size, "duplicate"),
        *_overlaps(graph, sp.triu(inverses).tocoo(), size, "inverse"),
    ]
    return tuple(sorted(found, key=lambda o: (-o.facts, o.kind, o.relation, o.other)))


def _overlaps(
    graph: KnowledgeGraph, shared: sp.coo_array, size: np.ndarray, kind: OverlapKind
) -> list[RelationOverlap]:
    smaller = np.minimum(size[shared.row], size[shared.col])
    rows = np.flatnonzero((shared.data >= LEAST_FACTS) & (shared.data >= LEAST_SHARE * smaller))
    found = []
    for i in rows.tolist():
        first, second = int(shared.row[i]), int(shared.col[i])
        if size[first] < size[second]:
            first, second = second, first
        names = graph.relations[first], graph.relations[second]
        n = int(shared.data[i])
        named = "symmetric" if first == second else kind
        found.append(RelationOverlap(named, *names, n, n / int(size[second])))
    return found
