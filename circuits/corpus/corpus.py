"""The corpus: a graph, its splits as token queries, and what is trained.

`corpus.build` makes it from a recipe, `corpus.storage` writes and reads it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, Int

from circuits.corpus.queries import Queries
from circuits.corpus.vocab import Vocab
from circuits.errors import unknown_name
from circuits.graph.knowledge_graph import KnowledgeGraph
from circuits.recipes.schema import Task

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """All training examples as one table; row i of every tensor is example i.

    An answer of several tokens is as many examples: each token is predicted after those before.
    """

    tokens: Int[torch.Tensor, "n pos"]
    """Right-padded with token 0, which attention never sees from the predicted position."""
    predict_at: Int[torch.Tensor, " n"]
    """Position at which the answer is predicted: the last one of the question."""
    answer: Int[torch.Tensor, " n"]
    split_index: Int[torch.Tensor, " n"]
    """Index into `Corpus.trained`."""

    def __len__(self) -> int:
        return len(self.tokens)


@dataclass(frozen=True, eq=False)
class Corpus:
    """A graph divided into what is trained and what is tested.

    >>> from circuits import open_run
    >>> corpus = open_run("assets/demo").corpus
    >>> corpus.trained, len(corpus.queries("id_test"))
    (('train_inferred', 'atomic_id', 'atomic_ood'), 1000)
    """

    task: Task
    graph: KnowledgeGraph
    """The graph after augmentation."""
    vocab: Vocab
    in_distribution: Bool[np.ndarray, " n_facts"]
    """Facts that may occur inside trained inferred facts."""
    splits: dict[str, Queries]
    trained: tuple[str, ...]
    """Names of the splits that are trained on."""
    report: dict[str, Any]
    """Counts, notes on small splits, what augmentation did: JSON values only."""

    def __repr__(self) -> str:
        sizes = ", ".join(f"{name} {len(queries):,}" for name, queries in self.splits.items())
        return f"Corpus({self.task} on {self.graph!r}: {sizes})"

    def queries(self, split: str) -> Queries:
        """The queries of a split, by name."""
        if split not in self.splits:
            raise unknown_name("split", split, self.splits)
        return self.splits[split]

    @property
    def text(self) -> bool:
        """Whether names of its questions are several tokens, or stand in sentences."""
        return any(queries.ragged for queries in self.splits.values())

    @property
    def n_ctx(self) -> int:
        """Number of positions of the longest question."""
        return max(queries.token_ids.shape[1] for queries in self.splits.values())

    def training_set(self) -> TrainingSet:
        """All trained splits as one table, in the order of `trained`."""
        import torch

        parts = [_predicted(self.splits[name]) for name in self.trained]
        width = max(tokens.shape[1] for tokens, _, _ in parts)
        tokens = [np.pad(ids, ((0, 0), (0, width - ids.shape[1]))) for ids, _, _ in parts]
        lengths = torch.tensor([len(part[0]) for part in parts])
        return TrainingSet(
            tokens=_tensor(np.concatenate(tokens)),
            predict_at=_tensor(np.concatenate([at for _, at, _ in parts])),
            answer=_tensor(np.concatenate([answer for _, _, answer in parts])),
            split_index=torch.arange(len(parts)).repeat_interleave(lengths),
        )


def _predicted(
    asked: Queries,
) -> tuple[Int[np.ndarray, "m pos"], Int[np.ndarray, " m"], Int[np.ndarray, " m"]]:
    """Prompts, where each ends, and the token that is predicted there: every token of the answers.

    Prompts of later tokens have the earlier ones behind the question.
    """
    if asked.names is None:
        return asked.token_ids, asked.lengths - 1, asked.answer_tokens
    closed = [asked.names.closed(answer) for answer in asked.answer_ids.tolist()]
    counts = np.array([len(tokens) for tokens in closed], np.int64)
    row = np.repeat(np.arange(len(asked)), counts)
    within = np.arange(len(row)) - (np.cumsum(counts) - counts)[row]
    flat = np.array([token for tokens in closed for token in tokens], np.int64)
    more = int(counts.max(initial=1)) - 1
    tokens, end = np.pad(asked.token_ids[row], ((0, 0), (0, more))), asked.lengths[row]
    for step in range(more):
        later = np.flatnonzero(within > step)
        tokens[later, end[later] + step] = flat[later - within[later] + step]
    return tokens, end - 1 + within, flat


def _tensor(ids: Int[np.ndarray, "*axes"]) -> Int[torch.Tensor, "*axes"]:
    import torch

    return torch.from_numpy(ids.astype(np.int64))
