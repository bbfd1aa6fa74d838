"""Rows of evidences_id in another order than evidences never make a false fact or identity."""

from __future__ import annotations

import itertools
import json
import random

from circuits.graph.knowledge_graph import KnowledgeGraph
from circuits.graph.sources import load_source
from circuits.graph.sources.two_wiki.ids import aligned_ids, identified

ND, RM, NORLAND, SUDIA = "Q101", "Q102", "Q1", "Q2"
COUNTRIES = [
    ["North Dawn", "country", "Norland"],
    ["Red Mill", "country", "Sudia"],
    ["Red Mill", "country", "Norland"],
]
TRUE_IDS = [[ND, "country", NORLAND], [RM, "country", SUDIA], [RM, "country", NORLAND]]


def _question(evidences: list, ids: list | None, identity: str = "1") -> dict:
    record = {"_id": identity, "type": "comparison", "question": "q", "answer": "a"}
    return record | {"evidences": evidences, "evidences_id": ids}


def _read(tmp_path, *records: dict) -> KnowledgeGraph:
    path = tmp_path / "q.json"
    path.write_text(json.dumps(records))
    return load_source(path, multi_valued="mark")


def _facts(graph: KnowledgeGraph) -> set[str]:
    return {graph.fact_text(i) for i in range(len(graph))}


def test_rows_in_another_order_are_put_in_order(tmp_path):
    expected = {" -country-> ".join((s, o)) for s, _, o in COUNTRIES}
    for order in itertools.permutations(TRUE_IDS):
        graph = _read(tmp_path, _question(COUNTRIES, list(order)))
        assert _facts(graph) == expected
        assert graph.notes["ids"]["aligned"] == (list(order) != TRUE_IDS)
        assert graph.notes["ids"]["left_out"] == 0


def test_one_id_of_three_names_is_resolved_by_names_known_elsewhere(tmp_path):
    """Zipped as they stand, these rows say Canada = Russian."""
    evidences = [["X", "land", "Canada"], ["Y", "land", "Canadian"], ["Y", "land", "Russian"]]
    permuted = [["Q10", "land", "Q16"], ["Q11", "land", "Q159"], ["Q11", "land", "Q16"]]
    elsewhere = _question([["Z", "land", "Russian"]], [["Q12", "land", "Q159"]], "2")
    graph = _read(tmp_path, _question(evidences, permuted), elsewhere)
    assert graph.notes["ids"]["aligned"] == 1
    assert _facts(graph) == {
        "X -land-> Canada",
        "Y -land-> Canada",
        "Y -land-> Russian",
        "Z -land-> Russian",
    }


def test_ids_are_left_out_and_counted_where_nothing_tells_the_order(tmp_path):
    evidences = [["X", "land", "Canada"], ["Y", "land", "Canadian"], ["Y", "land", "Russian"]]
    permuted = [["Q10", "land", "Q16"], ["Q11", "land", "Q159"], ["Q11", "land", "Q16"]]
    graph = _read(tmp_path, _question(evidences, permuted))
    assert graph.notes["ids"] == {
        "records_with_ids": 1,
        "aligned": 0,
        "left_out": 1,
        "unusable": 0,
        "examples": ["1"],
    }
    assert _facts(graph) == {" -land-> ".join((s, o)) for s, _, o in evidences}
    assert "nothing tells which is right" in graph.notes["reading"][0]


def test_a_swap_without_inner_contradiction_is_seen_by_names_known_elsewhere(tmp_path):
    evidences = [["A", "born", "Aa"], ["B", "born", "Bb"]]
    swapped = [["Q2", "born", "Q20"], ["Q1", "born", "Q10"]]
    elsewhere = _question([["A", "child", "C"]], [["Q1", "child", "Q3"]], "2")
    graph = _read(tmp_path, _question(evidences, swapped), elsewhere)
    assert _facts(graph) == {"A -born-> Aa", "B -born-> Bb", "A -child-> C"}
    assert graph.notes["ids"]["aligned"] == 1


def test_rows_are_only_exchanged_within_a_relation(tmp_path):
    evidences = [["Ann", "child", "Alfred"], ["Alfred", "spouse", "X"]]
    ids = [["Q3", "child", "Q8"], ["Q9", "spouse", "Q7"]]
    graph = _read(tmp_path, _question(evidences, ids))  # two people of one name
    assert _facts(graph) == {"Ann -child-> Alfred (Q8)", "Alfred (Q9) -spouse-> X"}
    assert graph.notes["ids"]["left_out"] == graph.notes["ids"]["aligned"] == 0
    turned = _read(tmp_path, _question(evidences, ids[::-1]))
    assert _facts(turned) == _facts(graph)
    assert turned.notes["ids"]["aligned"] == 1


def test_a_country_and_its_demonym_in_one_record_are_one_entity(tmp_path):
    evidences = [["X", "land", "Canada"], ["Y", "land", "Canadian"]]
    ids = [["Q10", "land", "Q16"], ["Q11", "land", "Q16"]]
    graph = _read(tmp_path, _question(evidences, ids))
    assert _facts(graph) == {"X -land-> Canada", "Y -land-> Canada"}
    assert graph.notes["ids"]["left_out"] == 0


def test_a_namesake_keeps_its_own_id(tmp_path):
    evidences = [["John", "born", "1900"], ["Mary", "born", "1901"]]
    ids = [["Q9", "born", "1900"], ["Q7", "born", "1901"]]
    elsewhere = _question([["John", "born", "1850"]], [["Q5", "born", "1850"]], "2")
    graph = _read(tmp_path, _question(evidences, ids), elsewhere)
    assert {"John (Q9) -born-> 1900", "John (Q5) -born-> 1850"} <= _facts(graph)


def test_ids_of_another_number_or_another_vocabulary(tmp_path):
    more = _question(COUNTRIES, TRUE_IDS[:2])
    graph = _read(tmp_path, more)
    assert graph.notes["ids"]["unusable"] == 1
    assert "differ in length in 1 questions" in graph.notes["reading"][0]
    properties = [[s, "P17", o] for s, _, o in TRUE_IDS]
    graph = _read(tmp_path, _question(COUNTRIES, properties))
    assert graph.notes["merged"]["by"] == "ids"
    assert graph.notes["ids"]["left_out"] == 0


def test_shuffled_rows_are_all_found_in_a_world_of_consistent_names():
    draw = random.Random(0)
    person = {f"person {i}": f"Q{i}" for i in range(150)}
    place = {f"place {i}": f"Q{1000 + i}" for i in range(40)}
    home = {name: draw.choice(list(place)) for name in person}
    records, truth = [], []
    for number in range(1500):
        pair = draw.sample(list(person), 2)
        evidences = [(name, "home", home[name]) for name in pair]
        ids = [[person[name], "home", place[home[name]]] for name in pair]
        truth.append(tuple((row[0], row[2]) for row in ids))
        if number % 5 == 0:
            ids.reverse()
        records.append(identified(str(number), evidences, ids))
    aligned, report = aligned_ids(records)
    assert aligned == truth
    assert (report.aligned, report.left_out) == (300, 0)
