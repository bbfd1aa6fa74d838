"""What a knowledge graph offers: phi overall and per relation, branching, shortcuts, ambiguity.

Definitions: *Grokking in the Wild* (arXiv 2504.20752, section 3). phi, phi_r and the verdict count
the paths that can be asked; paths over keys with several objects are counted separately. Every
number is exact except the shortcut rates of graphs with more than `SHORTCUT_PATHS` two-hop paths,
which are measured on a sample of that many paths and are marked as such.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Int

from circuits.errors import HopscopeError
from circuits.graph.knowledge_graph import PROVENANCES, KnowledgeGraph
from circuits.graph.lemmas import expected_paths, least_branching
from circuits.graph.overlaps import RelationOverlap, relation_overlaps
from circuits.graph.paths import (
    Paths,
    facts_per_relation,
    inferred_per_relation,
    n_askable_paths,
    n_two_hop_paths,
    out_degree,
    relation_pair_counts,
    sample_two_hop_paths,
    two_hop_paths,
)

SHORTCUT_PATHS = 5_000_000
TOP_PAIRS = 200
"""Most frequent relation pairs that the report lists."""


@dataclass(frozen=True)
class RelationReport:
    """One relation of the graph."""

    name: str
    facts: int
    inferred: int
    """Two-hop paths that can be asked and use this relation in either hop."""
    phi_r: float
    branching: float
    """Its facts per entity, b_r."""


@dataclass(frozen=True)
class RelationPairReport:
    """The two-hop paths of one pair of relations."""

    relation_1: str
    relation_2: str
    inferred: int
    phi: float
    """Its paths over the atomic facts of its relations."""


@dataclass(frozen=True)
class Shortcuts:
    """Share of two-hop queries answered by the most frequent tail of part of the question."""

    r1_r2: float
    h_r2: float
    h_r1: float
    majority: float
    copy_subject: float
    """Share whose answer is their own subject."""
    paths: int
    """Number of paths that this was measured on."""
    sampled: bool


@dataclass(frozen=True)
class GraphReport:
    """The report of `hopscope data`."""

    name: str
    entities: int
    subjects: int
    """Entities with at least one outgoing fact."""
    relations: tuple[RelationReport, ...]
    """Ascending phi_r."""
    atomic: int
    inferred: int
    """Two-hop paths that can be asked: (h, r1) and (b, r2) have one object each."""
    phi: float
    """`inferred` over `atomic`."""
    all_paths: int
    """All two-hop paths, including those that can never be asked."""
    branching: float
    """Mean out-degree over all entities, Lemma 1's b."""
    largest_out_degree: int
    lemma_1_paths: float
    """Expected two-hop paths of a random graph of this size and branching; compare `inferred`."""
    phi_g: float
    fully_generalizable: bool
    """phi_r >= phi_g for every relation that has facts."""
    failing_relations: tuple[str, ...]
    lemma_2_branching: float | None
    """b_r that Lemma 2 requires; None if the graph is too small for a two-hop path."""
    lemma_2_failing: tuple[str, ...]
    relation_pairs: tuple[RelationPairReport, ...]
    """The most frequent ones, at most `TOP_PAIRS`."""
    n_relation_pairs: int
    multi_valued_keys: int
    """(subject, relation) keys with several objects."""
    ambiguous_paths: int
    """Paths over such a key: `all_paths` less `inferred`."""
    overlaps: tuple[RelationOverlap, ...]
    """Relations that state the same facts as others, or their inverses; at most `TOP_PAIRS`."""
    shortcuts: Shortcuts | None
    """None without a two-hop path."""
    provenance: dict[str, int]
    held_back: int
    remarks: tuple[str, ...]
    """Sentences on what makes the graph unfit or unusual."""
    notes: dict[str, Any]
    """What the source reported, without its list of questions."""

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)


def graph_report(graph: KnowledgeGraph, phi_g: float = 3.6) -> GraphReport:
    """Report on a graph.

    Args:
        graph: Any knowledge graph.
        phi_g: Smallest phi at which the architecture groks; 3.6 is the least that *Grokked* saw.

    Raises:
        HopscopeError: if phi_g is not positive.

    >>> rows = [("Lyon", "country", "France"), ("France", "currency", "Euro")]
    >>> report = graph_report(KnowledgeGraph.from_triples("world", rows), phi_g=1)
    >>> report.phi, report.failing_relations
    (0.5, ())
    """
    if not phi_g > 0:
        raise HopscopeError(f"phi_G = {phi_g} is refused: it must be greater than 0.")
    relations = _relations(graph)
    degree = out_degree(graph)
    inferred, all_paths = n_askable_paths(graph), n_two_hop_paths(graph)
    bound = least_branching(len(graph.entities), phi_g)
    paths = _some_paths(graph.askable, inferred)
    sampled = inferred > SHORTCUT_PATHS
    failing = tuple(r.name for r in relations if r.phi_r < phi_g)
    pairs, n_pairs = _top_pairs(graph)
    branching = len(graph) / len(graph.entities)
    starts = graph.multi_valued & ~np.r_[False, graph.same_key_as_previous]
    return GraphReport(
        name=graph.name,
        entities=len(graph.entities),
        subjects=int((degree > 0).sum()),
        relations=relations,
        atomic=len(graph),
        inferred=inferred,
        phi=inferred / len(graph),
        all_paths=all_paths,
        branching=branching,
        largest_out_degree=int(degree.max()),
        lemma_1_paths=expected_paths(len(graph.entities), branching),
        phi_g=phi_g,
        fully_generalizable=not failing,
        failing_relations=failing,
        lemma_2_branching=bound,
        lemma_2_failing=tuple(
            sorted(r.name for r in relations if bound is None or r.branching <= bound)
        ),
        relation_pairs=pairs,
        n_relation_pairs=n_pairs,
        multi_valued_keys=int(starts.sum()),
        ambiguous_paths=all_paths - inferred,
        overlaps=relation_overlaps(graph)[:TOP_PAIRS],
        shortcuts=_shortcuts(graph, paths, sampled) if paths is not None else None,
        provenance={p: graph.count(p) for p in PROVENANCES},
        held_back=len(graph.held_back),
        remarks=_remarks(graph, relations, inferred),
        notes={k: v for k, v in graph.notes.items() if k != "questions"},
    )


def _relations(graph: KnowledgeGraph) -> tuple[RelationReport, ...]:
    facts = facts_per_relation(graph).tolist()
    inferred = inferred_per_relation(graph).tolist()
    reports = [
        RelationReport(name, n, paths, paths / n, n / len(graph.entities))
        for name, n, paths in zip(graph.relations, facts, inferred, strict=True)
        if n
    ]
    return tuple(sorted(reports, key=lambda r: (r.phi_r, r.name)))


def _some_paths(graph: KnowledgeGraph, inferred: int) -> Paths | None:
    if not inferred:
        return None
    if inferred > SHORTCUT_PATHS:
        return sample_two_hop_paths(graph, SHORTCUT_PATHS)
    return two_hop_paths(graph)


def _top_pairs(graph: KnowledgeGraph) -> tuple[tuple[RelationPairReport, ...], int]:
    pairs = relation_pair_counts(graph).tocoo()
    order = np.lexsort([pairs.col, pairs.row, -pairs.data])[:TOP_PAIRS]
    facts, names = facts_per_relation(graph), graph.relations
    top = []
    for first, second, n in zip(
        pairs.row[order], pairs.col[order], pairs.data[order].tolist(), strict=True
    ):
        atomic = int(facts[first] + (facts[second] if first != second else 0))
        top.append(RelationPairReport(names[first], names[second], n, n / atomic))
    return tuple(top), pairs.nnz


def _shortcuts(graph: KnowledgeGraph, paths: Paths, sampled: bool) -> Shortcuts:
    n_relations, n_entities = len(graph.relations), len(graph.entities)
    tail, head = paths.object, paths.subject.astype(np.int64)
    pair = paths.relation_1.astype(np.int64) * n_relations + paths.relation_2
    return Shortcuts(
        r1_r2=_most_frequent_share(pair, tail, n_entities),
        h_r2=_most_frequent_share(head * n_relations + paths.relation_2, tail, n_entities),
        h_r1=_most_frequent_share(head * n_relations + paths.relation_1, tail, n_entities),
        majority=float(np.bincount(tail).max() / len(tail)),
        copy_subject=float((tail == paths.subject).mean()),
        paths=len(paths),
        sampled=sampled,
    )


def _most_frequent_share(
    part: Int[np.ndarray, " n"], tail: Int[np.ndarray, " n"], n_entities: int
) -> float:
    """Share of rows whose tail is the most frequent one of their part."""
    if part.max() >= 2**63 // n_entities:  # keys would overflow
        part = np.unique(part, return_inverse=True)[1].astype(np.int64)
    key = np.sort(part * n_entities + tail)
    ends = np.r_[np.flatnonzero(np.diff(key)), len(key) - 1]
    count, owner = np.diff(ends, prepend=-1), key[ends] // n_entities
    starts = np.flatnonzero(np.r_[True, owner[1:] != owner[:-1]])
    return float(np.maximum.reduceat(count, starts).sum() / len(tail))


def _remarks(
    graph: KnowledgeGraph, relations: tuple[RelationReport, ...], inferred: int
) -> tuple[str, ...]:
    remarks = []
    if len(relations) == 1:
        remarks.append(f"There is one relation only ({relations[0].name!r}).")
    if not inferred:
        remarks.append("No object is the subject of a fact, so no two facts compose.")
    unused = sorted(r.name for r in relations if not r.inferred)
    if inferred and unused:
        remarks.append(f"No two-hop path uses: {', '.join(unused)}.")
    if graph.multi_valued.any():
        remarks.append(
            f"{int(graph.multi_valued.sum()):,} facts share their subject and relation with "
            "others; queries over them are ambiguous and never tested."
        )
    gone = graph.notes.get("multi_valued", {}).get("relations_left_out", {})
    if gone:
        names = ", ".join(f"{name} ({n:,} facts)" for name, n in gone.items())
        policy = graph.notes["multi_valued"]
        before = len(graph) + policy["facts_left_out"]
        remarks.append(
            f"{len(gone):,} relations are left out wholly by the policy {policy['policy']!r}: "
            f"{names}. All numbers are of {len(graph):,} of {before:,} facts; "
            "source.multi_valued = 'first' or 'mark' keeps them."
        )
    return tuple(remarks)
