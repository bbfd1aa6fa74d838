"""Whole answers of questions in many tokens, against decoding by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hand_wired import random_corpus
from slow_patching import model_with
from worded import N_TOKENS, worded

from analyses.interventions.whole_answers import asked_like, loss_of, right
from circuits.corpus.wording import NO_TOKEN, NameTokens

MODEL = model_with(n_layers=1, n_ctx=24, d_vocab=N_TOKENS, d_model=12, d_mlp=24, n_heads=2)
ASKED = worded(random_corpus(24, 6).splits["train_inferred"])[:4]


def greedy(tokens: list[int], steps: int) -> tuple[list[int], float]:
    """The most probable continuation, and minus its log-probability."""
    found: list[int] = []
    loss = 0.0
    with torch.no_grad():
        for _ in range(steps):
            logits = MODEL(torch.tensor([tokens + found]))[0, -1]
            found.append(int(logits.argmax()))
            loss -= float(logits.log_softmax(-1).max())
    return found, loss


@pytest.mark.parametrize("wrong", [None, 0, 1])
def test_an_answer_is_right_if_each_of_its_tokens_is_the_most_probable(wrong: int | None) -> None:
    table = np.full((len(ASKED.vocab), 2), NO_TOKEN)
    losses = []
    for i, query in enumerate(ASKED):
        table[i], loss = greedy(list(query.tokens), 2)
        losses.append(loss)
    if wrong is not None:
        table[2, wrong] = (table[2, wrong] + 1) % N_TOKENS
    asked = replace(ASKED, names=NameTokens(table), answer_ids=np.arange(4))
    assert right(MODEL, asked).tolist() == [True, True, wrong is None, True]
    if wrong is None:
        assert loss_of(MODEL, asked).item() == pytest.approx(np.mean(losses), rel=1e-4)


def test_questions_about_other_names_are_worded_as_the_pool_is() -> None:
    asked = asked_like(ASKED, ASKED.asked_ids[::-1].copy(), ASKED.answer_ids[::-1].copy())
    assert asked[3].tokens == ASKED[0].tokens  # the first wording
    assert asked.answer_ids.tolist() == ASKED.answer_ids[::-1].tolist()
    assert not len(asked_like(ASKED, np.empty((0, 3), np.int64), np.empty(0, np.int64)))
    assert not right(MODEL, ASKED[:0]).size
