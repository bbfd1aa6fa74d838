"""Learned types against graphs whose types are known, with wrong facts in them."""

from __future__ import annotations

import numpy as np
import pytest
from random_graphs import random_graph, recipe

from circuits.corpus.augmentation import augment
from circuits.corpus.augmentation.types import EntityTypes, learn_types, says_little, type_reports
from circuits.errors import HopscopeError
from circuits.graph.knowledge_graph import KnowledgeGraph

KINDS = ("person", "town", "country", "film")
RELATIONS = {
    "father": ("person", "person"),
    "spouse": ("person", "person"),
    "birthplace": ("person", "town"),
    "home": ("person", "town"),
    "country": ("town", "country"),
    "citizenship": ("person", "country"),
    "neighbour": ("country", "country"),
    "capital": ("country", "town"),
    "director": ("film", "person"),
    "actor": ("film", "person"),
    "made in": ("film", "country"),
    "set in": ("film", "town"),
}


def noisy(noise: float, facts: int = 4000, seed: int = 0) -> KnowledgeGraph:
    """Facts of four kinds of entities; a share of them has a subject or object of any kind."""
    rng = np.random.default_rng(seed)
    sizes = {"person": 200, "town": 80, "country": 30, "film": 150}
    anything = [f"{kind} {i}" for kind, n in sizes.items() for i in range(n)]
    rows = []
    for _ in range(facts):
        relation = str(rng.choice(list(RELATIONS)))
        ends = [
            f"{kind} {int(sizes[kind] * rng.random() ** power)}"
            for kind, power in zip(RELATIONS[relation], (1.2, 2.0), strict=True)
        ]
        if rng.random() < noise:
            ends[rng.integers(2)] = str(rng.choice(anything))
        rows.append((ends[0], relation, ends[1]))
    return KnowledgeGraph.from_triples("noisy", rows)


def partition(graph: KnowledgeGraph, types: EntityTypes) -> set[frozenset[str]]:
    """Roles by learned type, as "relation subject" and "relation object"."""
    found: dict[int, set[str]] = {}
    for side, numbers in (("subject", types.subject_type), ("object", types.object_type)):
        for relation, number in zip(graph.relations, numbers.tolist(), strict=True):
            found.setdefault(number, set()).add(f"{relation} {side}")
    return set(map(frozenset, found.values()))


TRUE = {
    frozenset(
        f"{relation} {side}"
        for relation, kinds in RELATIONS.items()
        for side, kind in zip(("subject", "object"), kinds, strict=True)
        if kind == wanted
    )
    for wanted in KINDS
}


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("noise", [0.0, 0.05, 0.1, 0.2])
def test_types_survive_wrong_facts(noise: float, seed: int) -> None:
    graph = noisy(noise, seed=seed)
    assert partition(graph, learn_types(graph)) == TRUE


def test_entities_that_a_wrong_fact_brings_in_are_no_members() -> None:
    graph = noisy(0.1)
    types = learn_types(graph)
    for relation, kinds in RELATIONS.items():
        members = types.objects(graph.relation(relation))
        right = [graph.entities[e].startswith(kinds[1]) for e in members]
        assert np.mean(right) > 0.9


def test_roles_whose_entities_hardly_overlap_meet_through_a_third() -> None:
    """Nobody is a spouse and a director at once, but both have birthdays."""
    rows = [(f"p{i}", "born", f"day {i}") for i in range(100)]
    rows += [(f"p{i}", "spouse", f"q{i}") for i in range(50)]
    rows += [(f"film {i}", "director", f"p{i}") for i in range(50, 100)]
    graph = KnowledgeGraph.from_triples("sparse", rows)
    types = learn_types(graph)
    spouse, director = graph.relation("spouse"), graph.relation("director")
    assert types.subject_type[spouse] == types.object_type[director]
    assert types.subject_type[director] not in {types.object_type[director]}


def test_one_random_graph_is_one_type_and_says_that_this_says_little() -> None:
    graph = random_graph(100, 10, 6)
    types = learn_types(graph)
    assert len(partition(graph, types)) == 1
    assert "holds 100 of 100 entities" in str(says_little(graph, types))
    assert says_little(noisy(0.1), learn_types(noisy(0.1))) is None


def stated() -> KnowledgeGraph:
    """Towns and people with hardly a fact in common, but with their kinds stated."""
    rows = [(f"town {i}", "is a", "place") for i in range(30)]
    rows += [(f"p{i}", "is a", "human") for i in range(60)]
    rows += [(f"p{i}", "birthplace", f"town {i % 15}") for i in range(30)]
    rows += [(f"p{i}", "workplace", f"town {15 + i % 15}") for i in range(30, 60)]
    return KnowledgeGraph.from_triples("stated", rows)


def test_types_that_the_source_states_are_taken() -> None:
    graph = stated()
    born, works = graph.relation("birthplace"), graph.relation("workplace")
    learned = learn_types(graph)  # everybody is the subject of "is a"
    assert learned.subject_type[born] == learned.object_type[born]
    types = learn_types(graph, "is a")
    assert types.object_type[born] == types.object_type[works] != types.subject_type[born]
    assert {graph.entities[e] for e in types.objects(born)} == {f"town {i}" for i in range(30)}
    assert {graph.entities[e] for e in types.subjects(born)} == {f"p{i}" for i in range(60)}


def test_an_unknown_type_relation_is_refused_with_the_nearest() -> None:
    settings = recipe(augmentation={"phi": 1.0, "type_relation": "is an"})
    with pytest.raises(HopscopeError, match="Did you mean 'is a'"):
        augment(stated(), settings.augmentation, 0, settings.splits)


def test_what_additions_kept_to_is_reported() -> None:
    graph = noisy(0.0, facts=600)
    settings = recipe(augmentation={"phi": 1.8, "modes": ["densify"]}, splits={"ood_share": 0.0})
    _, report = augment(graph, settings.augmentation, 0, settings.splits)
    largest = report.types[0]
    assert largest["entities"] > 100
    assert {"father", "spouse"} <= set(largest["subject_of"])
    reports = list(type_reports(graph, learn_types(graph)))
    assert [r.entities for r in reports] == sorted((r.entities for r in reports), reverse=True)
