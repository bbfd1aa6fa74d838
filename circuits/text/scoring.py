"""Whole answers: decoded greedily, compared token by token, ranked among all names.

A greedily decoded answer is the right one, end included, if and only if the right token is the most
probable one after every beginning of the right answer. So exact match needs a single forward pass
over question and right answer, and no decoding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

PredictedLogits = Callable[[Tensor, Tensor, Tensor], Tensor]
"""From right-padded tokens [m, width], positions [p] and their rows [p] to logits [p, d_vocab]."""


class Answered(NamedTuple):
    """Questions with their right answers appended, and where each answer's tokens are predicted."""

    tokens: Int[Tensor, "n width"]
    predict_at: Int[Tensor, " predictions"]
    answer: Int[Tensor, " predictions"]
    """The right token of each prediction."""
    of_row: Int[Tensor, " predictions"]
    """Question of each prediction, rising."""


class Scores(NamedTuple):
    """How well each question is answered."""

    loss: Float[Tensor, " n"]
    """Minus the log-probability of the whole answer, in nats."""
    exact: Bool[Tensor, " n"]
    """Whether the greedily decoded answer is the right one."""
    first_token: Bool[Tensor, " n"]
    """Whether its first token is."""


def answered(
    prompts: Int[Tensor, "n width"],
    lengths: Int[Tensor, " n"],
    answers: Sequence[Sequence[int]],
    pad: int = 0,
) -> Answered:
    """Append answers (with their end-of-answer tokens) to prompts.

    >>> found = answered(torch.tensor([[5, 6], [7, 0]]), torch.tensor([2, 1]), [[3, 1], [4, 1]])
    >>> found.tokens.tolist(), found.predict_at.tolist(), found.of_row.tolist()
    ([[5, 6, 3], [7, 4, 0]], [1, 2, 0, 1], [0, 0, 1, 1])
    """
    more = torch.tensor([len(answer) for answer in answers])
    width = int((lengths + more).max()) - 1 if len(answers) else 1
    tokens = torch.full((len(prompts), max(width, prompts.shape[1])), pad)
    tokens[:, : prompts.shape[1]] = prompts
    of_row = torch.arange(len(prompts)).repeat_interleave(more)
    within = torch.arange(len(of_row)) - (more.cumsum(0) - more)[of_row]
    flat = torch.tensor([token for answer in answers for token in answer], dtype=torch.int64)
    predict_at = lengths[of_row] - 1 + within
    goes_on = within < more[of_row] - 1
    tokens[of_row[goes_on], predict_at[goes_on] + 1] = flat[goes_on]
    return Answered(tokens[:, :width], predict_at, flat, of_row)


def scores(
    logits: Float[Tensor, "predictions d_vocab"], asked: Answered, losses: Tensor | None = None
) -> Scores:
    """Scores of each question from the logits of its answer's tokens.

    Args:
        logits: At the predictions of `asked`.
        asked: What was asked.
        losses: Loss of each prediction; None: minus the log-probability.

    >>> asked = answered(torch.tensor([[5]]), torch.tensor([1]), [[3, 1]])
    >>> logits = torch.tensor([[0.0, 0, 0, 9, 0, 0], [0.0, 0, 9, 0, 0, 0]])
    >>> found = scores(logits, asked)  # the right first token, and then another one
    >>> found.exact.tolist(), found.first_token.tolist()
    ([False], [True])
    """
    if losses is None:
        losses = torch.nn.functional.cross_entropy(logits.float(), asked.answer, reduction="none")
    n, of_row = len(asked.tokens), asked.of_row.to(logits.device)
    right = logits.argmax(-1) == asked.answer
    loss = torch.zeros(n, device=logits.device).index_add_(0, of_row, losses)
    wrong = torch.zeros(n, device=logits.device).index_add_(0, of_row, (~right).float())
    first = torch.ones_like(of_row, dtype=torch.bool)
    first[1:] = of_row[1:] != of_row[:-1]
    return Scores(loss, wrong == 0, right[first])


def greedy_answers(
    logits: PredictedLogits,
    prompts: Int[Tensor, "n width"],
    lengths: Int[Tensor, " n"],
    end: int,
    longest: int,
) -> list[tuple[int, ...]]:
    """The most probable next token again and again, up to `end` (left out) or `longest` tokens.

    >>> counts = lambda tokens, at, row: torch.eye(9)[tokens[row, at] + 1]  # 3, 4, 5, ...
    >>> greedy_answers(counts, torch.tensor([[3], [6]]), torch.tensor([1, 1]), 8, 3)
    [(4, 5, 6), (7,)]
    """
    n = len(prompts)
    tokens = torch.nn.functional.pad(prompts, (0, longest))
    found: list[list[int]] = [[] for _ in range(n)]
    open_ = torch.arange(n)
    for step in range(longest):
        at = lengths[open_] - 1 + step
        width = int(at.max()) + 1
        chosen = logits(tokens[open_, :width], at, torch.arange(len(open_))).argmax(-1).cpu()
        tokens[open_, at + 1] = chosen
        for row, token in zip(open_.tolist(), chosen.tolist(), strict=True):
            if token != end:
                found[row].append(token)
        open_ = open_[chosen != end]
        if not len(open_):
            break
    return [tuple(each) for each in found]
