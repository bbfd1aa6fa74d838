"""The corpus: a graph, its splits as token queries, and what is trained.

`build_corpus` is the one way from a recipe to training data. It is a function of the recipe alone
(same recipe, same arrays) and proves that no split leaks into another before it returns.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Int

from circuits.corpus import storage
from circuits.corpus.augmentation import augment
from circuits.corpus.comparison import split_comparison
from circuits.corpus.composition import chains_of_names, split_composition
from circuits.corpus.leakage import TEST_QUESTIONS, assert_no_leakage
from circuits.corpus.queries import Queries
from circuits.corpus.shortcuts import shortcut_accuracies
from circuits.corpus.vocab import Vocab
from circuits.errors import unknown_name
from circuits.graph.knowledge_graph import KnowledgeGraph
from circuits.graph.sources import load_source
from circuits.graph.sources.two_wiki import two_wiki_questions
from circuits.recipes.schema import Recipe, Task

IDENTITY = "itself"
"""The special symbol of identity examples (entity, "itself") -> entity."""


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """Everything that is trained, as one table; row i of every tensor is example i."""

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
    """A graph divided into what is trained and what is tested."""

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
    def n_ctx(self) -> int:
        """Number of positions of the longest question."""
        return max(queries.token_ids.shape[1] for queries in self.splits.values())

    def training_set(self) -> TrainingSet:
        """All trained splits as one table, in the order of `trained`."""
        parts = [self.splits[name] for name in self.trained]
        width = max(part.token_ids.shape[1] for part in parts)
        pad = torch.nn.functional.pad
        lengths = torch.tensor([len(part) for part in parts])
        return TrainingSet(
            tokens=torch.cat([pad(p.tokens, (0, width - p.tokens.shape[1])) for p in parts]),
            predict_at=torch.tensor([p.token_ids.shape[1] - 1 for p in parts]).repeat_interleave(
                lengths
            ),
            answer=torch.cat([part.answer for part in parts]),
            split_index=torch.arange(len(parts)).repeat_interleave(lengths),
        )

    def baselines(self) -> dict[str, dict[str, float]]:
        """Accuracy per question split of answerers that do not compose (see `shortcuts`)."""
        tests = {n: self.splits[n] for n in ("train_inferred", *TEST_QUESTIONS) if n in self.splits}
        return shortcut_accuracies(self.splits["train_inferred"], tests)

    def save(self, folder: Path) -> None:
        """Write `corpus.safetensors` and `corpus.json` into a folder."""
        storage.save(self, folder)

    @classmethod
    def load(cls, folder: Path) -> Corpus:
        """Read what `save` wrote; `HopscopeError` if it is missing or damaged."""
        return cls(**storage.load(folder))


def build_corpus(recipe: Recipe, graph: KnowledgeGraph | None = None) -> Corpus:
    """Load the source, augment it, split it, and prove that nothing leaks.

    Args:
        recipe: Determines everything; `recipe.seed` all random choices.
        graph: Take this graph instead of loading `recipe.source`.
    """
    if graph is None:
        source = recipe.source
        graph = load_source(
            source.name,
            path=source.path,
            multi_valued=source.multi_valued,
            options=source.options,
        )
    graph, augmentation = augment(graph, recipe.augmentation, recipe.seed, splits=recipe.splits)
    build = _comparison if recipe.splits.task == "comparison" else _composition
    corpus = build(graph, recipe, augmentation.phi_trained)
    corpus.report["augmentation"] = augmentation.to_json()
    assert_no_leakage(corpus)
    return corpus


def _composition(graph: KnowledgeGraph, recipe: Recipe, phi: float | None) -> Corpus:
    section = recipe.splits
    partition = split_composition(graph, section, phi, recipe.seed, _questions(graph, recipe))
    vocab = Vocab(graph.entities, graph.relations, (IDENTITY,) if section.identity_examples else ())
    splits = {
        name: _chain_queries(graph, vocab, rows) for name, rows in partition.chains.items()
    } | _atomic_queries(graph, vocab, partition.in_distribution)
    trained = ["train_inferred"]
    if section.train_atomic:
        trained += ["atomic_id", "atomic_ood"]
    if "injected" in splits:
        trained.append("injected")
    if section.identity_examples:
        splits["identity"] = _identity_queries(vocab)
        trained.append("identity")
    return Corpus(
        task="composition",
        graph=graph,
        vocab=vocab,
        in_distribution=partition.in_distribution,
        splits=splits,
        trained=tuple(trained),
        report=_report("composition", partition.counts, partition.notes, splits),
    )


def _questions(graph: KnowledgeGraph, recipe: Recipe) -> Int[np.ndarray, "q 2"] | None:
    """Chains that the source's own questions ask for; None if it has no questions."""
    source = recipe.source
    if source.name != "two_wiki" or not recipe.splits.heldout_real_items or recipe.splits.hops != 2:
        return None
    questions = two_wiki_questions(source.path, source.options)
    return chains_of_names(graph, (chain for q in questions for chain in q.chains()))


def _comparison(graph: KnowledgeGraph, recipe: Recipe, phi: float | None) -> Corpus:
    divided = split_comparison(graph, recipe.splits, phi, recipe.seed)
    splits = divided.splits | _atomic_queries(graph, divided.vocab, divided.in_distribution)
    atomic = ("atomic_id", "atomic_ood") if recipe.splits.train_atomic else ()
    return Corpus(
        task="comparison",
        graph=graph,
        vocab=divided.vocab,
        in_distribution=divided.in_distribution,
        splits=splits,
        trained=("train_inferred", *atomic),
        report=_report("comparison", divided.counts, divided.notes, splits),
    )


def _report(
    task: Task, counts: dict[str, int], notes: list[str], splits: dict[str, Queries]
) -> dict[str, Any]:
    trained = len(splits["train_inferred"])
    return {
        "task": task,
        "counts": counts,
        "splits": {name: len(queries) for name, queries in splits.items()},
        "phi_trained": trained / max(counts["facts_id"], 1),
        "notes": notes,
    }


def _chain_queries(
    graph: KnowledgeGraph, vocab: Vocab, chains: Int[np.ndarray, "n hops"]
) -> Queries:
    facts, first = graph.facts, vocab.first_relation
    relations = facts[chains, 1] + np.int32(first)
    return Queries(
        kind="composition",
        vocab=vocab,
        token_ids=np.column_stack([facts[chains[:, 0], 0], relations]),
        bridge_ids=facts[chains[:, :-1], 2],
        answer_ids=facts[chains[:, -1], 2],
    )


def _atomic_queries(
    graph: KnowledgeGraph, vocab: Vocab, in_distribution: Bool[np.ndarray, " n_facts"]
) -> dict[str, Queries]:
    facts = graph.facts + np.array([0, vocab.first_relation, 0], graph.facts.dtype)
    return {
        name: Queries(
            kind="atomic",
            vocab=vocab,
            token_ids=facts[rows, :2],
            bridge_ids=np.empty((int(rows.sum()), 0), facts.dtype),
            answer_ids=facts[rows, 2],
        )
        for name, rows in (("atomic_id", in_distribution), ("atomic_ood", ~in_distribution))
    }


def _identity_queries(vocab: Vocab) -> Queries:
    entities = np.arange(len(vocab.entities), dtype=np.int32)
    return Queries(
        kind="identity",
        vocab=vocab,
        token_ids=np.column_stack([entities, np.full_like(entities, vocab.special(IDENTITY))]),
        bridge_ids=np.empty((len(entities), 0), np.int32),
        answer_ids=entities,
    )
