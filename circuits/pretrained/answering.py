"""Whole answers of a model of ours or of a bridge, in one forward pass per question and spelling.

An answer is right if the greedily decoded continuation begins with all tokens of the name, or of
one of its aliases. A model that others trained has no end-of-answer token, so what follows the name
is not looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from circuits.corpus.corpus import Corpus
from circuits.corpus.queries import Queries
from circuits.model.bridged import BridgedModel
from circuits.model.hook_free import fast_logits
from circuits.text.scoring import Scores, answered, scores

_NUMBERS_AT_ONCE = 30_000_000
"""Logits held at a time."""
Spelling = tuple[int, ...]


def spellings(queries: Queries) -> list[tuple[Spelling, ...]]:
    """The token sequences that count as each question's answer, the name's own first.

    Where a wording closes answers with a token of their own (text runs of ours), that is the last.

    >>> from circuits import open_run
    >>> spellings(open_run("assets/demo").queries("id_test")[:1])
    [((258,),)]
    """
    known = getattr(queries.wording, "spellings", None)
    close = getattr(queries.wording, "answer", None)

    def of(entity: int) -> tuple[Spelling, ...]:
        if known is not None:
            return tuple(known[entity])
        if close is not None:
            return (tuple(close(entity)),)
        return ((entity,) if queries.names is None else queries.names.tokens(entity),)

    return [of(int(entity)) for entity in queries.answer_ids]


@torch.no_grad()
def whole_answers(
    model: Any,
    tokens: Int[Tensor, "n width"],
    lengths: Int[Tensor, " n"],
    accepted: Sequence[Sequence[Spelling]],
) -> Scores:
    """Loss, exact match and first token of each answer; of several spellings the best.

    Args:
        model: A `HookedTransformer` or a `BridgedModel`, in eval mode.
        tokens: Prompts, right-padded.
        lengths: Tokens of each prompt.
        accepted: The spellings of each answer, at least one.

    Returns:
        The loss is minus the log-probability of the most probable spelling, in nats.

    >>> import torch
    >>> from circuits import HookedTransformer, ModelConfig
    >>> cfg = ModelConfig(n_layers=1, d_model=8, n_ctx=6, d_vocab=10, n_heads=2)
    >>> model = HookedTransformer(cfg).eval()
    >>> prompt, length = torch.tensor([[1, 2, 0]]), torch.tensor([2])
    >>> first = int(model(prompt[:, :2])[0, -1].argmax())
    >>> whole_answers(model, prompt, length, [[(first,)]]).exact.tolist()
    [True]
    """
    row = torch.tensor([i for i, each in enumerate(accepted) for _ in each], dtype=torch.int64)
    flat = [spelling for each in accepted for spelling in each]
    parts = []
    most = max(1, _NUMBERS_AT_ONCE // (model.cfg.d_vocab * (tokens.shape[1] + 1)))
    for chosen in torch.arange(len(flat)).split(most):
        rows = row[chosen]
        asked = answered(tokens[rows], lengths[rows], [flat[i] for i in chosen.tolist()])
        logits = _predicted(model, asked.tokens, asked.predict_at, asked.of_row)
        parts.append(scores(logits, asked._replace(answer=asked.answer.to(logits.device))))
    loss, exact, first = (torch.cat(column).cpu() for column in zip(*parts, strict=True))
    n = len(accepted)
    best = torch.full((n,), torch.inf).scatter_reduce(0, row, loss.float(), "amin")
    any_of = [
        torch.zeros(n).scatter_reduce(0, row, hit.float(), "amax").bool() for hit in (exact, first)
    ]
    return Scores(best, *any_of)


def _predicted(model: Any, tokens: Tensor, at: Tensor, of_row: Tensor) -> Tensor:
    device = model.device
    tokens, at = tokens.to(device), at.to(device)
    if isinstance(model, BridgedModel):
        return model(tokens)[of_row.to(device), at].float()
    return fast_logits(model, tokens, at, of_row=of_row.to(device))


class MeasuredAnswers:
    """The same questions of every split at every step, scored by whole answers."""

    def __init__(self, corpus: Corpus, items: int) -> None:
        """Draw at most `items` questions of each split that has any."""
        draw = np.random.default_rng(0)
        self._asked: dict[str, tuple[Queries, list[tuple[Spelling, ...]]]] = {}
        for name, queries in corpus.splits.items():
            rows = np.sort(draw.permutation(len(queries))[:items])
            if len(rows):
                some = queries.take(rows)
                self._asked[name] = some, spellings(some)

    def __call__(self, model: Any) -> dict[str, float]:
        """ "loss/<split>" in nats of the whole answer, "accuracy/<split>" by exact match,
        "first_token_accuracy/<split>", and for compositions "macro_accuracy/<split>"."""
        row: dict[str, float] = {}
        for split, (queries, accepted) in self._asked.items():
            lengths = torch.from_numpy(queries.lengths.astype("int64"))
            loss, exact, first = whole_answers(model, queries.tokens, lengths, accepted)
            row[f"loss/{split}"] = float(loss.double().mean())
            row[f"accuracy/{split}"] = float(exact.double().mean())
            row[f"first_token_accuracy/{split}"] = float(first.double().mean())
            if queries.kind == "composition":
                bridge = np.unique(queries.bridge_ids[:, 0], return_inverse=True)[1]
                of_each = np.bincount(bridge, exact.numpy()) / np.bincount(bridge)
                row[f"macro_accuracy/{split}"] = float(of_each.mean())
        return row
