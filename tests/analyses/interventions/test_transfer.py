"""Transfer: new facts stand in unused slots, and a model that has both hops of them answers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hand_wired import hand_wired, random_corpus
from wired_answerers import composer

from analyses.catalog import CATALOG
from analyses.interventions.transfer import KINDS, draw_new_facts, new_questions
from analyses.interventions.whole_answers import right
from analyses.questions.corruptions import NO_FACT, FactTable
from analyses.questions.examples import draw_examples
from circuits.errors import HopscopeError
from circuits.graph.knowledge_graph import KnowledgeGraph

TRANSFER = CATALOG["transfer"]
OPTIONS = TRANSFER.options({"pairs": 12, "tune_steps": 6})
CORPUS = random_corpus(20, 8)
NEW = draw_new_facts(CORPUS, OPTIONS)
EXAMPLES = draw_examples(CORPUS, "id_test", 30)


def with_new_facts() -> KnowledgeGraph:
    return replace(
        CORPUS.graph,
        facts=np.concatenate([CORPUS.graph.facts, NEW.first, NEW.second]).astype(np.int32),
        provenance=np.zeros(len(CORPUS.graph) + 2 * len(NEW.first), np.int8),
    )


def test_new_facts_are_chains_in_slots_that_no_fact_uses() -> None:
    table = FactTable.of(CORPUS.graph).object
    every = np.concatenate([NEW.first, NEW.second])
    assert (table[every[:, 0], every[:, 1]] == NO_FACT).all()
    assert len(np.unique(every[:, :2], axis=0)) == len(every)
    np.testing.assert_array_equal(NEW.first[:, 2], NEW.second[:, 0])
    for _, relation, found in every.tolist():
        assert found in table[:, relation]  # an object of the relation's own kind


def test_a_model_that_was_wired_with_the_new_facts_answers_every_kind() -> None:
    """All questions follow facts: composing the old and the new ones is right throughout."""
    wired = composer(replace(CORPUS, graph=with_new_facts()))
    asked = new_questions(EXAMPLES, NEW, OPTIONS)
    assert list(asked) == list(KINDS)
    for kind, queries in asked.items():
        assert right(wired, queries).all(), kind


def test_a_model_that_was_not_taught_answers_old_questions_only() -> None:
    model = composer(CORPUS)
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    found = TRANSFER.run(model, EXAMPLES, OPTIONS)
    start = found.accuracy.isel(point=0)
    assert start.sel(kind=["none", "kept_facts"]).values.tolist() == [1, 1]
    assert (start.sel(kind=["first", "second", "both", "new_facts"]) < 0.4).all()
    assert found.fine_step.values.tolist() == [0, 1, 2, 3, 4, 5, 6]
    for name, weight in model.state_dict().items():
        assert torch.equal(weight, before[name])


def test_half_of_a_pair_is_new_where_it_should_be() -> None:
    asked = new_questions(EXAMPLES, NEW, OPTIONS)
    first = CORPUS.vocab.first_relation
    new = {tuple(row) for row in np.concatenate([NEW.first, NEW.second])[:, :2].tolist()}
    for kind, expected in (("first", (1, 0)), ("second", (0, 1)), ("both", (1, 1))):
        for query in asked[kind]:
            h, r1, r2 = query.tokens
            hops = ((h, r1 - first) in new, (query.bridge, r2 - first) in new)
            assert hops == expected


def test_a_graph_without_unused_slots_is_refused() -> None:
    triples = [(f"e{i}", f"r{r}", f"e{(i + r) % 9}") for i in range(9) for r in range(3)]
    graph = KnowledgeGraph.from_triples("full", triples)
    full = replace(CORPUS, graph=graph, in_distribution=np.ones(len(graph), bool))
    with pytest.raises(HopscopeError, match="room for 0 pairs of new facts"):
        draw_new_facts(full, OPTIONS)


def test_three_hop_questions_are_refused() -> None:
    wired = hand_wired(hops=3, n_layers=3)
    with pytest.raises(HopscopeError, match="two-hop questions"):
        TRANSFER.run(wired.model, draw_examples(wired.corpus, "id_test", 20), OPTIONS)
