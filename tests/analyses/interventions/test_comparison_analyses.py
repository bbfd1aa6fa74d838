"""Comparison tracing and lens: corruptions are what they claim, patches equal single hooks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from comparison_corpora import CORPORA
from hand_wired import random_corpus, random_model

from analyses.catalog import CATALOG
from analyses.questions.comparison_corruptions import corruptions
from analyses.questions.examples import draw_examples
from circuits.corpus.build import build_corpus
from circuits.corpus.corpus import Corpus
from circuits.errors import HopscopeError
from circuits.graph.knowledge_graph import KnowledgeGraph
from circuits.model.transformer import HookedTransformer, resid_name
from circuits.recipes.schema import parse_recipe

TRACING, LENS = CATALOG["comparison_tracing"], CATALOG["comparison_lens"]


def label(corpus: Corpus, tokens: np.ndarray, form: str) -> str:
    """The true label of a question, from the facts alone."""
    graph, first = corpus.graph, corpus.vocab.first_relation
    value = {(s, r): graph.entities[o] for s, r, o in graph.facts.tolist()}
    v1, v2 = (value[int(e), int(tokens[0]) - first] for e in tokens[1:])
    if form == "same":
        return "yes" if v1 == v2 else "no"
    order = "<" if int(v1) < int(v2) else ">" if int(v1) > int(v2) else "="
    return f"{graph.relations[int(tokens[0]) - first]} {order}"


@pytest.mark.parametrize("form", ["order", "same"])
def test_every_corruption_changes_one_token_and_the_true_label(form: str) -> None:
    corpus = CORPORA[form]
    examples = draw_examples(corpus, "id_test", 30)
    tokens, valid = corruptions(examples, 2, 0)
    known = {(s, r) for s, r, _ in corpus.graph.facts[corpus.in_distribution].tolist()}
    assert valid.mean() > 0.8
    for p, k, i in np.argwhere(valid):
        clean, new = examples.queries.token_ids[i], tokens[p, k, i].numpy()
        assert (np.flatnonzero(clean != new) == [p]).all()
        assert label(corpus, clean, form) != label(corpus, new, form)
        if p:
            assert (int(new[p]), int(new[0]) - corpus.vocab.first_relation) in known
            assert new[1] != new[2]


def test_no_entity_is_asked_against_itself() -> None:
    rows = [("a", "age", "1"), ("b", "age", "2"), ("c", "age", "1"), ("d", "age", "2")]
    graph = KnowledgeGraph.from_triples("four", rows)
    settings = {"task": "comparison", "ood_share": 0, "id_test_items": 1}
    corpus = build_corpus(parse_recipe({"splits": settings}, "four people"), graph)
    examples = draw_examples(corpus, "train_inferred", 12)
    tokens, valid = corruptions(examples, 1, 0)
    names = corpus.vocab.name
    for i, clean in enumerate(examples.queries.token_ids):
        first, second = names(clean[1]), names(clean[2])
        if {first, second} in ({"a", "c"}, {"b", "d"}):
            continue
        # the other one of the two who are as old as the partner, never the partner
        twin = {"a": "c", "c": "a", "b": "d", "d": "b"}
        assert valid[1:, 0, i].all()
        assert names(int(tokens[1, 0, i, 1])) == twin[second]
        assert names(int(tokens[2, 0, i, 2])) == twin[first]


def test_a_corruption_is_the_same_whatever_else_is_drawn() -> None:
    corpus = CORPORA["order"]
    few, many = (draw_examples(corpus, "id_test", n) for n in (10, 40))
    tokens = [corruptions(examples, 2, 0)[0] for examples in (few, many)]
    common = np.searchsorted(many.rows, few.rows[np.isin(few.rows, many.rows)])
    kept = np.flatnonzero(np.isin(few.rows, many.rows))
    assert len(kept)
    assert torch.equal(tokens[0][:, :, kept], tokens[1][:, :, common])


def test_tracing_equals_a_loop_of_single_hooks() -> None:
    corpus = CORPORA["order"]
    examples = draw_examples(corpus, "id_test", 12)
    model = random_model(corpus)
    options = TRACING.options({"n_corruptions": 1})
    found = TRACING.run(model, examples, options)
    tokens, valid = corruptions(examples, 1, 0)
    assert valid.all()
    for p in range(3):
        _, cache = model.run_with_cache(tokens[p, 0])
        for layer in range(model.depth + 1):
            top = patched(model, examples.queries.tokens, cache, layer, p).argmax(-1)
            expected = (top != examples.queries.answer).float()
            np.testing.assert_array_equal(found.flip_example[:, layer, p], expected)


def patched(model: HookedTransformer, tokens: torch.Tensor, cache, layer: int, p: int):
    name = resid_name(model, layer)

    def write(state: torch.Tensor, hook: object) -> torch.Tensor:
        state[:, p] = cache[name][:, p]
        return state

    return model.run_with_hooks(tokens, fwd_hooks=[(name, write)])[:, -1]


def test_wrong_answers_have_no_strength_if_only_right_ones_count() -> None:
    corpus = CORPORA["order"]
    examples = draw_examples(corpus, "id_test", 40)
    model = random_model(corpus)
    found = TRACING.run(model, examples, TRACING.options({"only_right": True}))
    right = (model(examples.queries.tokens)[:, -1].argmax(-1) == examples.queries.answer).numpy()
    assert (np.isfinite(found.flip_example.values).all((1, 2)) <= right).all()
    assert (found.strength_n <= right.sum()).all()


def test_the_lens_at_the_last_state_is_the_model() -> None:
    corpus = CORPORA["order"]
    examples = draw_examples(corpus, "id_test", 20)
    model = random_model(corpus)
    found = LENS.run(model, examples, LENS.options({})).sel(layer=model.depth, position="entity_2")
    chance = model(examples.queries.tokens)[:, -1].softmax(-1)
    own = chance[torch.arange(20), examples.queries.answer].mean().item()
    assert found.probability.sel(target="answer").item() == pytest.approx(own, rel=1e-4)
    assert list(found.target.values) == ["value_1", "value_2", "answer"]


def test_questions_of_another_task_are_refused_in_a_sentence() -> None:
    corpus = random_corpus()
    with pytest.raises(HopscopeError, match="for the comparison task"):
        corruptions(draw_examples(corpus, "id_test", 10), 1, 0)
