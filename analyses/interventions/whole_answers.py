"""Questions about any names in the words of a run, and whether their whole answers are right.

For analyses that change weights: what a model answers is read from its logits alone, without
patches (for those see `whole_names`).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import cross_entropy

from circuits.corpus.queries import Queries
from circuits.model.hook_free import fast_logits
from circuits.model.transformer import HookedTransformer
from circuits.text.scoring import Answered, Scores, answered, scores


def asked_like(
    pool: Queries,
    names: Int[np.ndarray, "n names"],
    answers: Int[np.ndarray, " n"],
    bridges: Int[np.ndarray, "n bridges"] | None = None,
) -> Queries:
    """Questions of the same kind about other names, in the first wording of each relation.

    Args:
        pool: Questions of this kind, at least one.
        names: Ids of the vocabulary: what is asked, by role.
        answers: The answer of each.
        bridges: The bridges of each; None: they have none.

    >>> from circuits import open_run
    >>> pool = open_run("assets/demo").queries("atomic_id")
    >>> asked = asked_like(pool, pool.asked_ids[3:5], pool.answer_ids[3:5])
    >>> asked[0].text == pool[3].text
    True
    """
    first = np.zeros(len(names), np.int64)
    blank = replace(
        pool.take(first),
        bridge_ids=np.empty((len(names), 0), np.int64) if bridges is None else bridges,
        answer_ids=answers,
        templates=None if pool.templates is None else first,
    )
    return blank.asking(names)


def loss_of(model: HookedTransformer, asked: Queries) -> Float[Tensor, ""]:
    """Minus the log-probability of the whole answer in nats, mean over questions."""
    if not asked.ragged and asked.names is None:
        logits = fast_logits(model, asked.tokens.to(model.device))
        return cross_entropy(logits, asked.answer.to(model.device))
    return _scores(model, asked).loss.mean()


@torch.no_grad()
def right(model: HookedTransformer, asked: Queries) -> Bool[np.ndarray, " n"]:
    """Whether the greedily decoded answer is the right one, its end included.

    >>> from circuits import open_run
    >>> run = open_run("assets/demo")
    >>> right(run.model(), run.queries("atomic_id")[:50]).mean().item()
    1.0
    """
    if not len(asked):
        return np.empty(0, bool)
    if not asked.ragged and asked.names is None:
        top = fast_logits(model, asked.tokens.to(model.device)).argmax(-1)
        return top.cpu().numpy() == asked.answer_tokens
    return _scores(model, asked).exact.cpu().numpy()


def _scores(model: HookedTransformer, asked: Queries) -> Scores:
    if asked.names is None:
        answers = asked.answer_tokens[:, None].tolist()
    else:
        answers = [asked.names.closed(name) for name in asked.answer_ids.tolist()]
    whole = answered(asked.tokens, torch.from_numpy(asked.lengths), answers)
    whole = Answered(*(part.to(model.device) for part in whole))
    logits = fast_logits(model, whole.tokens, whole.predict_at, of_row=whole.of_row)
    return scores(logits, whole)
