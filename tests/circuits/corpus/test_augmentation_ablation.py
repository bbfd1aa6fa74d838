"""True against false additions at equal phi, and the sizes of *Wild*."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from random_graphs import people_and_places, recipe

from circuits.corpus.augmentation import augment
from circuits.corpus.augmentation.falsify import exchanged
from circuits.corpus.build import build_corpus
from circuits.corpus.corpus import Corpus
from circuits.errors import HopscopeError
from circuits.graph.knowledge_graph import PROVENANCES, KnowledgeGraph
from circuits.graph.paths import n_two_hop_paths, phi_r

GRAPH = people_and_places(0.6, n=120, towns=30)
SPLITS = {"ood_share": 0.1, "id_test_items": 30}


def at_share(share: float | None, seed: int = 0, phi: float = 1.3) -> KnowledgeGraph:
    settings = recipe(augmentation={"phi": phi, "correct_share": share}, splits=SPLITS)
    return augment(GRAPH, settings.augmentation, seed, settings.splits)[0]


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 1.0])
def test_the_share_of_true_additions_is_exact(share: float) -> None:
    done = at_share(share)
    true, false = done.count("added_true"), done.count("added_false")
    assert true == round(share * (true + false))
    known = set(map(tuple, GRAPH.held_back.tolist()))
    rows = set(map(tuple, done.facts.tolist()))
    assert len(known & rows) == true


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_false_additions_fill_the_same_slots_and_keep_all_counts(share: float) -> None:
    true, mixed = at_share(1.0), at_share(share)
    assert (true.facts[:, :2] == mixed.facts[:, :2]).all()
    assert (true.facts[:, 2] != mixed.facts[:, 2]).sum() == mixed.count("added_false") > 0
    assert Counter(map(tuple, true.facts[:, 1:].tolist())) == Counter(
        map(tuple, mixed.facts[:, 1:].tolist())
    )
    assert n_two_hop_paths(true) == n_two_hop_paths(mixed)


def test_a_higher_share_keeps_the_true_facts_of_a_lower_one() -> None:
    def true_facts(share: float) -> set:
        done = at_share(share)
        rows = done.facts[done.provenance == PROVENANCES.index("added_true")]
        return set(map(tuple, rows.tolist()))

    assert true_facts(0.25) < true_facts(0.5) < true_facts(0.75)


def test_a_protected_fact_stays_true_although_new_names_move_all_numbers() -> None:
    # "new entity ..." sorts before "person ...", so the protected fact's indices change
    s, _, o = GRAPH.held_back[np.flatnonzero(GRAPH.held_back[:, 1] == GRAPH.relation("home"))[0]]
    slot = (GRAPH.entities[s], "home", GRAPH.entities[o])
    modes = ["true_facts", "new_entities"]
    section = {"phi": 2.2, "correct_share": 0.0, "modes": modes}
    section["protect"] = [f"{slot[0]} -home-> {slot[2]}"]
    settings = recipe(augmentation=section, splits=SPLITS)
    done, report = augment(GRAPH, settings.augmentation, 0, settings.splits)
    assert report.new_entities > 0
    row = (done.facts[:, 0] == done.entity(slot[0])) & (done.facts[:, 1] == done.relation("home"))
    assert [done.entities[e] for e in done.facts[row, 2]] == [slot[2]]
    assert done.count("added_true") == 1


def test_exchanged_objects_are_the_same_ones_elsewhere() -> None:
    draw = np.random.default_rng(0)
    for _ in range(50):
        objects = draw.integers(6, size=int(draw.integers(2, 40)))
        turned = exchanged(objects, draw)
        assert Counter(turned.tolist()) == Counter(objects.tolist())
        if np.bincount(objects).max() <= len(objects) / 2:
            assert (turned != objects).all()


def test_more_true_facts_than_are_held_back_are_refused_with_the_highest_share() -> None:
    settings = recipe(
        augmentation={"phi": 1.4, "correct_share": 0.9, "modes": ["densify"]}, splits=SPLITS
    )
    graph = people_and_places(0.5, n=80)
    with pytest.raises(HopscopeError, match="the highest share here is 0"):
        augment(graph, settings.augmentation, 0, settings.splits)


def corpus_of(task: str, share: float | None = None) -> Corpus:
    splits = {"id_test_items": 1000, "task": task}
    if task == "comparison":
        splits |= {"comparison_form": "same", "comparison_attributes": ["country"]}
    options = {"cities_per_country": 40} if task == "comparison" else {}
    settings = recipe(
        source={"name": "geonames", "options": options},
        augmentation={"preset": f"wild_{task}", "correct_share": share},
        splits=splits,
    )
    return build_corpus(settings)


@pytest.mark.parametrize("share", [None, 0.5])
def test_wild_composition_grows_from_200_100_to_800_5000(share: float | None) -> None:
    built = corpus_of("composition", share)
    report = built.report["augmentation"]
    assert report["facts_before"] == 200
    assert round(report["phi_before"] * 200) == 100
    assert len(built.graph) == 800
    assert len(built.queries("train_inferred")) == 5000
    assert len(built.queries("id_test")) == 1000
    assert built.graph.count("added_false") == (300 if share else 0)


@pytest.mark.parametrize("share", [None, 0.5])
def test_wild_comparison_grows_from_120_to_1000_with_8000_questions(share: float | None) -> None:
    built = corpus_of("comparison", share)
    assert built.report["augmentation"]["facts_before"] == 120
    assert len(built.graph) == 1000
    assert len(built.queries("train_inferred")) == 8000
    assert built.graph.count("added_false") == (440 if share else 0)


def test_wild_composition_grows_from_sparse_real_questions_too() -> None:
    # much as in 2WikiMultiHopQA: films by directors, of whom few have more than a fact or two
    rng = np.random.default_rng(0)
    person = [f"person {i}" for i in range(500)]
    rows = [(f"film {i}", "director", person[rng.integers(300)]) for i in range(500)]
    for relation in ("father", "mother", "child"):
        rows += [(p, relation, person[rng.integers(500)]) for p in person if rng.random() < 0.1]
    for k in range(12):  # birth, death, school, ...
        rows += [(p, f"place {k}", f"{k} {rng.integers(30)}") for p in person if rng.random() < 0.1]
    graph = KnowledgeGraph.from_triples("sparse", rows, multi_valued="drop")
    section = {"preset": "wild_composition", "modes": ["true_facts", "densify"]}
    settings = recipe(augmentation=section, splits={"id_test_items": 100})
    built = build_corpus(settings, graph)
    assert built.report["augmentation"]["facts_before"] == 200
    assert built.report["augmentation"]["phi_before"] == pytest.approx(0.5, abs=0.05)
    assert len(built.graph) == 800
    assert len(built.queries("train_inferred")) == 5000
    too_many = recipe(augmentation=section, splits={"id_test_items": 3000})
    with pytest.raises(HopscopeError, match="cannot be reached") as refusal:
        build_corpus(too_many, graph)
    most = int(str(refusal.value).split("id_test_items to ")[1].split(" ")[0].replace(",", ""))
    as_told = recipe(augmentation=section, splits={"id_test_items": most})
    assert len(build_corpus(as_told, graph).queries("id_test")) == most


def test_a_preset_refuses_a_phi_or_another_task_beside_it() -> None:
    for changes in ({"phi": 2.0}, {"preset": "wild_comparison"}):
        section = {"preset": "wild_composition", **changes}
        settings = recipe(augmentation=section, splits=SPLITS)
        with pytest.raises(HopscopeError, match="states all sizes"):
            augment(people_and_places(), settings.augmentation, 0, settings.splits)


def test_phi_r_is_the_same_at_every_share() -> None:
    assert phi_r(at_share(1.0)) == pytest.approx(phi_r(at_share(0.0)), rel=0.02)
