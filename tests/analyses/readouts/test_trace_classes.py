"""Trace classes tell a composing model from one whose bridge cannot be read."""

from __future__ import annotations

import numpy as np
import pytest
from hand_wired import hand_wired, random_model

from analyses.catalog import CATALOG
from analyses.questions.examples import draw_examples
from analyses.readouts.states import first_hops_seen
from circuits.errors import HopscopeError

CLASSES = CATALOG["trace_classes"]
OPTIONS = CLASSES.options({})


def test_a_composing_model_is_right_with_the_bridge() -> None:
    wired = hand_wired(n_layers=4, first_hop=1, second_hop=2)
    found = CLASSES.run(wired.model, draw_examples(wired.corpus, "train_inferred", 60), OPTIONS)
    assert found.share.sel({"class": "right_with_bridge"}) == 1
    assert (found.decoded, found.decoded_chance, found.fake_grok) == (1, 0, 0)


def test_right_answers_without_a_bridge_to_decode_are_flagged_as_fake() -> None:
    wired = hand_wired(n_layers=4, first_hop=1, second_hop=2)
    n = len(wired.corpus.vocab.entities)
    start = n + len(wired.corpus.vocab.relations) + 3 + n
    wired.model.unembed.W_U.data[start : start + n] = 0  # the bridge's part of the stream
    found = CLASSES.run(wired.model, draw_examples(wired.corpus, "train_inferred", 60), OPTIONS)
    assert found.share.sel({"class": "right_without_bridge"}) == 1
    assert found.fake_grok == 1
    assert found.decoded_given_right == 0


def test_the_tuned_lens_decodes_a_bridge_in_another_basis_and_the_plain_one_misses_it() -> None:
    wired = hand_wired(24, 8, n_layers=3, first_hop=0, second_hop=1)
    n, k = len(wired.corpus.vocab.entities), len(wired.corpus.vocab.relations)
    start = n + k + 3 + n
    wired.model.unembed.W_U.data[start : start + n] = 0
    # the last block moves the bridge to where the unembedding reads it
    mlp, neuron = wired.model.blocks[2].mlp, np.arange(n)
    mlp.W_in.data[start + neuron, neuron] = 1.0
    mlp.W_out.data[neuron, start + 2 * n + neuron] = 8.0
    examples = draw_examples(wired.corpus, "id_test", 40)
    tuned, plain = (
        CLASSES.run(wired.model, examples, CLASSES.options({"lens": lens}))
        for lens in ("tuned", "logit")
    )
    assert tuned.decoded > 0.7
    assert plain.decoded < 0.2
    assert (tuned.fake_grok, plain.fake_grok) == (0, 1)


def test_a_bridge_in_the_last_layer_alone_is_not_decoded_on_the_way() -> None:
    # it answers atomic prompts in its last block, too late for the second hop
    wired = hand_wired(n_layers=3, first_hop=2, second_hop=1)
    examples = draw_examples(wired.corpus, "id_test", 40)
    found = CLASSES.run(wired.model, examples, CLASSES.options({"lens": "logit", "last_layer": 3}))
    assert (found.decoded, found.decoded_any_state) == (0, 1)


def test_a_model_of_one_block_has_no_state_to_decode_from_and_is_not_flagged() -> None:
    wired = hand_wired()
    model = random_model(wired.corpus, n_layers=1)
    examples = draw_examples(wired.corpus, "train_inferred", 60)
    found = CLASSES.run(model, examples, CLASSES.options({"generalizing": -1.0}))
    assert (found.decoded, found.decoded_chance, found.fake_grok) == (0, 0, 0)


def test_a_random_model_is_wrong_and_not_flagged() -> None:
    wired = hand_wired()
    examples = draw_examples(wired.corpus, "train_inferred", 60)
    found = CLASSES.run(random_model(wired.corpus), examples, OPTIONS)
    assert found.share.sel({"class": "wrong_without_bridge"}) > 0.5
    assert found.fake_grok == 0
    assert found.share.sum().item() == pytest.approx(1)


def test_layers_that_do_not_exist_are_refused_in_a_sentence() -> None:
    wired = hand_wired()
    examples = draw_examples(wired.corpus, "id_test", 20)
    with pytest.raises(HopscopeError, match=r"layers 1 to 7 do not exist"):
        CLASSES.run(wired.model, examples, CLASSES.options({"last_layer": 7}))


def test_a_lens_that_learned_from_an_example_s_first_hop_says_so() -> None:
    wired = hand_wired()
    corpus = wired.corpus
    queries = corpus.queries("train_inferred")
    hops = list(dict.fromkeys(map(tuple, queries.token_ids[:, :2].tolist())))
    one, rest = (
        queries.take(np.flatnonzero([(tuple(r[:2]) == hops[0]) == same for r in queries.token_ids]))
        for same in (True, False)
    )
    assert first_hops_seen(one, one).all()
    assert not first_hops_seen(rest, one).any()
    # every first hop is asked about, so none is left to learn from
    everything = draw_examples(corpus, "train_inferred", 10_000)
    assert CLASSES.run(wired.model, everything, OPTIONS).lens_seen == 1
    few = draw_examples(corpus, "train_inferred", 5)
    assert CLASSES.run(wired.model, few, OPTIONS).lens_seen == 0
