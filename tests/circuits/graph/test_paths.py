"""Two-hop paths against a slow oracle, and phi against hand counts."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from circuits.errors import HopscopeError
from circuits.graph import paths as module
from circuits.graph.knowledge_graph import KnowledgeGraph
from circuits.graph.paths import (
    inferred_per_relation,
    n_askable_paths,
    n_two_hop_paths,
    paths_per_bridge,
    phi,
    phi_r,
    relation_pair_counts,
    sample_two_hop_paths,
    two_hop_paths,
)

NAMES = st.sampled_from("abcdefgh")
TRIPLES = st.lists(st.tuples(NAMES, st.sampled_from("rstu"), NAMES), min_size=1, max_size=50)
GRAPHS = TRIPLES.map(lambda triples: KnowledgeGraph.from_triples("g", triples))


def _slow_paths(graph: KnowledgeGraph) -> list[tuple[int, int, int, int, int]]:
    facts = graph.facts.tolist()
    return [(h, r1, b, r2, t) for h, r1, b in facts for s, r2, t in facts if s == b]


def _rows(paths: module.Paths) -> list[tuple[int, ...]]:
    columns = (paths.subject, paths.relation_1, paths.bridge, paths.relation_2, paths.object)
    return [tuple(row) for row in np.stack(columns, axis=1).tolist()]


@given(GRAPHS)
def test_paths_are_those_of_the_double_loop_in_its_order(graph):
    assert _rows(two_hop_paths(graph)) == _slow_paths(graph)
    assert n_two_hop_paths(graph) == len(_slow_paths(graph))


@given(GRAPHS)
def test_a_path_is_ambiguous_if_either_hop_has_several_objects(graph):
    objects = Counter((s, r) for s, r, _ in graph.facts.tolist())
    expected = [objects[h, r1] > 1 or objects[b, r2] > 1 for h, r1, b, r2, _ in _slow_paths(graph)]
    assert two_hop_paths(graph).ambiguous.tolist() == expected


@given(GRAPHS)
def test_an_unambiguous_query_has_one_answer(graph):
    paths = two_hop_paths(graph)
    asked = Counter((h, r1, r2) for h, r1, _, r2, _ in _rows(paths))
    for (h, r1, _, r2, _), ambiguous in zip(_rows(paths), paths.ambiguous, strict=True):
        assert ambiguous or asked[h, r1, r2] == 1


def _askable(graph: KnowledgeGraph) -> list[tuple[int, int, int, int, int]]:
    objects = Counter((s, r) for s, r, _ in graph.facts.tolist())
    return [
        (h, r1, b, r2, t)
        for h, r1, b, r2, t in _slow_paths(graph)
        if objects[h, r1] == objects[b, r2] == 1
    ]


@given(GRAPHS)
def test_counts_per_relation_and_pair_are_those_of_the_paths_that_can_be_asked(graph):
    slow = _askable(graph)
    assert n_askable_paths(graph) == len(slow)
    assert phi(graph) == len(slow) / len(graph)
    bridges = Counter(b for _, _, b, _, _ in slow)
    assert dict(enumerate(paths_per_bridge(graph).tolist())) == {
        e: bridges[e] for e in range(len(graph.entities))
    }
    pairs = Counter((r1, r2) for _, r1, _, r2, _ in slow)
    dense = relation_pair_counts(graph).toarray()
    assert {(i, j): n for (i, j), n in np.ndenumerate(dense) if n} == dict(pairs)
    uses = [sum(r in (r1, r2) for _, r1, _, r2, _ in slow) for r in range(len(graph.relations))]
    assert inferred_per_relation(graph).tolist() == uses


@given(GRAPHS, st.integers(0, 3))
def test_sampled_paths_are_paths(graph, seed):
    if not n_two_hop_paths(graph):
        return
    sample = sample_two_hop_paths(graph, 30, seed)
    assert set(_rows(sample)) <= set(_slow_paths(graph))


def test_sampling_is_uniform_over_paths():
    triples = [("hub", "r", f"t{i}") for i in range(9)]
    triples += [("a", "r", "hub"), ("b", "r", "lone"), ("lone", "r", "t0")]
    graph = KnowledgeGraph.from_triples("g", triples)
    sample = sample_two_hop_paths(graph, 10_000)
    over_hub = (sample.bridge == graph.entity("hub")).mean()
    assert abs(over_hub - 0.9) < 0.02


def test_phi_of_a_chain_with_a_branch_is_counted_by_hand():
    # Lyon -> France -> Euro and Europe: 3 facts, 2 paths
    graph = KnowledgeGraph.from_triples(
        "g",
        [
            ("Lyon", "country", "France"),
            ("France", "currency", "Euro"),
            ("France", "continent", "Europe"),
        ],
    )
    assert phi(graph) == pytest.approx(2 / 3)
    by_name = dict(zip(graph.relations, phi_r(graph), strict=True))
    assert by_name == {"continent": 1.0, "country": 2.0, "currency": 1.0}


def test_a_path_that_uses_a_relation_twice_counts_once_for_it():
    graph = KnowledgeGraph.from_triples("g", [("a", "mother", "b"), ("b", "mother", "c")])
    assert inferred_per_relation(graph).tolist() == [1]
    assert phi_r(graph).tolist() == [0.5]


def test_paths_are_int32():
    graph = KnowledgeGraph.from_triples("g", [("a", "r", "b"), ("b", "r", "c")])
    paths = two_hop_paths(graph)
    assert {a.dtype for a in (paths.subject, paths.bridge, paths.object)} == {np.dtype("int32")}


def test_a_graph_without_paths_gives_empty_arrays():
    graph = KnowledgeGraph.from_triples("g", [("a", "r", "b")])
    assert len(two_hop_paths(graph)) == 0
    assert phi(graph) == 0


def test_too_many_paths_are_refused_with_the_number(monkeypatch):
    monkeypatch.setattr(module, "MAX_PATHS", 1)
    graph = KnowledgeGraph.from_triples("g", [("a", "r", "b"), ("b", "r", "c"), ("c", "r", "d")])
    with pytest.raises(HopscopeError, match="2 two-hop paths, at most 1"):
        two_hop_paths(graph)
