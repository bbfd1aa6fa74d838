"""Whole names: log-probabilities and ranks against the sum over each name's tokens."""

from __future__ import annotations

from functools import partial

import pytest
import torch

from circuits.errors import HopscopeError
from circuits.model.config import ModelConfig
from circuits.model.hook_free import fast_logits
from circuits.model.plain import PlainTransformer
from circuits.text.trie import name_log_probs, name_ranks, name_trie

END = 1
NAMES = [(5, END), (5, 6, END), (5, 6, 7, END), (8, END), (9, 5, END), (9, 6, END), (2, 3, 4, END)]
PROMPTS = torch.tensor([[3, 4, 0, 0], [4, 3, 2, 0], [2, 2, 3, 4], [7, 0, 0, 0]])
LENGTHS = torch.tensor([2, 3, 4, 1])


def _model() -> PlainTransformer:
    cfg = ModelConfig(n_layers=2, d_model=16, n_ctx=8, d_vocab=12, n_heads=2, init_range=0.5)
    return PlainTransformer(cfg).eval()


def _one_by_one(model: PlainTransformer) -> torch.Tensor:
    found = torch.zeros(len(PROMPTS), len(NAMES))
    for i, (prompt, length) in enumerate(zip(PROMPTS, LENGTHS, strict=True)):
        for j, name in enumerate(NAMES):
            tokens = prompt[:length].tolist()
            for token in name:
                log_prob = fast_logits(model, torch.tensor([tokens])).log_softmax(-1)[0]
                found[i, j] += log_prob[token].item()
                tokens.append(token)
    return found


@torch.no_grad()
def test_log_probs_of_whole_names_are_the_sums_over_their_tokens() -> None:
    model = _model()
    found = name_log_probs(name_trie(NAMES), partial(fast_logits, model), PROMPTS, LENGTHS)
    torch.testing.assert_close(found, _one_by_one(model), atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_pruned_ranks_are_those_among_all_log_probs() -> None:
    model, trie = _model(), name_trie(NAMES)
    truth = _one_by_one(model)
    for answer in range(len(NAMES)):
        chosen = torch.full((len(PROMPTS),), answer)
        rank, log_prob = name_ranks(trie, partial(fast_logits, model), PROMPTS, LENGTHS, chosen)
        assert rank.tolist() == (truth > truth[:, [answer]]).sum(1).tolist()
        torch.testing.assert_close(log_prob, truth[:, answer], atol=1e-4, rtol=1e-4)


def test_a_sure_model_is_asked_only_for_its_own_answer() -> None:
    asked = []

    def sure(tokens: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
        asked.append(len(tokens))
        logits = torch.zeros(len(tokens), 12)
        last = tokens.gather(1, at[:, None])[:, 0]
        nxt = {3: 5, 5: 6, 6: END}
        for row, token in enumerate(last.tolist()):
            logits[row, nxt[token]] = 50
        return logits

    prompt, length = torch.tensor([[3]]), torch.tensor([1])
    rank, _ = name_ranks(name_trie(NAMES), sure, prompt, length, torch.tensor([1]))
    assert rank.tolist() == [0]
    assert sum(asked) <= 6  # its three tokens, to score it and to rank it


def test_names_with_equal_tokens_are_refused() -> None:
    with pytest.raises(HopscopeError, match="names 0 and 2 have the same tokens"):
        name_trie([(5, END), (6, END), (5, END)])
    with pytest.raises(HopscopeError, match="begin another name"):
        name_trie([(5,), (5, 6)])
    with pytest.raises(HopscopeError, match="begin another name"):
        name_trie([(5, 6), (5,)])
