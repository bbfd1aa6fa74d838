"""Effective numbers, warnings and draws by bridge."""

from __future__ import annotations

import numpy as np
import pytest
from random_graphs import random_graph, recipe

from circuits.corpus.build import build_corpus
from circuits.corpus.corpus import Corpus
from circuits.corpus.diversity import effective_number, few_bridges
from circuits.errors import HopscopeError
from circuits.graph.knowledge_graph import KnowledgeGraph


@pytest.mark.parametrize("n", [1, 4, 40])
def test_equal_shares_count_in_full(n: int) -> None:
    count, effective = effective_number(np.repeat(np.arange(n), 3))
    assert (count, effective) == (n, pytest.approx(n))


def test_nothing_has_no_effective_number() -> None:
    assert effective_number(np.empty(0, int)) == (0, 0.0)


def hubs(n_hubs: int, **splits: object) -> Corpus:
    """People who all know one of a few hubs, and many who know each other."""
    rows = [(f"p{i}", f"knows {j}", f"hub {i % n_hubs}") for i in range(60) for j in range(6)]
    rows += [(f"hub {h}", f"likes {j}", f"thing {h} {j}") for h in range(n_hubs) for j in range(8)]
    rows += [(f"p{i}", "friend", f"p{(i * 7 + 1) % 60}") for i in range(60)]
    settings = {"ood_share": 0.0, "id_test_items": 200, **splits}
    return build_corpus(recipe(splits=settings), KnowledgeGraph.from_triples("hubs", rows))


def test_a_split_that_a_few_bridges_carry_is_warned_of_and_counted() -> None:
    corpus = hubs(2)
    row = corpus.report["diversity"]["id_test"]
    queries = corpus.queries("id_test")
    count, effective = effective_number(queries.bridge_ids[:, 0])
    assert row["bridges"] == {"count": count, "effective": pytest.approx(effective, abs=0.01)}
    assert effective < 10 < count
    assert row["half"] == 2
    said = [note for note in corpus.report["notes"] if "id_test" in note]
    assert any("about 2 of its" in note for note in said)
    spread = build_corpus(recipe(splits={"id_test_items": 200}), random_graph(60, 8, 6))
    assert few_bridges(spread.report["diversity"]) == []


def test_splits_drawn_by_bridge_are_spread_over_them() -> None:
    plain, even = hubs(2), hubs(2, stratify="bridge")
    for corpus in (plain, even):
        assert len(corpus.queries("id_test")) == 200
    before, after = (c.report["diversity"]["id_test"]["bridges"] for c in (plain, even))
    assert after["effective"] > 3 * before["effective"]
    # of every bridge as many, and at least half of its questions are trained
    asked = np.bincount(even.queries("id_test").bridge_ids[:, 0], minlength=200)
    trained = np.bincount(even.queries("train_inferred").bridge_ids[:, 0], minlength=200)
    assert (asked <= trained).all()
    people = asked[[even.graph.entity(f"p{i}") for i in range(60)]]
    assert people.max() - people.min() <= 1


def test_training_questions_are_drawn_by_bridge_too() -> None:
    graph = hubs(2).graph
    drawn = {
        s: build_corpus(
            recipe(
                augmentation={"phi": 1.0, "modes": []},
                splits={"ood_share": 0.0, "id_test_items": 50, "stratify": s},
            ),
            graph,
        ).report["diversity"]["train_inferred"]["bridges"]["effective"]
        for s in ("none", "bridge")
    }
    assert drawn["bridge"] > 2 * drawn["none"]


def test_comparisons_have_no_bridge_to_draw_by() -> None:
    settings = recipe(splits={"task": "comparison", "stratify": "bridge"})
    with pytest.raises(HopscopeError, match=r"splits\.stratify"):
        build_corpus(settings, random_graph())


def test_last_hops_that_are_trained_are_counted() -> None:
    corpus = build_corpus(recipe(splits={"ood_share": 0.2}), random_graph(40, 8, 6))
    pairs = {(int(q.bridges[-1]), q.tokens[-1]) for q in corpus.queries("train_inferred")}
    for split in ("id_test", "ood_test", "io_test", "oi_test"):
        queries = corpus.queries(split)
        seen = sum((int(q.bridges[-1]), q.tokens[-1]) in pairs for q in queries)
        assert corpus.report["diversity"][split]["second_hop_seen"] == seen
    assert corpus.report["diversity"]["ood_test"]["second_hop_seen"] == 0
