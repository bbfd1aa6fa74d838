"""A graph is a set of facts: order and repetition of the input change nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from circuits.errors import HopscopeError
from circuits.graph.knowledge_graph import PROVENANCES, KnowledgeGraph

NAMES = st.sampled_from("abcdefg")
TRIPLES = st.lists(st.tuples(NAMES, st.sampled_from("rst"), NAMES), min_size=1, max_size=40)


def _named(graph: KnowledgeGraph) -> set[tuple[str, str, str]]:
    return {(graph.entities[s], graph.relations[r], graph.entities[o]) for s, r, o in graph.facts}


@given(TRIPLES, st.randoms())
def test_the_order_of_the_triples_changes_nothing(triples, random):
    shuffled = triples * 2
    random.shuffle(shuffled)
    one, other = (KnowledgeGraph.from_triples("g", t) for t in (triples, shuffled))
    assert one.entities == other.entities
    assert one.relations == other.relations
    np.testing.assert_array_equal(one.facts, other.facts)
    assert _named(one) == set(triples)


@given(TRIPLES)
def test_first_keeps_the_first_object_as_listed(triples):
    graph = KnowledgeGraph.from_triples("g", triples, multi_valued="first")
    first: dict[tuple[str, str], str] = {}
    for s, r, o in triples:
        first.setdefault((s, r), o)
    assert _named(graph) == {(s, r, o) for (s, r), o in first.items()}
    assert not graph.multi_valued.any()


@given(TRIPLES)
def test_drop_keeps_exactly_the_keys_with_one_object(triples):
    objects: dict[tuple[str, str], set[str]] = {}
    for s, r, o in triples:
        objects.setdefault((s, r), set()).add(o)
    single = {(s, r, o) for s, r, o in triples if len(objects[s, r]) == 1}
    if not single:
        with pytest.raises(HopscopeError, match="several objects"):
            KnowledgeGraph.from_triples("g", triples, multi_valued="drop")
        return
    graph = KnowledgeGraph.from_triples("g", triples, multi_valued="drop")
    assert _named(graph) == single
    used = {name for s, _, o in single for name in (s, o)}
    assert set(graph.entities) == used


def test_the_notes_count_repeats_and_multi_valued_keys():
    triples = [("a", "r", "b"), ("a", "r", "c"), ("a", "r", "b"), ("b", "r", "c")]
    notes = KnowledgeGraph.from_triples("g", triples, multi_valued="drop").notes
    assert notes["duplicates"] == 1
    assert notes["multi_valued"] == {
        "policy": "drop",
        "keys": 1,
        "facts": 2,
        "facts_left_out": 2,
        "relations_left_out": {},
    }


def test_mark_keeps_all_and_marks_the_key():
    graph = KnowledgeGraph.from_triples("g", [("a", "r", "b"), ("a", "r", "c"), ("b", "r", "c")])
    assert graph.multi_valued.tolist() == [True, True, False]


def test_adding_keeps_the_provenance_of_what_was_there():
    graph = KnowledgeGraph.from_triples("g", [("a", "r", "b"), ("b", "r", "c")])
    false = PROVENANCES.index("added_false")
    grown = graph.adding(np.array([[0, 0, 1], [2, 0, 0]]), np.array([false, false]))
    assert grown.count("real") == 2
    assert grown.count("added_false") == 1
    assert grown.fact_text(2) == "c -r-> a"


def test_an_empty_graph_is_refused():
    with pytest.raises(HopscopeError, match="at least one triple"):
        KnowledgeGraph.from_triples("g", [])


def test_an_unknown_name_is_refused_with_the_nearest():
    graph = KnowledgeGraph.from_triples("g", [("Lyon", "country", "France")])
    with pytest.raises(HopscopeError, match="Did you mean 'Lyon'"):
        graph.entity("Lyons")
    with pytest.raises(HopscopeError, match="Did you mean 'country'"):
        graph.relation("countri")
