"""What is recovered of a series' data: our corpus, and how its tokenizer writes each name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool

from circuits.corpus.corpus import Corpus
from circuits.corpus.diversity import diversity, few_bridges
from circuits.corpus.names import TRAIN
from circuits.corpus.queries import Queries
from circuits.corpus.vocab import Vocab
from circuits.graph.knowledge_graph import KnowledgeGraph
from circuits.recipes.schema import Task


@dataclass(frozen=True, eq=False)
class Recovered:
    """Questions and facts of a series, before the rows of the model's vocabulary are known."""

    corpus: Corpus
    texts: tuple[str, ...]
    """How the series' tokenizer writes each token of `corpus.vocab`, in its order."""
    n_ctx: int
    """Positions that the longest question takes."""


def recovered(
    task: Task,
    graph: KnowledgeGraph,
    vocab: Vocab,
    texts: Sequence[str],
    splits: dict[str, Queries],
    trained: tuple[str, ...],
    in_distribution: Bool[np.ndarray, " n_facts"],
    notes: Sequence[str],
) -> Recovered:
    """Put the parts together, with the report that corpora of ours have."""
    n_id = int(in_distribution.sum())
    report: dict[str, Any] = {
        "task": task,
        "counts": {"facts_id": n_id, "facts_ood": len(graph) - n_id},
        "splits": {name: len(queries) for name, queries in splits.items()},
        "phi_trained": len(splits[TRAIN]) / max(n_id, 1),
        "notes": list(notes),
    }
    corpus = Corpus(task, graph, vocab, in_distribution, splits, trained, report)
    if len(splits[TRAIN]):
        report["diversity"] = found = diversity(corpus)
        report["notes"] += few_bridges(found)
    return Recovered(corpus, tuple(texts), corpus.n_ctx)
