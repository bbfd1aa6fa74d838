"""The tuned lens is the model at the last state and nearer to it before."""

from __future__ import annotations

import numpy as np
from hand_wired import hand_wired, random_model

from analyses.catalog import CATALOG
from analyses.figures import figure
from analyses.joining import joined_splits
from analyses.questions.examples import draw_examples
from analyses.readouts.states import trained_questions

TUNED, PLAIN = CATALOG["tuned_lens"], CATALOG["logit_lens"]
WIRED = hand_wired(16, 6)
EXAMPLES = draw_examples(WIRED.corpus, "id_test", 40)


def test_at_the_last_state_it_is_the_logit_lens() -> None:
    model = random_model(WIRED.corpus, n_layers=3)
    tuned = TUNED.run(model, EXAMPLES, TUNED.options({"adam_steps": 5})).sel(layer=3)
    plain = PLAIN.run(model, EXAMPLES, PLAIN.options({})).sel(layer=3)
    assert list(tuned.target.values) == list(plain.target.values)
    np.testing.assert_array_equal(tuned.rank_example, plain.rank_example)
    np.testing.assert_allclose(tuned.probability, plain.probability, atol=1e-5)
    assert abs(tuned.kl).max() < 1e-5


def test_it_is_nearer_to_the_output_than_the_logit_lens_on_new_questions() -> None:
    model = random_model(WIRED.corpus, n_layers=3)
    found = TUNED.run(model, EXAMPLES, TUNED.options({}))
    middle = found.sel(layer=[1, 2])
    assert (middle.kl < 0.7 * middle.kl_logit_lens).all()


def test_it_learns_from_no_state_that_it_is_judged_on() -> None:
    few = draw_examples(WIRED.corpus, "id_test", 10)
    learned = trained_questions(WIRED.corpus, 500, 0, few.queries)
    first_hops = {tuple(row) for row in learned.token_ids[:, :2].tolist()}
    assert len(first_hops) > 20
    assert first_hops.isdisjoint(tuple(row) for row in few.queries.token_ids[:, :2].tolist())


def test_a_lens_that_can_only_learn_from_the_first_hops_asked_about_says_so() -> None:
    model = random_model(WIRED.corpus, n_layers=2)
    few = draw_examples(WIRED.corpus, "id_test", 10)
    everything = draw_examples(WIRED.corpus, "train_inferred", 10_000)
    parts = {
        split: (TUNED.run(model, asked, TUNED.options({"adam_steps": 0})), asked)
        for split, asked in (("id_test", few), ("train_inferred", everything))
    }
    ds = joined_splits(parts, 0, {"analysis": "tuned_lens"})
    assert ds.lens_seen.values.tolist() == [[0, 1]]
    for name in ("mrr", "mrr_added", "mrr_over_training", "divergence"):
        assert "the lens was" not in figure(ds, name, split="id_test").subtitle
        warned = figure(ds, name, split="train_inferred").subtitle
        assert warned.endswith("the lens was trained on 100% of these first hops")


def test_the_adam_steps_lower_the_divergence() -> None:
    model = random_model(WIRED.corpus, n_layers=3)
    ridge, tuned = (
        TUNED.run(model, EXAMPLES, TUNED.options({"adam_steps": k})).kl.sel(layer=[0, 1, 2]).mean()
        for k in (0, 60)
    )
    assert tuned < ridge


def test_it_reads_a_bridge_that_a_change_of_basis_hides_from_the_logit_lens() -> None:
    """The last block only moves the bridge to where the unembedding reads it."""
    wired = hand_wired(16, 6, n_layers=3, first_hop=0, second_hop=1)
    n, k = len(wired.corpus.vocab.entities), len(wired.corpus.vocab.relations)
    model, start = wired.model, n + k + 3 + n
    model.unembed.W_U.data[start : start + n] = 0
    mlp, neuron = model.blocks[2].mlp, np.arange(n)
    mlp.W_in.data[start + neuron, neuron] = 1.0
    mlp.W_out.data[neuron, start + 2 * n + neuron] = 8.0
    few = draw_examples(wired.corpus, "id_test", 10)  # every bridge stays among other first hops
    tuned = TUNED.run(model, few, TUNED.options({}))
    plain = PLAIN.run(model, few, PLAIN.options({}))
    at = {"target": "bridge", "layer": 1, "position": "relation_1"}
    assert plain.mrr.sel(at) < 0.3
    assert tuned.mrr.sel(at) > 0.9
