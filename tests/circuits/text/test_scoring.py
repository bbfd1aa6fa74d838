"""Exact match from one forward pass is what greedy decoding gives."""

from __future__ import annotations

import torch

from circuits.model.config import ModelConfig
from circuits.model.hook_free import fast_logits
from circuits.model.plain import PlainTransformer
from circuits.text.scoring import answered, greedy_answers, scores

END = 1
PROMPTS = torch.tensor([[3, 4, 0], [4, 3, 2], [2, 0, 0], [5, 5, 5]])
LENGTHS = torch.tensor([2, 3, 1, 3])


def _model() -> PlainTransformer:
    cfg = ModelConfig(n_layers=2, d_model=16, n_ctx=9, d_vocab=6, n_heads=2, init_range=0.6)
    return PlainTransformer(cfg).eval()


def _logits(model: PlainTransformer, tokens: torch.Tensor, at: torch.Tensor, row: torch.Tensor):  # type: ignore[no-untyped-def]
    return fast_logits(model, tokens, at, of_row=row)


@torch.no_grad()
def test_exact_match_is_what_greedy_decoding_gives() -> None:
    model = _model()
    decoded = greedy_answers(
        lambda *asked: _logits(model, *asked), PROMPTS, LENGTHS, END, longest=4
    )
    one_by_one = []
    for prompt, length in zip(PROMPTS.tolist(), LENGTHS.tolist(), strict=True):
        tokens = prompt[:length]
        for _ in range(4):
            tokens.append(int(fast_logits(model, torch.tensor([tokens])).argmax()))
            if tokens[-1] == END:
                tokens.pop()
                break
        one_by_one.append(tuple(tokens[length:]))
    assert decoded == one_by_one
    for wrong_at in range(5):  # the model's own answer is right; one with another token is not
        answers = [[*each, END] if len(each) < 4 else list(each) for each in decoded]
        expected = []
        for answer in answers:
            if wrong_at < len(answer):
                answer[wrong_at] = (answer[wrong_at] + 1) % 6
            expected.append(wrong_at >= len(answer))
        asked = answered(PROMPTS, LENGTHS, answers)
        found = scores(_logits(model, asked.tokens, asked.predict_at, asked.of_row), asked)
        assert found.exact.tolist() == expected
        assert found.first_token.tolist() == [wrong_at > 0] * 4


@torch.no_grad()
def test_the_loss_of_an_answer_is_that_of_all_its_tokens() -> None:
    model, answers = _model(), [[5, END], [END], [2, 3, END], [4, END]]
    asked = answered(PROMPTS, LENGTHS, answers)
    found = scores(_logits(model, asked.tokens, asked.predict_at, asked.of_row), asked)
    for row, answer in enumerate(answers):
        tokens, total = PROMPTS[row, : LENGTHS[row]].tolist(), 0.0
        for token in answer:
            logits = fast_logits(model, torch.tensor([tokens]))
            total -= float(logits.log_softmax(-1)[0, token])
            tokens.append(token)
        torch.testing.assert_close(float(found.loss[row]), total, atol=1e-4, rtol=1e-4)
