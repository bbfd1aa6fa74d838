"""Answerers that do not compose, on graphs where what they reach is arithmetic."""

from __future__ import annotations

import dataclasses

import pytest
from random_graphs import random_graph, recipe

from circuits import open_run
from circuits.corpus.build import build_corpus
from circuits.corpus.corpus import Corpus
from circuits.corpus.names import SHORTCUT_WORDS
from circuits.corpus.shortcuts import baselines, best_shortcut, verdict
from circuits.graph.knowledge_graph import KnowledgeGraph


def built(triples: list[tuple[str, str, str]], **splits: object) -> Corpus:
    settings = {"ood_share": 0.0, "id_test_items": 5, **splits}
    return build_corpus(recipe(splits=settings), KnowledgeGraph.from_triples("g", triples))


def lookups(rates: dict[str, float]) -> dict[str, float]:
    return {name: rates[name] for name in ("h_r2", "r1_r2", "h_r1", "majority")}


def test_lookups_are_the_shares_that_partial_questions_answer() -> None:
    # Every second hop ends at the same answer, so each lookup is always right.
    triples = [(f"a{i}", "to", f"b{i}") for i in range(20)]
    triples += [(f"b{i}", "ends", "end") for i in range(20)]
    assert set(lookups(baselines(built(triples))["id_test"]).values()) == {1.0}
    # With an end of its own for each, no lookup can know a held-out question's answer.
    triples = [(s, r, o if r == "to" else f"end{s}") for s, r, o in triples]
    assert set(lookups(baselines(built(triples))["id_test"]).values()) == {0.0}


def test_where_every_answer_is_the_subject_itself_copying_is_always_right() -> None:
    triples = [(f"Land {i}", "capital", f"Town {i}") for i in range(100)]
    triples += [(f"Town {i}", "capital of", f"Land {i}") for i in range(100)]
    corpus = built(triples, ood_share=0.2, id_test_items=50)
    for split in ("id_test", "ood_test", "io_test", "oi_test"):
        rates = baselines(corpus)[split]
        assert rates["copy_subject"] == rates["inverse_r1"] == rates["one_fact"] == 1.0
        assert set(lookups(rates).values()) == {0.0}
    split, rate = best_shortcut(baselines(corpus)["ood_test"])
    assert (split, rate) == ("copy_subject", 1.0)


def test_the_same_fact_under_another_relation_answers_a_held_out_question() -> None:
    triples = [(f"p{i}", "father", f"p{(7 * i + 3) % 60}") for i in range(60)]
    for name in ("birthplace", "born in"):
        triples += [(f"p{i}", name, f"town {(11 * i) % 60}") for i in range(60)]
    corpus = built(triples, id_test_items=30)
    asked = corpus.queries("id_test")
    towns = [q.text for q in asked if "father" in q.text and "town" in q.text]
    trained = {q.text for q in corpus.queries("train_inferred")}
    twins = {"birthplace": "born in", "born in": "birthplace"}
    known = sum(
        text.replace(old, new) in trained
        for text in towns
        for old, new in twins.items()
        if f"-{old}->" in text
    )
    assert 0 < known < len(asked)
    assert baselines(corpus)["id_test"]["same_fact"] == pytest.approx(known / len(asked))
    without = KnowledgeGraph.from_triples("g", triples).without_relations(["born in"])
    alone = build_corpus(recipe(splits={"ood_share": 0.0, "id_test_items": 30}), without)
    assert baselines(alone)["id_test"]["same_fact"] == 0.0


def test_one_fact_of_the_subject_is_found_among_all_relations() -> None:
    """ "nationality" always is the country of the birthplace: one hop answers the two-hop question,
    out of distribution too; so does the only fact that points back at the subject."""
    towns = [(f"town {i}", "country", f"land {i % 9}") for i in range(45)]
    born = [(f"p{i}", "birthplace", f"town {(7 * i) % 45}") for i in range(90)]
    nation = [(f"p{i}", "nationality", f"land {(7 * i) % 45 % 9}") for i in range(90)]
    rates = baselines(built([*towns, *born, *nation], ood_share=0.2, id_test_items=30))
    assert rates["ood_test"]["one_fact"] == 1.0
    assert rates["ood_test"]["h_r2"] < 0.5
    back = [(f"land {i % 9}", f"holds {i // 9}", f"p{i}") for i in range(90)]
    rates = baselines(built([*towns, *born, *back], ood_share=0.2, id_test_items=30))
    by_hand = 0  # land x holds p: p's birthplace is in another land in general
    assert rates["ood_test"]["one_fact"] >= by_hand


def test_no_shortcut_is_strong_on_a_random_graph() -> None:
    corpus = build_corpus(recipe(splits={"ood_share": 0.1}), random_graph(200, 10, 8))
    assert max(baselines(corpus)["id_test"].values()) < 0.1


def test_three_hops_have_shortcuts_too() -> None:
    corpus = build_corpus(
        recipe(splits={"hops": 3}, augmentation={"phi": 2.0, "modes": []}), random_graph()
    )
    assert set(baselines(corpus)["id_test"]) <= set(SHORTCUT_WORDS)


def test_one_fact_explains_what_the_demo_does_out_of_distribution() -> None:
    run = open_run("assets/demo")
    rates = baselines(run.corpus)["ood_test"]
    assert rates["copy_subject"] == 0  # its recipe leaves such questions out
    assert rates["one_fact"] == pytest.approx(38 / 156)
    assert rates["h_r2"] == pytest.approx(12 / 156)
    last = run.rows()[-1]["accuracy/ood_test"]
    assert verdict(last, 156, rates).startswith("no better than the best shortcut, one fact")


@pytest.mark.parametrize(
    ("accuracy", "says"), [(0.95, "above"), (0.42, "no better than"), (0.1, "below")]
)
def test_the_verdict_compares_with_the_best_shortcut_of_the_split(accuracy, says) -> None:
    rates = {"h_r2": 0.1, "copy_subject": 0.4}
    said = verdict(accuracy, 1000, rates)
    assert said == f"{says} the best shortcut, copying the subject (.400)"


def test_a_comparison_is_held_against_what_either_entity_tells_alone() -> None:
    # Every second entity is worth nothing, so that which one stands first or second tells a lot.
    values = {f"e{i:02}": "0" if i % 2 else str(10 + i) for i in range(30)}
    graph = KnowledgeGraph.from_triples("g", [(e, "height", v) for e, v in values.items()])
    settings = {"task": "comparison", "comparison_form": "order", "ood_share": 0.2}
    corpus = build_corpus(recipe(splits=settings), graph)
    trained, asked = corpus.queries("train_inferred"), corpus.queries("id_test")
    right = 0
    for question in asked:
        answers = [q.answer for q in trained if q.tokens[2] == question.tokens[2]]
        right += max(sorted(set(answers)), key=answers.count) == question.answer
    rates = baselines(corpus)["id_test"]
    assert rates["attribute_entity_2"] == pytest.approx(right / len(asked))
    assert rates["attribute_entity_2"] > rates["attribute"]


def test_an_older_run_of_comparisons_is_held_against_the_second_entity_too() -> None:
    run = open_run("assets/demo")
    older = {"id_test": {"attribute_entity_1": 0.6, "attribute": 0.5, "majority": 0.1}}
    old = dataclasses.replace(run, manifest=run.manifest | {"baselines": older})
    assert old.baselines["id_test"].keys() != older["id_test"].keys()
