"""Accuracy over questions and over bridges."""

from __future__ import annotations

import pytest
import torch
from hand_wired import random_corpus, random_model

from circuits.corpus.names import ATOMIC_ID, ID_TEST
from circuits.recipes.schema import parse_recipe
from train.evaluation import Evaluator, macro_average
from train.step import cross_entropy


def test_a_frequent_bridge_counts_as_much_as_a_rare_one():
    right = torch.tensor([1, 1, 1, 1, 0, 0], dtype=torch.bool)
    assert macro_average(right, torch.tensor([0, 0, 0, 0, 1, 2])) == pytest.approx(1 / 3)


def test_macro_accuracy_is_the_mean_over_bridges_of_what_the_model_gets_right():
    corpus = random_corpus(n_entities=12, n_relations=6)
    model = random_model(corpus)
    table = {"checkpoints": {"dtype": "fp32"}, "evaluation": {"items": 1000}}
    recipe = parse_recipe(table, "the test's recipe")
    row = Evaluator(recipe, corpus, model.cfg, torch.device("cpu"))(model, cross_entropy)
    queries = corpus.queries(ID_TEST)
    with torch.no_grad():
        right = model(queries.tokens)[:, -1].argmax(-1) == queries.answer
    by_bridge: dict[int, list[bool]] = {}
    for bridge, is_right in zip(queries.bridge.tolist(), right.tolist(), strict=True):
        by_bridge.setdefault(bridge, []).append(is_right)
    expected = sum(sum(r) / len(r) for r in by_bridge.values()) / len(by_bridge)
    assert row[f"macro_accuracy/{ID_TEST}"] == pytest.approx(expected)
    assert row[f"accuracy/{ID_TEST}"] == pytest.approx(right.double().mean())
    assert f"macro_accuracy/{ATOMIC_ID}" not in row
