"""What an evaluation of a text run measures: whole answers, and beside them first tokens.

As in `train.evaluation`, the model is the one that a checkpoint of this step gives back.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from circuits.corpus.names import ID_TEST, TRAIN
from circuits.corpus.queries import Queries
from circuits.model.config import ModelConfig
from circuits.model.hook_free import fast_logits
from circuits.model.plain import PlainTransformer
from circuits.recipes.schema import Recipe
from circuits.runs.checkpoints import STORED
from circuits.text.corpus import TextCorpus
from circuits.text.scoring import Answered, answered, scores
from circuits.text.trie import NameTrie, name_ranks, name_trie
from train.evaluation import macro_average, zero_loss_share
from train.step import SampleLoss

CHUNK = 1024
"""Questions per forward pass."""
RANKED = 40
"""Questions of a split whose answer is ranked among all names."""
RANKED_SPLITS = (ID_TEST,)


class TextEvaluator:
    """The same questions of every split each time, in one wording each."""

    def __init__(
        self, recipe: Recipe, text: TextCorpus, cfg: ModelConfig, device: torch.device
    ) -> None:
        """Choose the questions; see `Evaluator`."""
        self._stored = PlainTransformer(cfg).to(device).eval()
        self._dtype = STORED[recipe.checkpoints.dtype]
        self._device = device
        generator = torch.Generator().manual_seed(recipe.seed)
        self._asked: dict[str, list[Answered]] = {}
        self._bridges: dict[str, Tensor] = {}
        self._ranked: dict[str, tuple[Tensor, Tensor, Tensor]] = {}
        self._names, number = _candidates(text)
        for name, split in text.corpus.splits.items():
            if not len(split):
                continue
            order = torch.randperm(len(split), generator=generator)[: recipe.evaluation.items]
            queries = text.queries(name).take(order.sort().values.numpy())
            self._asked[name] = [
                Answered(*(column.to(device) for column in _asked(text, queries[i : i + CHUNK])))
                for i in range(0, len(queries), CHUNK)
            ]
            if queries.kind == "composition":
                first = torch.from_numpy(queries.bridge_ids[:, 0].astype("int64"))
                self._bridges[name] = torch.unique(first, return_inverse=True)[1]
            if name in RANKED_SPLITS:
                some = queries[:RANKED]
                lengths = torch.from_numpy(some.lengths.astype("int64"))
                right = torch.tensor([number[a] for a in some.answer_ids.tolist()])
                self._ranked[name] = some.tokens, lengths, right

    @torch.no_grad()
    def __call__(self, model: PlainTransformer, sample_loss: SampleLoss) -> dict[str, float]:
        """Loss and accuracies of every split, and the share of zero losses.

        Keys: "loss/<split>" (nats per whole answer), "accuracy/<split>" (the greedily decoded
        answer is the right one, end included), "first_token_accuracy/<split>", for compositions
        "macro_accuracy/<split>", "name_mrr/<split>" for the tests (mean of 1 / (1 + rank) of the
        right name among all names, over at most `RANKED` questions) and "zero_loss_share".
        """
        weights = model.state_dict()
        for name, stored in self._stored.state_dict().items():
            stored.copy_(weights[name].to(self._dtype))
        row: dict[str, float] = {}
        for name, chunks in self._asked.items():
            parts = [self._scores(chunk, sample_loss) for chunk in chunks]
            loss, exact, first = (torch.cat(column).cpu() for column in zip(*parts, strict=True))
            row[f"loss/{name}"] = float(loss.double().mean())
            row[f"accuracy/{name}"] = float(exact.double().mean())
            row[f"first_token_accuracy/{name}"] = float(first.double().mean())
            if name in self._bridges:
                row[f"macro_accuracy/{name}"] = macro_average(exact, self._bridges[name])
            if name == TRAIN:
                row["zero_loss_share"] = zero_loss_share(loss)
        return row | self._ranks()

    def _scores(self, asked: Answered, sample_loss: SampleLoss) -> tuple[Tensor, Tensor, Tensor]:
        logits = fast_logits(self._stored, asked.tokens, asked.predict_at, of_row=asked.of_row)
        return scores(logits, asked, sample_loss(logits, asked.answer))

    def _ranks(self) -> dict[str, float]:
        ask = partial(_logits, self._stored, self._device)
        found = {}
        for name, (prompts, lengths, right) in self._ranked.items():
            rank, _ = name_ranks(self._names, ask, prompts, lengths, right)
            found[f"name_mrr/{name}"] = float((1 / (1 + rank.double())).mean())
        return found


def _logits(model: PlainTransformer, device: torch.device, tokens: Tensor, at: Tensor) -> Tensor:
    return fast_logits(model, tokens.to(device), at.to(device))


def _asked(text: TextCorpus, queries: Queries) -> Answered:
    """Questions with their right answers."""
    answers = [text.wording.answer(answer) for answer in queries.answer_ids.tolist()]
    lengths = torch.from_numpy(queries.lengths.astype("int64"))
    return answered(queries.tokens, lengths, answers, text.tokenizer.pad)


def _candidates(text: TextCorpus) -> tuple[NameTrie, dict[int, int]]:
    """All entities and labels, and the place of each name id among them."""
    vocab = text.corpus.vocab
    ids = [*range(vocab.first_relation), *range(vocab.first_special, len(vocab))]
    return name_trie([text.wording.answer(i) for i in ids]), {i: n for n, i in enumerate(ids)}
