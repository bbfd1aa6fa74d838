"""Augmentation: modes, goals, rules and reports, on graphs whose answers are known."""

from __future__ import annotations

import numpy as np
import pytest
from random_graphs import people_and_places, random_graph, recipe

from circuits.corpus.augmentation import AugmentationReport, augment
from circuits.corpus.augmentation.additions import with_objects
from circuits.corpus.augmentation.rules import closing_no_cycle, read_rules, topological_rank
from circuits.corpus.augmentation.types import learn_types
from circuits.corpus.build import build_corpus
from circuits.errors import HopscopeError
from circuits.graph.knowledge_graph import PROVENANCES, KnowledgeGraph
from circuits.graph.paths import phi, phi_r

SPLITS = {"ood_share": 0.1, "id_test_items": 20}
NO_OOD = {"ood_share": 0.0, "id_test_items": 10}


def augmented(
    graph: KnowledgeGraph, seed: int = 0, splits: dict | None = None, **section: object
) -> tuple[KnowledgeGraph, AugmentationReport]:
    settings = recipe(augmentation=section, splits=splits or SPLITS)
    return augment(graph, settings.augmentation, seed, settings.splits)


def slots(graph: KnowledgeGraph) -> set[tuple[str, str]]:
    return {(graph.entities[s], graph.relations[r]) for s, r, _ in graph.facts.tolist()}


def triples(graph: KnowledgeGraph) -> set[str]:
    return {graph.fact_text(i) for i in range(len(graph))}


def test_types_tell_people_from_places() -> None:
    graph = people_and_places()
    types = learn_types(graph)
    named = {
        r: {graph.entities[e].split()[0] for e in types.objects(i)}
        for i, r in enumerate(graph.relations)
    }
    assert named == {
        "country": {"country"},
        "friend": {"person"},
        "home": {"town"},
        "mayor": {"person"},
        "parent": {"person"},
    }


def test_a_name_that_a_film_and_a_town_share_does_not_make_them_one_type() -> None:
    rows = [(f"film {i}", "director", f"person {i % 12}") for i in range(40)]
    rows += [(f"person {i}", "birthplace", f"town {i % 15}") for i in range(30)]
    rows += [("film 3", "country", "Italy"), ("person 3", "birthplace", "film 3")]
    graph = KnowledgeGraph.from_triples("films", rows)
    types = learn_types(graph)
    director, birthplace = graph.relation("director"), graph.relation("birthplace")
    assert types.subject_type[director] != types.object_type[birthplace]
    assert types.object_type[director] == types.subject_type[birthplace]


def test_a_dense_enough_graph_is_left_alone() -> None:
    graph = random_graph()
    done, report = augmented(graph, phi=1.0)
    assert done is graph
    assert report.facts_added == 0
    assert report.phi_trained == 1.0


@pytest.mark.parametrize(
    ("modes", "held_back", "wanted"),
    [(["true_facts"], 0.5, 1.2), (["densify"], 0.5, 1.2), (["new_entities"], 0.4, 1.3)],
)
def test_every_mode_reaches_phi(modes: list[str], held_back: float, wanted: float) -> None:
    graph = people_and_places(held_back, n=60)
    settings = recipe(augmentation={"phi": wanted, "modes": modes}, splits=SPLITS)
    built = build_corpus(settings, graph)
    n_id = int(built.in_distribution.sum())
    assert len(built.queries("train_inferred")) == round(wanted * n_id)
    assert triples(graph) <= triples(built.graph)
    added = built.report["augmentation"]
    assert added["facts_added"] == len(built.graph) - len(graph) > 0
    assert list(added["added"]) == modes
    assert added["phi_after"] > added["phi_before"]
    assert added["provenance"]["real"] == len(graph)


def test_true_facts_come_before_false_ones() -> None:
    graph = people_and_places(0.5, n=60)
    known = {
        (graph.entities[s], graph.relations[r], graph.entities[o])
        for s, r, o in graph.held_back.tolist()
    }
    done, _ = augmented(graph, phi=1.2)
    new = done.facts[done.provenance == PROVENANCES.index("added_true")].tolist()
    assert {(done.entities[s], done.relations[r], done.entities[o]) for s, r, o in new} <= known
    assert done.count("added_false") == 0


def with_two_homes(n: int = 40) -> tuple[KnowledgeGraph, set[tuple[str, str, str]]]:
    """(graph, all that is true): half of the people have two homes of three, and none is kept."""
    true = {
        (f"person {i}", relation, other)
        for i in range(n)
        for relation, other in (
            ("friend", f"person {(3 * i + 1) % n}"),
            ("home", f"town {i % 3}"),
            ("home", f"town {(i + i % 2) % 3}"),
        )
    } | {(f"town {i}", "mayor", f"person {i}") for i in range(3)}
    graph = KnowledgeGraph.from_triples("homes", sorted(true), multi_valued="drop")
    return graph, true


def added(graph: KnowledgeGraph, provenance: str) -> set[tuple[str, str, str]]:
    rows = graph.facts[graph.provenance == PROVENANCES.index(provenance)].tolist()
    return {(graph.entities[s], graph.relations[r], graph.entities[o]) for s, r, o in rows}


def test_an_addition_that_happens_to_be_true_is_called_true() -> None:
    graph, true = with_two_homes()
    done, _ = augmented(graph, splits=NO_OOD, phi=1.3, modes=["densify"])
    right, wrong = added(done, "added_true"), added(done, "added_false")
    assert len(right) >= 5  # two of three towns are true for each of the twenty people
    assert len(wrong) >= 2
    assert right <= true
    assert not wrong & true


def test_no_addition_is_true_at_a_correct_share_of_zero() -> None:
    graph, true = with_two_homes()
    section = {"phi": 1.3, "modes": ["densify"], "correct_share": 0.0}
    done, _ = augmented(graph, splits=NO_OOD, **section)
    assert not added(done, "added_true")
    assert len(added(done, "added_false")) == len(done) - len(graph) > 5
    assert not added(done, "added_false") & true


def test_densified_slots_were_empty_and_keep_to_the_types() -> None:
    graph = people_and_places(0.4, n=60)
    done, _ = augmented(graph, phi=1.2, modes=["densify"])
    assert len(slots(done)) == len(done)  # no slot has two objects
    types = learn_types(graph)
    for s, r, o in done.facts.tolist():
        assert types.member[types.subject_type[r], s]
        assert types.member[types.object_type[r], o]
        assert s != o or (s, r, o) in set(map(tuple, graph.facts.tolist()))


def test_a_sparse_graph_is_densified_around_a_core() -> None:
    # 300 chains without any entity in common: filled evenly, facts would spread over 900 people.
    rows = [
        row
        for i in range(300)
        for row in ((f"a{i}", "parent", f"b{i}"), (f"b{i}", "friend", f"c{i}"))
    ]
    rows += [(f"c{i}", "parent", f"a{i}") for i in range(0, 300, 10)]
    rows += [(f"b{i}", "parent", f"a{i}") for i in range(0, 300, 5)]
    rows += [(f"a{i}", "friend", f"c{i}") for i in range(0, 300, 5)]
    graph = KnowledgeGraph.from_triples("chains", rows)
    done, _ = augmented(graph, phi=1.4, modes=["densify"])
    assert phi(graph) < 0.85
    assert len(done) < 2 * len(graph)


def test_new_entities_have_every_relation_of_their_type() -> None:
    graph = people_and_places(0.4, n=40)
    done, report = augmented(graph, phi=1.6, modes=["new_entities"])
    new = [e for e in done.entities if e.startswith("new entity")]
    assert report.new_entities == len(new) > 0
    schemas = {}
    for s, r in slots(done):
        schemas.setdefault(s, set()).add(r)
    for name in new:
        assert schemas[name] in ({"parent", "friend", "home"}, {"country", "mayor"})
    assert list(done.entities) == sorted(done.entities)
    assert triples(graph) <= triples(done)


def test_an_unreachable_phi_names_the_highest_that_is_reachable() -> None:
    graph = people_and_places(n=40)
    with pytest.raises(HopscopeError, match="highest phi with") as refusal:
        augmented(graph, phi=40.0, modes=["densify"])
    highest = float(str(refusal.value).split(" is ")[1].split(". ")[0])
    settings = recipe(augmentation={"phi": highest, "modes": ["densify"]}, splits=SPLITS)
    built = build_corpus(settings, graph)
    assert built.report["phi_trained"] == pytest.approx(highest, abs=1 / 50)


def test_least_phi_r_lifts_every_relation_that_can_be_and_names_the_others() -> None:
    graph = people_and_places(0.5, n=60, seed=1)
    before = dict(zip(graph.relations, phi_r(graph), strict=True))
    assert min(before.values()) < 2.0
    done, report = augmented(graph, least_phi_r=2.0)
    after = dict(zip(done.relations, phi_r(done), strict=True))
    assert all(after[r] >= 2.0 for r in after if r not in report.unreachable)
    assert report.phi_r_after == pytest.approx(after, abs=1e-4)
    _, report = augmented(graph, least_phi_r=500.0)
    assert set(report.unreachable) == set(graph.relations)
    assert "its objects have no facts" in report.unreachable["country"]


def test_acyclic_additions_close_no_cycle() -> None:
    rng = np.random.default_rng(0)
    rows = [
        (f"n{i:02}", f"r{r}", f"n{rng.integers(i + 1, 40):02}")
        for i in range(39)
        for r in range(6)
        if rng.random() < 0.3
    ]
    graph = KnowledgeGraph.from_triples("dag", rows)
    splits = {"ood_share": 0.0, "id_test_items": 10}
    done, report = augmented(graph, splits=splits, phi=1.5, modes=["densify"], acyclic=True)
    assert report.facts_added > 0
    rank = topological_rank(done)
    assert len(np.unique(rank)) == len(done.entities)  # every entity a component of its own
    assert (rank[done.facts[:, 0]] < rank[done.facts[:, 2]]).all()


def test_a_protected_fact_is_never_contradicted() -> None:
    graph = people_and_places(0.5, n=40)
    s, r, o = (
        names[i]
        for names, i in zip(
            (graph.entities, graph.relations, graph.entities),
            graph.held_back[0].tolist(),
            strict=True,
        )
    )
    for seed in range(3):
        done, _ = augmented(
            graph, seed, least_phi_r=50.0, modes=["densify"], protect=[f"{s} -{r}-> {o}"]
        )
        row = (done.facts[:, 0] == done.entity(s)) & (done.facts[:, 1] == done.relation(r))
        assert set(done.facts[row, 2].tolist()) <= {done.entity(o)}


def test_a_true_fact_is_refused_only_if_it_closes_a_cycle() -> None:
    # one after the other: a->b holds, b->c and c->d close nothing, d->a does, a->d does not
    graph = KnowledgeGraph.from_triples("abcd", [("a", "r", "b"), ("c", "r", "e"), ("d", "r", "e")])
    names = [("b", "c"), ("c", "d"), ("d", "a"), ("a", "d"), ("e", "b"), ("b", "e")]
    facts = np.array([(graph.entity(x), 0, graph.entity(y)) for x, y in names])
    assert closing_no_cycle(graph, facts).tolist() == [True, True, False, True, False, True]


def test_an_acyclic_slot_is_filled_if_a_single_object_is_allowed() -> None:
    chain = [(f"n{i:03}", "r", f"n{i + 1:03}") for i in range(200)]
    graph = KnowledgeGraph.from_triples("chain", chain)
    rules = read_rules(graph, (), acyclic=True)
    slots = np.column_stack([np.arange(201), np.zeros(201, np.int64)])
    filled = with_objects(slots, learn_types(graph), rules, np.random.default_rng(0))
    assert filled[:, 0].tolist() == list(range(200))  # all but the last, which nothing follows
    assert (filled[:, 2] > filled[:, 0]).all()


def test_a_refusal_names_only_what_can_still_be_changed() -> None:
    graph, section = people_and_places(n=40), {"phi": 400.0}
    modes = ["true_facts", "densify"]
    with pytest.raises(HopscopeError, match="allow new_entities in"):
        augmented(graph, **section, modes=modes)
    with pytest.raises(HopscopeError, match="take a larger or denser source"):
        augmented(graph, **section, modes=[*modes, "new_entities"])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("person 1 parent person 2", "not of the form"),
        ("persn 1 -parent-> person 2", "unknown entity 'persn 1'. Did you mean 'person 1'"),
        ("person 1 -parnt-> person 2", "unknown relation"),
    ],
)
def test_a_protected_fact_that_makes_no_sense_is_refused(text: str, says: str) -> None:
    with pytest.raises(HopscopeError, match=says):
        augmented(people_and_places(), phi=1.0, protect=[text])


def test_a_small_graph_settles_for_fewer_test_questions_and_says_so() -> None:
    graph = people_and_places(n=40)
    settings = recipe(augmentation={"phi": 0.8}, splits={"ood_share": 0.0, "id_test_items": 5000})
    built = build_corpus(settings, graph)
    assert any("too few" in note for note in built.report["augmentation"]["notes"])
    assert len(built.queries("train_inferred")) == round(0.8 * len(built.graph))
