"""Inverse and duplicate relations against a counting loop, and leaving one out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse.csgraph import connected_components

from circuits.corpus.relation_rules import _groups_of_duplicates
from circuits.errors import HopscopeError
from circuits.graph.knowledge_graph import KnowledgeGraph
from circuits.graph.overlaps import LEAST_SHARE, relation_overlaps, shared_facts

NAMES = st.sampled_from("abcde")
TRIPLES = st.lists(st.tuples(NAMES, st.sampled_from("rst"), NAMES), min_size=1, max_size=40)


@given(TRIPLES)
def test_shared_facts_are_those_of_the_double_loop(triples):
    graph = KnowledgeGraph.from_triples("g", triples)
    facts, n = set(map(tuple, graph.facts.tolist())), len(graph.relations)
    same, turned = np.zeros((n, n), int), np.zeros((n, n), int)
    for s, r, o in facts:
        for q in range(n):
            same[r, q] += (s, q, o) in facts
            turned[r, q] += (o, q, s) in facts
    for found, counted in zip(shared_facts(graph), (same, turned), strict=True):
        table = np.zeros((n, n), int)
        table[found.relation, found.other] = found.facts
        assert (table == counted).all()
        assert (found.facts > 0).all()


@given(TRIPLES)
def test_groups_of_duplicates_are_the_components_of_their_graph(triples):
    graph = KnowledgeGraph.from_triples("g", triples)
    one, other, facts = shared_facts(graph)[0]
    size = np.bincount(graph.facts[:, 1])
    twins = np.zeros((len(size), len(size)), bool)
    twins[one, other] = facts >= LEAST_SHARE * np.minimum(size[one], size[other])
    groups = connected_components(twins, directed=False)[1]
    found = _groups_of_duplicates(graph)
    assert (np.equal.outer(found, found) == np.equal.outer(groups, groups)).all()


def world() -> KnowledgeGraph:
    rows = [(f"Land {i}", "capital", f"Town {i}") for i in range(20)]
    rows += [(f"Town {i}", "capital of", f"Land {i}") for i in range(15)]
    rows += [(f"Town {i}", "seat of", f"Land {i}") for i in range(10)]
    rows += [(f"Town {i}", "twin", f"Town {i ^ 1}") for i in range(20)]
    rows += [(f"Town {i}", "river", f"River {i % 7}") for i in range(20)]
    return KnowledgeGraph.from_triples("world", rows)


def test_inverse_duplicate_and_symmetric_relations_are_named_with_their_counts():
    found = {(o.kind, o.relation, o.other): (o.facts, o.share) for o in relation_overlaps(world())}
    assert found == {
        ("symmetric", "twin", "twin"): (20, 1.0),
        ("inverse", "capital", "capital of"): (15, 1.0),
        ("inverse", "capital", "seat of"): (10, 1.0),
        ("duplicate", "capital of", "seat of"): (10, 1.0),
    }


def test_a_relation_that_is_left_out_is_gone_and_counted():
    graph = world().without_relations(["capital of", "river"])
    assert graph.relations == ("capital", "seat of", "twin")
    assert not any(e.startswith("River") for e in graph.entities)
    assert graph.notes["left_out"] == {"capital of": 15, "river": 20}
    assert len(graph) == 50


def test_leaving_out_what_is_not_there_or_everything_is_refused():
    with pytest.raises(HopscopeError, match="Did you mean 'river'"):
        world().without_relations(["rivr"])
    with pytest.raises(HopscopeError, match="no fact is left"):
        world().without_relations(world().relations)
