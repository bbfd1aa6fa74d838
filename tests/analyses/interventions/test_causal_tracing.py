"""Causal tracing finds the hand-wired circuit, and its corruptions obey the rules."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hand_wired import hand_wired, random_model

from analyses.catalog import CATALOG
from analyses.questions.corruptions import FactTable, draw_corruptions
from analyses.questions.examples import Examples, draw_examples
from circuits.errors import HopscopeError

TRACING = CATALOG["causal_tracing"]
WIRED = hand_wired(n_layers=4, first_hop=1, second_hop=2)

CIRCUIT = np.array(
    [[1, 1, 1], [1, 1, 1], [0, 1, 1], [0, 0, 1], [0, 0, 1]],
)
"""Layer x position: the states through which the hand-wired model's answer passes."""


def trace(examples: Examples, model: torch.nn.Module = WIRED.model, **options: object):
    return TRACING.run(model, examples, TRACING.options(options))


@pytest.mark.parametrize("split", ["train_inferred", "id_test", "ood_test"])
@pytest.mark.parametrize("reference", [False, True])
def test_exactly_the_wired_states_matter(split: str, reference: bool) -> None:
    found = trace(draw_examples(WIRED.corpus, split, 60), reference=reference)
    for name in ("strength", "changed", "restored"):
        np.testing.assert_array_equal(found[name], CIRCUIT, err_msg=name)
    assert found.clean_accuracy == 1


def test_a_wired_circuit_is_certain_only_up_to_the_number_of_examples() -> None:
    found = trace(draw_examples(WIRED.corpus, "train_inferred", 60))
    assert (found.strength_high.where(found.strength == 0, drop=True) > 0.04).any()
    assert (found.strength_low.where(found.strength == 1, drop=True) < 0.96).any()


def test_the_logit_difference_changes_sign_exactly_on_the_circuit() -> None:
    found = trace(draw_examples(WIRED.corpus, "train_inferred", 60))
    np.testing.assert_array_equal(found.logit_diff, np.where(CIRCUIT, -1, 1))


def test_a_random_model_shows_no_circuit() -> None:
    examples = draw_examples(WIRED.corpus, "train_inferred", 80)
    found = trace(examples, random_model(WIRED.corpus, n_layers=4))
    assert (found.strength > 0.8).all()  # wrong before patching, wrong after it
    assert (found.restored_low < 0.15).all()
    assert found.clean_accuracy < 0.2


def test_tracing_to_a_state_stops_there() -> None:
    found = trace(draw_examples(WIRED.corpus, "train_inferred", 60), target_layer=2)
    # before the second hop the last position holds relation_2 only
    assert (found.strength.sel(position=["subject", "relation_1"], layer=[0, 1, 2]) == 0).all()
    assert (found.strength.sel(position="relation_2", layer=[0, 1, 2]) == 1).all()
    assert found.strength.sel(layer=[3, 4]).isnull().all()


def test_noise_on_a_token_breaks_the_answer_along_its_path() -> None:
    found = trace(draw_examples(WIRED.corpus, "train_inferred", 60), corruption="noise")
    assert (found.strength.values[CIRCUIT == 0] == 0).all()
    assert (found.strength.values[CIRCUIT == 1] > 0).all()
    assert found.logit_diff.isnull().all()  # noise has no answer of its own


def test_the_fast_trace_equals_one_hooked_run_per_example() -> None:
    model = random_model(WIRED.corpus, n_layers=3)
    examples = draw_examples(WIRED.corpus, "train_inferred", 12)
    found = trace(examples, model, corruptions=1)
    queries, corpus = examples.queries, WIRED.corpus
    for p in range(3):
        drawn = draw_corruptions(
            queries,
            corpus.graph,
            corpus.in_distribution,
            p,
            draws=1,
            reference=False,
            seed=0,
        )
        for i in range(len(queries)):
            if not drawn.valid[0, i]:
                assert (found.flip_example[i, :, p] == -1).all()
                continue
            tokens = queries.tokens[i : i + 1]
            corrupted = tokens.clone()
            corrupted[0, p] = int(drawn.tokens[0, i])
            _, cache = model.run_with_cache(corrupted)
            for layer in range(4):
                last = layer == 3
                name = f"blocks.{layer - last}.hook_resid_{'post' if last else 'pre'}"

                def write(x: torch.Tensor, hook: object, name=name, cache=cache, p=p):
                    x[:, p] = cache[name][:, p]
                    return x

                top = model.run_with_hooks(tokens, fwd_hooks=[(name, write)])[0, -1].argmax()
                assert bool(found.flip_example[i, layer, p] == 1) == bool(top != queries.answer[i])


@pytest.mark.parametrize("reference", [False, True])
def test_corruptions_obey_the_rules(reference: bool) -> None:
    corpus = WIRED.corpus
    queries = corpus.queries("train_inferred")
    table = FactTable.of(corpus.graph).object
    known = {tuple(f) for f in corpus.graph.facts[corpus.in_distribution][:, :2].tolist()}
    first = corpus.vocab.first_relation
    nowhere = 0
    for p in range(3):
        drawn = draw_corruptions(
            queries,
            corpus.graph,
            corpus.in_distribution,
            p,
            draws=3,
            reference=reference,
            seed=1,
        )
        for d, i in np.argwhere(drawn.valid):
            h, r1, r2 = queries.token_ids[i] - [0, first, first]
            new = drawn.tokens[d, i] - (first if p else 0)
            assert drawn.tokens[d, i] != queries.token_ids[i, p]
            if p == 0:
                assert new in {s for s, _ in known}
                h = new
            elif p == 1:
                assert (h, new) in known
                r1 = new
            else:
                assert (queries.bridge_ids[i, 0], new) in known
                r2 = new
            bridge = table[h, r1]
            answer = table[bridge, r2] if bridge >= 0 else -1
            assert answer != queries.answer_ids[i]
            assert drawn.answer[d, i] == answer
            nowhere += answer < 0
    assert (nowhere > 0) == reference


def test_a_draw_depends_on_the_question_alone() -> None:
    corpus = WIRED.corpus
    queries = corpus.queries("train_inferred")
    options: dict = {"draws": 2, "reference": False, "seed": 0}
    every = draw_corruptions(queries, corpus.graph, corpus.in_distribution, 0, **options)
    some = draw_corruptions(
        queries.take(np.array([7, 3])), corpus.graph, corpus.in_distribution, 0, **options
    )
    np.testing.assert_array_equal(some.tokens, every.tokens[:, [7, 3]])


def test_draws_are_uniform_over_what_is_allowed() -> None:
    corpus = WIRED.corpus
    query = corpus.queries("train_inferred").take(np.array([0]))
    seen = [
        draw_corruptions(
            query, corpus.graph, corpus.in_distribution, 0, draws=1, reference=True, seed=seed
        ).tokens.item()
        for seed in range(600)
    ]
    counts = np.unique(seen, return_counts=True)[1]
    assert len(counts) > 5
    expected = 600 / len(counts)
    assert ((counts - expected) ** 2 / expected).sum() < 35  # chi-squared, about 10 degrees


def test_a_layer_that_does_not_exist_is_named() -> None:
    examples = draw_examples(WIRED.corpus, "train_inferred", 10)
    with pytest.raises(HopscopeError, match="target_layer = 9 does not exist"):
        trace(examples, target_layer=9)


def test_every_hop_of_three_is_traced_to_the_states_that_were_wired() -> None:
    wired = hand_wired(hops=3, n_layers=3)
    examples = draw_examples(wired.corpus, "train_inferred", 60)
    found = TRACING.run(wired.model, examples, TRACING.options({}))
    # each token matters until the block after the one that reads it, the last relation always
    expected = np.array([[1, 1, 1, 1], [0, 1, 1, 1], [0, 0, 1, 1], [0, 0, 0, 1]])
    np.testing.assert_array_equal(found.strength, expected)
    np.testing.assert_array_equal(found.restored, expected)
    assert (found.corrupted_accuracy == 1).all()


def test_each_example_says_how_many_corruptions_stand_behind_its_flips() -> None:
    examples = draw_examples(WIRED.corpus, "train_inferred", 60)
    found = TRACING.run(WIRED.model, examples, TRACING.options({"corruptions": 50}))
    drawn = found.drawn_example
    assert (found.flip_example <= drawn).all()
    np.testing.assert_array_equal((drawn > 0).sum("example"), found.n_valid)
    share = (found.flip_example / drawn.where(drawn > 0)).mean("example")
    np.testing.assert_allclose(share, found.strength, atol=1e-6)
