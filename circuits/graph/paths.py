"""Two-hop paths of a knowledge graph and phi, as array operations.

1. Facts are sorted by subject, so the facts that can follow (h, r1, b) are one slice.
2. Each fact is repeated as often as its object has facts; the slices are laid end to end.
3. Counts (phi, phi_r, relation pairs) need no enumeration: with In[o, r] and Out[s, r] the numbers
   of facts of r into o and out of s, In^T Out counts the paths per relation pair.
4. A path over a key (subject, relation) with several objects can never be asked, since its question
   has several answers. phi and phi_r count the paths that can be asked; `n_two_hop_paths` and
   `two_hop_paths` cover all paths.

Definitions: *Grokking in the Wild* (arXiv 2504.20752), section 3.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from jaxtyping import Bool, Float, Int

from circuits.errors import HopscopeError
from circuits.graph.knowledge_graph import KnowledgeGraph

MAX_PATHS = 200_000_000
"""The most paths that are enumerated: 4 GB of int32. Counts have no such limit."""


@dataclass(frozen=True, eq=False)
class Paths:
    """Two-hop paths (h, r1, b, r2, t): row i of every array belongs to path i.

    Entities and relations are indices into the graph's names. Order: by first fact, then second.
    """

    subject: Int[np.ndarray, " n"]
    relation_1: Int[np.ndarray, " n"]
    bridge: Int[np.ndarray, " n"]
    relation_2: Int[np.ndarray, " n"]
    object: Int[np.ndarray, " n"]
    ambiguous: Bool[np.ndarray, " n"]
    """The query (h, r1, r2) has no unique derivation: (h, r1) or (b, r2) has several objects."""
    first_fact: Int[np.ndarray, " n"]
    """Row of `graph.facts` that is the first hop."""
    second_fact: Int[np.ndarray, " n"]

    def __len__(self) -> int:
        return len(self.subject)


def out_degree(graph: KnowledgeGraph) -> Int[np.ndarray, " n_entities"]:
    """Number of facts each entity is the subject of."""
    return np.bincount(graph.facts[:, 0], minlength=len(graph.entities))


def n_two_hop_paths(graph: KnowledgeGraph) -> int:
    """Number of inferred facts, without enumerating them."""
    return int(out_degree(graph)[graph.facts[:, 2]].sum(dtype=np.int64))


def two_hop_paths(graph: KnowledgeGraph) -> Paths:
    """All inferred facts of the graph.

    Raises:
        HopscopeError: beyond `MAX_PATHS`.
    """
    n = n_two_hop_paths(graph)
    if n > MAX_PATHS:
        raise HopscopeError(
            f"{graph.name} has {n:,} two-hop paths, at most {MAX_PATHS:,} can be held in memory; "
            "leave out relations or entities."
        )
    follow = out_degree(graph)
    starts = np.cumsum(follow) - follow
    counts = follow[graph.facts[:, 2]]
    first = np.repeat(np.arange(len(graph.facts), dtype=np.int32), counts)
    # second = start of the bridge's slice + how far along that slice this path is
    offset = starts[graph.facts[:, 2]] - (np.cumsum(counts) - counts)
    second = np.repeat(offset.astype(np.int32), counts)
    second += np.arange(n, dtype=np.int32)
    return _paths_of_facts(graph, first, second)


def sample_two_hop_paths(graph: KnowledgeGraph, n: int, seed: int = 0) -> Paths:
    """`n` paths drawn uniformly with replacement, for graphs too large to enumerate."""
    follow = out_degree(graph)
    starts = np.cumsum(follow) - follow
    ends = np.cumsum(follow[graph.facts[:, 2]])
    drawn = np.sort(np.random.default_rng(seed).integers(ends[-1], size=n))
    first = np.searchsorted(ends, drawn, side="right")
    bridge = graph.facts[first, 2]
    second = starts[bridge] + drawn - (ends[first] - follow[bridge])
    return _paths_of_facts(graph, first.astype(np.int32), second.astype(np.int32))


def _paths_of_facts(
    graph: KnowledgeGraph, first: Int[np.ndarray, " n"], second: Int[np.ndarray, " n"]
) -> Paths:
    columns = np.ascontiguousarray(graph.facts.T, np.int32)
    several = graph.multi_valued
    return Paths(
        subject=columns[0][first],
        relation_1=columns[1][first],
        bridge=columns[2][first],
        relation_2=columns[1][second],
        object=columns[2][second],
        ambiguous=several[first] | several[second],
        first_fact=first,
        second_fact=second,
    )


def n_askable_paths(graph: KnowledgeGraph) -> int:
    """Number of inferred facts whose question has one answer."""
    return n_two_hop_paths(graph.askable)


def relation_pair_counts(graph: KnowledgeGraph) -> sp.csr_array:
    """Askable two-hop paths per (r1, r2): a sparse int64 matrix [n_relations, n_relations]."""
    facts = graph.askable.facts
    ones = np.ones(len(facts), np.int64)
    shape = (len(graph.entities), len(graph.relations))
    subject, relation, obj = facts.T
    into = sp.csr_array((ones, (obj, relation)), shape=shape)
    out_of = sp.csr_array((ones, (subject, relation)), shape=shape)
    return sp.csr_array(into.T @ out_of)


def paths_per_bridge(graph: KnowledgeGraph) -> Int[np.ndarray, " n_entities"]:
    """Askable two-hop paths over each entity: its facts as an object times those as a subject."""
    subject, _, obj = graph.askable.facts.T
    n = len(graph.entities)
    return np.bincount(obj, minlength=n) * np.bincount(subject, minlength=n)


def effective_bridges(graph: KnowledgeGraph) -> float:
    """exp(entropy) of the bridges of all askable paths; 0 where there is none."""
    paths = paths_per_bridge(graph)
    share = paths[paths > 0] / max(paths.sum(), 1)
    return float(np.exp(-(share * np.log(share)).sum())) if len(share) else 0.0


def phi(graph: KnowledgeGraph) -> float:
    """Inferred facts that can be asked per atomic fact.

    >>> rows = [("Lyon", "country", "France"), ("France", "currency", "Euro")]
    >>> phi(KnowledgeGraph.from_triples("world", rows))
    0.5
    """
    return n_askable_paths(graph) / len(graph)


def facts_per_relation(graph: KnowledgeGraph) -> Int[np.ndarray, " n_relations"]:
    """Atomic facts of each relation."""
    return np.bincount(graph.facts[:, 1], minlength=len(graph.relations))


def inferred_per_relation(graph: KnowledgeGraph) -> Int[np.ndarray, " n_relations"]:
    """Askable paths that use each relation, in either hop; one that uses it twice counts once."""
    pairs = relation_pair_counts(graph)
    uses = np.asarray(pairs.sum(axis=1)) + np.asarray(pairs.sum(axis=0)) - pairs.diagonal()
    return uses.astype(np.int64)


def phi_r(graph: KnowledgeGraph) -> Float[np.ndarray, " n_relations"]:
    """Per relation: askable inferred facts that use it, divided by its atomic facts.

    0 for a relation without facts (all of its facts held back).
    """
    return inferred_per_relation(graph) / np.maximum(facts_per_relation(graph), 1)
