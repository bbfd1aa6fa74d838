"""Loss and accuracy of every split, on the same queries each time."""

from __future__ import annotations

import torch
from torch import Tensor

from circuits.corpus.corpus import Corpus
from circuits.model.hook_free import Precision
from circuits.model.transformer import HookedTransformer
from circuits.runs.grok import TRAIN_SPLIT
from train.batches import Batch
from train.losses import SampleLoss
from train.measures import zero_loss_share

CHUNK = 8192
"""Queries per forward pass: far below what any device runs out of memory on."""


class Evaluator:
    """Queries of all splits in one right-padded table, since one large batch is the fastest."""

    def __init__(self, corpus: Corpus, items: int, seed: int, device: torch.device) -> None:
        """Choose the queries.

        Args:
            corpus: Its splits; empty ones are left out.
            items: At most this many queries per split.
            seed: Which ones, where there are more.
            device: Where they are kept.
        """
        self.splits = [name for name, queries in corpus.splits.items() if len(queries)]
        width = max(corpus.splits[name].token_ids.shape[1] for name in self.splits)
        generator = torch.Generator().manual_seed(seed)
        parts: list[Batch] = []
        for name in self.splits:
            queries = corpus.splits[name]
            chosen = torch.randperm(len(queries), generator=generator)[:items].sort().values
            tokens = queries.tokens[chosen]
            missing = width - tokens.shape[1]
            last = torch.full((len(chosen),), tokens.shape[1] - 1)
            padded = torch.nn.functional.pad(tokens, (0, missing))
            parts.append(Batch(padded, last, queries.answer[chosen]))
        self.counts = [len(part.answer) for part in parts]
        self.data = Batch(*(torch.cat(c).to(device) for c in zip(*parts, strict=True)))

    @torch.no_grad()
    def __call__(
        self, model: HookedTransformer, sample_loss: SampleLoss, precision: Precision
    ) -> dict[str, float]:
        """ "loss/<split>" (in nats), "accuracy/<split>" and "zero_loss_share" (trained facts)."""
        was_training = model.training
        model.eval()
        losses: list[Tensor] = []
        correct: list[Tensor] = []
        for chunk in zip(*(column.split(CHUNK) for column in self.data), strict=True):
            tokens, predict_at, answer = chunk
            logits = model.fast_logits(tokens, predict_at, precision=precision)
            losses.append(sample_loss(logits, answer))
            correct.append(logits.argmax(-1) == answer)
        model.train(was_training)
        row: dict[str, float] = {}
        split_losses = torch.cat(losses).cpu().split(self.counts)
        split_correct = torch.cat(correct).cpu().split(self.counts)
        for name, loss, right in zip(self.splits, split_losses, split_correct, strict=True):
            row[f"loss/{name}"] = float(loss.double().mean())
            row[f"accuracy/{name}"] = float(right.double().mean())
            if name == TRAIN_SPLIT:
                row["zero_loss_share"] = zero_loss_share(loss)
        return row
