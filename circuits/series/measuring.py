"""Accuracy and loss of a step of a series, measured when it is imported."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from circuits.corpus.corpus import Corpus
from circuits.corpus.queries import Queries

LastLogits = Callable[[Any, Int[Tensor, "n pos"]], Float[Tensor, "n d_vocab"]]
"""From a model and questions to the logits of their answers."""
Measuring = Callable[[Any], dict[str, float]]
"""From a model to what is measured of it, by the names of metrics."""

LOGITS_AT_ONCE = 2**25
"""Logits held in memory at a time."""


class Measure:
    """The same questions of every split at every step."""

    def __init__(self, corpus: Corpus, d_vocab: int, items: int, last_logits: LastLogits) -> None:
        """Draw at most `items` questions of each split that has any."""
        self._last_logits = last_logits
        draw = np.random.default_rng(0)
        self._asked: dict[str, Queries] = {}
        for name, queries in corpus.splits.items():
            rows = np.sort(draw.permutation(len(queries))[:items])
            if len(rows):
                self._asked[name] = queries.take(rows)
        self._at_once = max(16, LOGITS_AT_ONCE // d_vocab)

    @torch.no_grad()
    def __call__(self, model: Any) -> dict[str, float]:
        """ "loss/<split>" in nats and "accuracy/<split>"; for compositions also the mean over
        bridges of the accuracy on each one's questions, "macro_accuracy/<split>"."""
        row: dict[str, float] = {}
        for split, queries in self._asked.items():
            losses, right = self._answered(queries, model)
            row[f"loss/{split}"] = float(losses.mean())
            row[f"accuracy/{split}"] = float(right.mean())
            if queries.kind == "composition":
                bridge = np.unique(queries.bridge_ids[:, 0], return_inverse=True)[1]
                of_each = np.bincount(bridge, right) / np.bincount(bridge)
                row[f"macro_accuracy/{split}"] = float(of_each.mean())
        return row

    def _answered(
        self, queries: Queries, model: Any
    ) -> tuple[Float[np.ndarray, " n"], Bool[np.ndarray, " n"]]:
        """Loss of each question, and whether the answer is the top token."""
        losses, right = [], []
        parts = (queries.tokens.split(self._at_once), queries.answer.split(self._at_once))
        for tokens, answer in zip(*parts, strict=True):
            logits = self._last_logits(model, tokens)
            losses.append(F.cross_entropy(logits, answer, reduction="none").double())
            right.append(logits.argmax(-1) == answer)
        return torch.cat(losses).numpy(), torch.cat(right).numpy()
