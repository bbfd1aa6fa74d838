"""Mixing helps a model whose second hop reads bridges in the form of embeddings only."""

from __future__ import annotations

import torch
from hand_wired import WORKING_HEAD, HandWired, hand_wired

from analyses.catalog import CATALOG
from analyses.questions.examples import draw_examples

MIXING = CATALOG["mixing"]
OPTIONS = MIXING.options({})


def reads_embeddings() -> HandWired:
    """Hop one writes the bridge where it is decoded; hop two reads it as an input embedding."""
    wired = hand_wired(n_layers=4, first_hop=1, second_hop=2)
    n = len(wired.corpus.vocab.entities)
    value = wired.model.blocks[2].attn.W_V.data
    value.zero_()
    value[WORKING_HEAD, :n, :n] = torch.eye(n)
    return wired


def test_the_decoded_embedding_restores_the_answer_before_hop_two() -> None:
    wired = reads_embeddings()
    examples = draw_examples(wired.corpus, "train_inferred", 60)
    found = MIXING.run(wired.model, examples, OPTIONS)
    assert found.decoded_right == 1
    half = found.accuracy.sel(strength=0.5)
    for source in ("decoded", "true_bridge"):
        assert half.sel(mixed_in=source).values.tolist() == [1, 1, 1, 0]
    assert (half.sel(mixed_in="random") < 0.3).all()


def test_strength_zero_leaves_the_model_as_it_is() -> None:
    wired = reads_embeddings()
    examples = draw_examples(wired.corpus, "train_inferred", 60)
    assert (MIXING.run(wired.model, examples, OPTIONS).accuracy.sel(strength=0) == 0).all()
    composing = hand_wired()
    examples = draw_examples(composing.corpus, "train_inferred", 60)
    assert (MIXING.run(composing.model, examples, OPTIONS).accuracy.sel(strength=0) == 1).all()
