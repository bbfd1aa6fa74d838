"""How many distinct bridges, relation pairs and answers the questions of a split really cover.

phi counts compositions but says nothing about their variety: a handful of bridges can supply them
all, and accuracy then measures those. The effective number of bridges is exp(entropy) of their
shares in the questions (the Hill number of order 1; Jost, "Entropy and diversity", Oikos 2006): n
for n bridges of equal share, near 1 where one carries nearly all.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Int

from circuits.corpus.corpus import Corpus
from circuits.corpus.names import TEST_QUESTIONS, TRAIN, TRAINED_QUESTIONS
from circuits.corpus.queries import Queries

FEW = 10
"""A split with a smaller effective number of bridges gets a warning."""
LEAST_QUESTIONS = 50
"""Smaller splits have few bridges anyway."""


def effective_number(values: Int[np.ndarray, " n"]) -> tuple[int, float]:
    """(count, effective number) of the distinct values.

    >>> effective_number(np.array([1, 1, 2, 2]))
    (2, 2.0)
    >>> count, effective = effective_number(np.array([7] * 99 + [8]))
    >>> count, round(effective, 2)
    (2, 1.06)
    """
    return _of_counts(np.unique(values, return_counts=True)[1])


def _of_counts(counts: Int[np.ndarray, " k"]) -> tuple[int, float]:
    share = counts[counts > 0] / max(int(counts.sum()), 1)
    return len(share), float(np.exp(-(share * np.log(share)).sum())) if len(share) else 0.0


def diversity(corpus: Corpus) -> dict[str, dict[str, Any]]:
    """Per question split: how widely its questions are spread, as JSON values.

    For "bridges", "pairs" (the last bridge with the last relation) and "answers" a table with
    "count" and "effective"; "half": how many bridges make up half of the questions;
    "second_hop_seen": questions whose last hop is the last hop of a trained question too.
    Comparisons have only "answers".
    """
    names = [n for n in (*TRAINED_QUESTIONS, *TEST_QUESTIONS) if n in corpus.splits]
    trained = corpus.splits[TRAIN]
    known = np.unique(last_hops(trained)) if trained.kind == "composition" else None
    return {name: _of_split(corpus.splits[name], known) for name in names}


def few_bridges(found: dict[str, dict[str, Any]]) -> list[str]:
    """A warning for each split that is dominated by a few bridges."""
    return [
        f"half of {split} is about {row['half']:,} of its {row['bridges']['count']:,} bridges "
        f"(effective number {row['bridges']['effective']:.1f}): accuracy on it says little of "
        "others; read the macro average over bridges beside it."
        for split, row in found.items()
        if row["questions"] >= LEAST_QUESTIONS
        and "bridges" in row
        and row["bridges"]["effective"] < FEW
    ]


def last_hops(queries: Queries) -> Int[np.ndarray, " n"]:
    """One integer per composition for its last bridge and its last relation."""
    bridge, relation = queries.bridge_ids[:, -1].astype(np.int64), queries.asked_ids[:, -1]
    return bridge * len(queries.vocab) + relation


def _of_split(queries: Queries, trained_hops: Int[np.ndarray, " k"] | None) -> dict[str, Any]:
    answers = np.bincount(queries.answer_ids)
    row: dict[str, Any] = {"questions": len(queries), "answers": _numbers(answers)}
    if trained_hops is None:
        return row
    bridges, hops = np.bincount(queries.bridge_ids[:, 0]), last_hops(queries)
    often = np.cumsum(np.sort(bridges)[::-1])
    pairs, times = np.unique(hops, return_counts=True)
    return row | {
        "bridges": _numbers(bridges),
        "pairs": _numbers(times),
        "half": int((often < len(queries) / 2).sum()) + bool(len(queries)),
        "second_hop_seen": int(times[np.isin(pairs, trained_hops)].sum()),
    }


def _numbers(counts: Int[np.ndarray, " k"]) -> dict[str, float]:
    count, effective = _of_counts(counts)
    return {"count": count, "effective": round(effective, 2)}
