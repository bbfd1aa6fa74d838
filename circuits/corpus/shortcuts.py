"""Accuracy of answerers that do not compose: the lines every accuracy is shown beside.

Each shortcut looks at part of the question and gives the answer most frequent for that part among
the trained inferred facts (the smallest token id if several are); for a part it has not seen it
gives the most frequent answer of all. Real graphs have strong shortcuts: see "same as (h, r2)".
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Int

from circuits.corpus.queries import Queries

COMPOSITION_SHORTCUTS: dict[str, tuple[int, ...]] = {
    "h_r2": (0, -1),
    "r1_r2": (1, -1),
    "majority": (),
}
"""Token positions each shortcut sees; -1 is the last."""

COMPARISON_SHORTCUTS: dict[str, tuple[int, ...]] = {
    "attribute_entity_1": (0, 1),
    "attribute": (0,),
    "majority": (),
}


def shortcut_accuracies(trained: Queries, tests: dict[str, Queries]) -> dict[str, dict[str, float]]:
    """Accuracy of every shortcut on every test split; empty splits are left out."""
    sees = COMPARISON_SHORTCUTS if trained.kind == "comparison" else COMPOSITION_SHORTCUTS
    return {
        split: {
            name: float((_answers(trained, queries, seen) == queries.answer_ids).mean())
            for name, seen in sees.items()
        }
        for split, queries in tests.items()
        if len(queries)
    }


def _answers(trained: Queries, asked: Queries, seen: tuple[int, ...]) -> Int[np.ndarray, " n"]:
    """What the shortcut that sees these positions answers to each query."""
    n_answers = len(trained.vocab)
    parts = np.concatenate([_part(trained, seen), _part(asked, seen)])
    part = np.unique(parts, return_inverse=True)[1]
    pair, count = np.unique(
        part[: len(trained)] * n_answers + trained.answer_ids, return_counts=True
    )
    best = np.full(part.max(initial=0) + 1, _most_frequent(trained.answer_ids))
    # Ascending counts, so that the last one written for a part is its most frequent answer.
    order = np.lexsort((-pair, count))
    best[pair[order] // n_answers] = pair[order] % n_answers
    return best[part[len(trained) :]]


def _part(queries: Queries, seen: tuple[int, ...]) -> Int[np.ndarray, " n"]:
    """What the shortcut sees of each query, as one number."""
    part = np.zeros(len(queries), np.int64)
    for position in seen:
        part = part * len(queries.vocab) + queries.token_ids[:, position]
    return part


def _most_frequent(answers: Int[np.ndarray, " n"]) -> int:
    return int(np.bincount(answers).argmax()) if len(answers) else 0
