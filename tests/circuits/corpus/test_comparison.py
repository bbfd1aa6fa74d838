"""The comparison task in both forms, against definitions and published counts."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from random_graphs import random_graph, recipe

from circuits.corpus.augmentation.capacity import capacity
from circuits.corpus.build import build_corpus
from circuits.corpus.comparison import compared_attributes
from circuits.corpus.corpus import Corpus
from circuits.corpus.queries import Queries
from circuits.errors import HopscopeError
from circuits.graph.knowledge_graph import KnowledgeGraph
from circuits.recipes.schema import SplitsSection

TESTS = ("id_test", "ood_test", "io_test", "oi_test")


def small_table(form: str = "order", **splits: object) -> Corpus:
    rng = np.random.default_rng(0)
    rows = [(f"e{e:02}", f"a{a}", str(rng.integers(6))) for e in range(40) for a in range(3)]
    graph = KnowledgeGraph.from_triples("table", rows)
    settings = {"task": "comparison", "comparison_form": form, "ood_share": 0.1, **splits}
    return build_corpus(recipe(splits=settings), graph)


def facts_of(corpus: Corpus) -> dict[tuple[str, str], tuple[str, bool]]:
    """Value, and whether the fact is ID, by (entity, attribute)."""
    graph = corpus.graph
    return {
        (graph.entities[s], graph.relations[r]): (graph.entities[o], bool(known))
        for (s, r, o), known in zip(graph.facts.tolist(), corpus.in_distribution, strict=True)
    }


def read(queries: Queries) -> list[tuple[str, str, str, str, str, str]]:
    name = queries.vocab.name
    return [
        (*map(name, q.tokens), *map(name, q.bridges), name(q.answer))  # type: ignore[misc]
        for q in queries
    ]


def test_order_questions_are_answered_by_their_attributes_own_labels() -> None:
    corpus = small_table()
    facts = facts_of(corpus)
    for split in ("train_inferred", *TESTS):
        for attribute, x, y, value_x, value_y, label in read(corpus.queries(split)):
            assert facts[x, attribute][0] == value_x
            assert facts[y, attribute][0] == value_y
            sign = "<" if int(value_x) < int(value_y) else ">" if value_x != value_y else "="
            assert label == f"{attribute} {sign}"
            assert x != y


def test_same_questions_are_answered_yes_and_no_equally_often() -> None:
    corpus = small_table("same")
    for split in ("train_inferred", *TESTS):
        for _, _, _, value_x, value_y, label in read(corpus.queries(split)):
            assert label == ("yes" if value_x == value_y else "no")
    together = Counter(
        label
        for split in ("train_inferred", "id_test")
        for *_, label in read(corpus.queries(split))
    )
    assert together["yes"] == together["no"]


@pytest.mark.parametrize("form", ["order", "same"])
def test_splits_follow_the_two_entities_facts(form: str) -> None:
    corpus = small_table(form)
    facts = facts_of(corpus)
    sides = {"train_inferred": (1, 1), "id_test": (1, 1), "ood_test": (0, 0)}
    sides |= {"io_test": (1, 0), "oi_test": (0, 1)}
    for split, expected in sides.items():
        for attribute, x, y, *_ in read(corpus.queries(split)):
            assert (facts[x, attribute][1], facts[y, attribute][1]) == expected


def test_ood_entities_are_redrawn_for_each_attribute() -> None:
    corpus = small_table()
    by_attribute: dict[str, set[str]] = {}
    for (entity, attribute), (_, known) in facts_of(corpus).items():
        if not known:
            by_attribute.setdefault(attribute, set()).add(entity)
    assert [len(entities) for entities in by_attribute.values()] == [4, 4, 4]
    assert len(set(map(frozenset, by_attribute.values()))) > 1


def test_both_orders_of_a_pair_stay_on_one_side() -> None:
    corpus = small_table()
    pairs = {
        split: {(a, *sorted((x, y))) for a, x, y, *_ in read(corpus.queries(split))}
        for split in ("train_inferred", *TESTS)
    }
    seen: set = set()
    for found in pairs.values():
        assert not seen & found
        seen |= found


def test_capacity_is_the_number_of_questions_there_are() -> None:
    for form in ("order", "same"):
        corpus = small_table(form)
        section = SplitsSection.model_validate(
            {"task": "comparison", "comparison_form": form, "ood_share": 0.1}
        )
        counted = capacity(corpus.graph, section, seed=0)
        assert counted.inferred == 2 * corpus.report["counts"]["II"]
        assert counted.facts_id == corpus.report["counts"]["facts_id"] == 108


def test_grokked_comparison_at_a_tenth_has_the_papers_proportions() -> None:
    settings = recipe(
        source={"name": "grokked_comparison", "options": {"n_entities": 100}},
        splits={"task": "comparison", "ood_share": 0.1, "id_test_items": 1},
        augmentation={"phi": 7.2},
    )
    corpus = build_corpus(settings)
    counts = corpus.report["counts"]
    assert counts["facts_id"] == 20 * 90
    assert counts["II"] == 20 * 90 * 89 // 2
    assert counts["OO"] == 20 * 10 * 9 // 2
    assert len(corpus.queries("train_inferred")) == round(7.2 * 1800)
    assert len(corpus.vocab) == 100 + 20 + 20 + 60  # entities, values, attributes, labels
    assert len(corpus.queries("id_test")) == 3000  # of 10% of all pairs in both orders


def test_the_bridges_of_a_comparison_are_its_two_values() -> None:
    query = small_table().queries("id_test")[0]
    assert len(query.bridges) == 2
    assert "[" in query.text


@pytest.mark.parametrize(
    ("splits", "says"),
    [
        ({"comparison_attributes": ["r9"]}, "unknown relation 'r9'"),
        ({"comparison_attributes": ["r1"]}, "is not a number"),
        ({}, "nothing to compare"),
        ({"hops": 3}, "belong to the composition task"),
        ({"identity_examples": True}, "belong to the composition task"),
    ],
)
def test_what_cannot_be_compared_is_refused(splits: dict, says: str) -> None:
    settings = recipe(splits={"task": "comparison", **splits})
    with pytest.raises(HopscopeError, match=says):
        build_corpus(settings, random_graph())


def test_too_few_pairs_for_phi_are_refused() -> None:
    graph = small_table().graph
    settings = recipe(splits={"task": "comparison"}, augmentation={"phi": 500.0, "modes": []})
    with pytest.raises(HopscopeError, match="highest phi"):
        build_corpus(settings, graph)


def test_default_attributes_are_those_that_can_be_compared() -> None:
    rows = [(f"c{i}", "population", str(100 * i)) for i in range(8)]
    rows += [(f"c{i}", "country", f"k{i % 2}") for i in range(8)]
    rows += [(f"c{i}", "passport", f"p{i}") for i in range(8)]
    graph = KnowledgeGraph.from_triples("cities", rows)
    named = {
        form: [
            graph.relations[a]
            for a in compared_attributes(
                graph, SplitsSection.model_validate({"comparison_form": form})
            )
        ]
        for form in ("order", "same")
    }
    assert named == {"order": ["population"], "same": ["country"]}
