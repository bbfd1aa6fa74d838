"""The report against hand counts, the lemmas against brute force."""

from __future__ import annotations

import json
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from circuits.errors import HopscopeError
from circuits.graph import report as module
from circuits.graph.knowledge_graph import KnowledgeGraph
from circuits.graph.lemmas import expected_paths, least_branching
from circuits.graph.paths import n_two_hop_paths, two_hop_paths
from circuits.graph.report import graph_report
from circuits.graph.sources import load_source

NAMES = st.sampled_from("abcdef")
TRIPLES = st.lists(st.tuples(NAMES, st.sampled_from("rst"), NAMES), min_size=1, max_size=30)


def test_the_report_of_a_small_graph_is_counted_by_hand():
    graph = KnowledgeGraph.from_triples(
        "small",
        [
            ("Lyon", "country", "France"),
            ("Paris", "country", "France"),
            ("Turin", "country", "Italy"),
            ("France", "currency", "Euro"),
            ("Italy", "currency", "Euro"),
            ("Italy", "capital", "Rome"),
        ],
    )
    report = graph_report(graph, phi_g=0.8)
    assert (report.entities, report.subjects, report.atomic, report.inferred) == (7, 5, 6, 4)
    assert report.phi == pytest.approx(4 / 6)
    by_name = {r.name: r for r in report.relations}
    assert by_name["country"].phi_r == pytest.approx(4 / 3)
    assert by_name["currency"].phi_r == pytest.approx(3 / 2)
    assert by_name["capital"].phi_r == 1
    assert report.fully_generalizable
    assert report.branching == pytest.approx(6 / 7)
    pairs = {(p.relation_1, p.relation_2): (p.inferred, p.phi) for p in report.relation_pairs}
    assert pairs == {
        ("country", "currency"): (3, 3 / 5),
        ("country", "capital"): (1, 1 / 4),
    }
    assert report.shortcuts is not None
    assert report.shortcuts.r1_r2 == 1.0  # every currency is the Euro
    assert report.shortcuts.majority == 0.75
    json.dumps(report.to_json())


def test_relations_below_phi_g_are_named():
    report = graph_report(load_source("geonames"), phi_g=12)
    assert not report.fully_generalizable
    assert set(report.failing_relations) == {"continent", "currency", "language"}


def test_the_real_graph_has_the_published_shortcuts():
    shortcuts = graph_report(load_source("geonames")).shortcuts
    assert shortcuts is not None
    assert shortcuts.h_r2 == pytest.approx(0.39, abs=0.01)
    assert shortcuts.r1_r2 == pytest.approx(0.08, abs=0.01)


@given(TRIPLES)
def test_ambiguous_paths_are_counted_without_enumerating_them(triples):
    graph = KnowledgeGraph.from_triples("g", triples)
    report, ambiguous = graph_report(graph), two_hop_paths(graph).ambiguous
    assert report.ambiguous_paths == ambiguous.sum()
    assert report.inferred == (~ambiguous).sum()


@given(TRIPLES)
def test_shortcut_rates_are_those_of_a_counting_loop(triples):
    graph = KnowledgeGraph.from_triples("g", triples)
    paths = two_hop_paths(graph.askable)
    shortcuts = graph_report(graph).shortcuts
    if not len(paths):
        assert shortcuts is None
        return
    assert shortcuts is not None
    for rate, part, other in (
        (shortcuts.r1_r2, paths.relation_1, paths.relation_2),
        (shortcuts.h_r2, paths.subject, paths.relation_2),
        (shortcuts.h_r1, paths.subject, paths.relation_1),
    ):
        tails: dict[tuple[int, int], list[int]] = {}
        for a, b, t in zip(part, other, paths.object, strict=True):
            tails.setdefault((a, b), []).append(t)
        right = sum(max(t.count(x) for x in t) for t in tails.values())
        assert rate == pytest.approx(right / len(paths))


def test_phi_is_of_what_can_be_asked_and_the_other_number_stands_apart():
    """Ann has two children, so no question runs over them; only Bo's town can be asked for."""
    rows = [("Ann", "child", "Bo"), ("Ann", "child", "Cy"), ("Bo", "home", "Lyon")]
    rows += [("Cy", "home", "Nice"), ("Di", "child", "Bo")]
    report = graph_report(KnowledgeGraph.from_triples("family", rows), phi_g=0.25)
    assert (report.inferred, report.all_paths, report.ambiguous_paths) == (1, 3, 2)
    assert report.phi == 1 / 5
    assert {r.name: r.phi_r for r in report.relations} == {"child": 1 / 3, "home": 1 / 2}
    assert graph_report(KnowledgeGraph.from_triples("family", rows), phi_g=0.4).failing_relations


def test_relations_that_vanish_under_a_policy_are_named_with_their_facts():
    rows = [("Ann", "child", "Bo"), ("Ann", "child", "Cy"), ("Bo", "home", "Lyon")]
    rows += [("Bo", "friend", "Cy"), ("Bo", "friend", "Ann"), ("Cy", "home", "Nice")]
    report = graph_report(KnowledgeGraph.from_triples("family", rows, multi_valued="drop"))
    said = next(r for r in report.remarks if "left out wholly" in r)
    assert "child (2 facts), friend (2 facts)" in said
    assert "2 of 6 facts" in said
    first = graph_report(KnowledgeGraph.from_triples("family", rows, multi_valued="first"))
    assert not any("left out wholly" in remark for remark in first.remarks)


def test_large_graphs_are_sampled_and_say_so(monkeypatch):
    graph = load_source("geonames")
    monkeypatch.setattr(module, "SHORTCUT_PATHS", 15_000)
    report = graph_report(graph)
    assert report.shortcuts is not None
    assert report.shortcuts.sampled
    assert report.shortcuts.paths == 15_000
    assert report.inferred == n_two_hop_paths(graph)


def test_lemma_1_counts_the_ordered_choices_of_three_nodes():
    n, branching = 7, 2.0
    p = branching / (n - 1)
    assert expected_paths(n, branching) == pytest.approx(
        len(list(permutations(range(n), 3))) * p**2
    )
    assert expected_paths(n, branching, hops=3) == pytest.approx(7 * 6 * 5 * 4 * p**3)


def test_lemma_1_agrees_with_random_graphs():
    rng = np.random.default_rng(0)
    n, branching, counts = 40, 4.0, []
    for _ in range(300):
        edges = rng.random((n, n)) < branching / (n - 1)
        np.fill_diagonal(edges, False)
        paths = edges.astype(int) @ edges.astype(int)
        np.fill_diagonal(paths, 0)
        counts.append(paths.sum())
    assert np.mean(counts) == pytest.approx(expected_paths(n, branching), rel=0.02)


def test_lemma_1_at_the_size_of_grokked_does_not_overflow():
    # phi is bounded by the branching factor, 20
    assert expected_paths(2000, 20) / 40_000 == pytest.approx(20, rel=0.01)
    assert expected_paths(10_000_000, 20) > 0


def test_lemma_2_is_the_branching_at_which_lemma_1_reaches_phi_g():
    n, phi_g = 500, 3.6
    bound = least_branching(n, phi_g)
    assert bound is not None
    assert expected_paths(n, bound) / (n * bound) == pytest.approx(phi_g)
    assert least_branching(2, phi_g) is None


def test_a_graph_without_paths_says_it_plainly():
    graph = load_source("grokked_comparison", options={"n_entities": 5})
    report = graph_report(graph)
    assert report.inferred == 0
    assert report.shortcuts is None
    assert "No object is the subject of a fact, so no two facts compose." in report.remarks


def test_one_relation_only_is_remarked():
    graph = KnowledgeGraph.from_triples("g", [("a", "mother", "b"), ("b", "mother", "c")])
    report = graph_report(graph)
    assert any("one relation only" in remark for remark in report.remarks)


def test_a_phi_g_that_is_not_positive_is_refused():
    graph = KnowledgeGraph.from_triples("g", [("a", "r", "b")])
    for phi_g in (0, -1, float("nan")):
        with pytest.raises(HopscopeError, match="greater than 0"):
            graph_report(graph, phi_g)
