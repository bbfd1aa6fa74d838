"""Latent composability of models whose hops are known by construction."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from hand_wired import hand_wired, random_model
from worded import reworded, worded

from analyses.catalog import CATALOG
from analyses.latent.composability import CLASSES, all_prompts
from analyses.questions.examples import Examples, draw_examples
from circuits import to_bridge
from circuits.model.bridged import BridgedModel

ENTRY = CATALOG["composability"]
WIRED = hand_wired(16, 6)
EXAMPLES = draw_examples(WIRED.corpus, "id_test", 30)


def _found(model, examples: Examples = EXAMPLES):
    return ENTRY.run(model, examples, ENTRY.options({}))


def test_the_wired_model_knows_both_hops_composes_them_and_needs_every_part() -> None:
    found = _found(WIRED.model)
    right = found.right.to_series()
    assert right["hop_1"] == right["hop_2"] == right["composed"] == 1
    assert found.known == 1
    assert found.composable == 1
    # without the subject nothing tells which entity is meant; guesses hit now and then
    assert right["no_subject"] < 0.4
    assert right["no_relation_2"] < 0.4  # the first hop's prompt, which gives the bridge
    assert np.isnan(found.right_unknown)
    assert found.class_share.sel({"class": "right_known"}) == 1


def test_a_model_without_its_second_hop_knows_the_facts_and_composes_nothing() -> None:
    model = copy.deepcopy(WIRED.model)
    with torch.no_grad():
        model.blocks[1].mlp.W_out.zero_()
    found = _found(model)
    assert found.known == 1
    queries = EXAMPLES.queries
    expected = (model(queries.tokens)[:, -1].argmax(-1) == queries.answer).double().mean()
    assert float(found.composable) == pytest.approx(float(expected), abs=1e-6)
    assert found.composable < 0.4


@pytest.mark.parametrize("text", [False, True])
def test_a_loop_over_single_prompts_gives_the_same_shares(text: bool) -> None:
    corpus = reworded(WIRED.corpus, worded) if text else WIRED.corpus
    model = random_model(corpus, d_vocab=40 if text else len(corpus.vocab), n_ctx=24, seed=4)
    examples = draw_examples(corpus, "id_test", 30)
    found = _found(model, examples)
    queries, asked = examples.queries, all_prompts(examples)
    said = {name: _answers(model, each) for name, each in asked.items()}
    for name, right in said.items():
        assert found.right_example.sel(prompt=name).values.tolist() == right, name
    hops = np.array([said["hop_1"], said["hop_2"]]).all(0)
    composed = np.array(said["composed"])
    assert float(found.known) == pytest.approx(hops.mean(), abs=1e-6)
    shares = {kind: float(found.class_share.sel({"class": kind})) for kind in CLASSES}
    assert shares["wrong_unknown"] == pytest.approx((~hops & (composed == 0)).mean(), abs=1e-6)
    assert sum(shares.values()) == pytest.approx(1, abs=1e-6)
    # the prompts are those of the hops' own facts, and the question without a role's tokens
    facts = {tuple(q.names): q for split in ("atomic_id", "atomic_ood")
             for q in corpus.queries(split)}  # fmt: skip
    for i, query in enumerate(queries):
        first = facts[query.names[:2]]
        second = facts[query.bridge, query.names[2]]
        assert tuple(asked["hop_1"].tokens[i]) == first.tokens
        assert tuple(asked["hop_2"].tokens[i]) == second.tokens
        assert (first.answer, second.answer) == (query.bridge, query.answer)
        start, end = (0, 1) if queries.spans is None else queries.spans[i, 0]
        assert tuple(asked["no_subject"].tokens[i]) == query.tokens[:start] + query.tokens[end:]


def test_our_model_and_its_bridge_agree() -> None:
    model = random_model(WIRED.corpus)
    ours, theirs = _found(model), _found(BridgedModel(to_bridge(model)))
    for name in ("right_example", "first_token_example", "class_share"):
        assert np.array_equal(ours[name], theirs[name]), name


def _answers(model, prompts) -> list[float]:
    """Decoded one token at a time."""
    found = []
    for tokens, accepted in zip(prompts.tokens, prompts.accepted, strict=True):
        (name,) = accepted
        said, row = [], list(tokens)
        for _ in name:
            with torch.no_grad():
                said.append(int(model(torch.tensor([row]))[0, -1].argmax()))
            row.append(said[-1])
        found.append(float(tuple(said) == tuple(name)))
    return found
