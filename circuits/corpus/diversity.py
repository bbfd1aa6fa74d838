"""How many things the questions of a split are really about.

phi says how many compositions there are, not how different they are: it can be reached through a
handful of bridges, and accuracy is then about those. The effective number of bridges is
exp(entropy) of their shares in the questions (the Hill number of order 1; Jost, "Entropy and
diversity", Oikos 2006): n for n bridges of equal share, near 1 where one carries nearly all.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Int

from circuits.corpus.corpus import Corpus
from circuits.corpus.queries import Queries
from circuits.corpus.split_names import TEST_QUESTIONS, TRAIN, TRAINED_QUESTIONS

FEW = 10
"""A warning is given where the effective number of bridges of a split is below it."""
LEAST_QUESTIONS = 50
"""Smaller splits have few bridges anyway."""


def effective_number(values: Int[np.ndarray, "n ..."]) -> tuple[int, float]:
    """(count, effective number) of the distinct values, or of the distinct rows of a table.

    >>> effective_number(np.array([1, 1, 2, 2]))
    (2, 2.0)
    >>> count, effective = effective_number(np.array([7] * 99 + [8]))
    >>> count, round(effective, 2)
    (2, 1.06)
    """
    if not len(values):
        return 0, 0.0
    share = np.unique(values, axis=0, return_counts=True)[1] / len(values)
    return len(share), float(np.exp(-(share * np.log(share)).sum()))


def diversity(corpus: Corpus) -> dict[str, dict[str, Any]]:
    """Per question split: what its questions are spread over, as JSON values.

    For "bridges", "pairs" (the last bridge with the last relation) and "answers" a table with
    "count" and "effective"; "half": how many bridges make up half of the questions;
    "second_hop_seen": questions whose last hop is the last hop of a trained question too.
    Comparisons have "answers" alone.
    """
    names = [n for n in (*TRAINED_QUESTIONS, *TEST_QUESTIONS) if n in corpus.splits]
    trained = corpus.splits[TRAIN]
    return {name: _of_split(corpus.splits[name], trained) for name in names}


def few_bridges(found: dict[str, dict[str, Any]]) -> list[str]:
    """A warning for each split that a few bridges carry."""
    return [
        f"half of {split} is about {row['half']:,} of its {row['bridges']['count']:,} bridges "
        f"(effective number {row['bridges']['effective']:.1f}): accuracy on it says little of "
        "others; read the macro average over bridges beside it."
        for split, row in found.items()
        if row["questions"] >= LEAST_QUESTIONS
        and "bridges" in row
        and row["bridges"]["effective"] < FEW
    ]


def last_hops(queries: Queries) -> Int[np.ndarray, "n 2"]:
    """(last bridge, last relation) of each composition, as token ids."""
    return np.column_stack([queries.bridge_ids[:, -1], queries.token_ids[:, -1]])


def second_hop_seen(queries: Queries, trained: Queries) -> np.ndarray:
    """Mask of the questions whose last hop is the last hop of a trained question."""
    size = len(queries.vocab)
    asked, known = (
        rows[:, 0].astype(np.int64) * size + rows[:, 1]
        for rows in map(last_hops, (queries, trained))
    )
    return np.isin(asked, known)


def _of_split(queries: Queries, trained: Queries) -> dict[str, Any]:
    row: dict[str, Any] = {"questions": len(queries), "answers": _numbers(queries.answer_ids)}
    if queries.kind != "composition":
        return row
    bridges = queries.bridge_ids[:, 0]
    often = np.sort(np.bincount(bridges))[::-1] if len(bridges) else np.empty(0, np.int64)
    size = len(queries.vocab)
    pair = last_hops(queries).astype(np.int64)
    return row | {
        "bridges": _numbers(bridges),
        "pairs": _numbers(pair[:, 0] * size + pair[:, 1]),
        "half": int((np.cumsum(often) < len(bridges) / 2).sum()) + bool(len(bridges)),
        "second_hop_seen": int(second_hop_seen(queries, trained).sum()),
    }


def _numbers(values: Int[np.ndarray, " n"]) -> dict[str, float]:
    count, effective = effective_number(values)
    return {"count": count, "effective": round(effective, 2)}
