"""Proof that a corpus leaks nothing, derived from tokens and facts when it is built.

Independent of how the splits were drawn: answers are found by looking facts up in the graph,
hop by hop, and questions are compared as token sequences.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Int

from circuits.corpus.corpus import Corpus
from circuits.corpus.names import TEST_QUESTIONS, TRAIN, TRAINED_QUESTIONS
from circuits.corpus.queries import Queries


class LeakageError(AssertionError):
    """A defect of Hopscope: two splits share a question, or an answer does not follow."""


def assert_no_leakage(corpus: Corpus) -> None:
    """Check every composition and comparison split of a corpus.

    1. Splits share no question; for comparisons, (a, x, y) and (a, y, x) are one question.
    2. Every trained inferred fact follows from ID facts alone, every injected one from all facts.
    3. Every test question has exactly one answer in the graph.

    Raises:
        LeakageError: naming the split and the first offending query.
    """
    facts, id_facts = corpus.graph.facts, corpus.graph.facts[corpus.in_distribution]
    names = [n for n in (*TRAINED_QUESTIONS, *TEST_QUESTIONS) if n in corpus.splits]
    _check_disjoint(corpus, names)
    for name in names:
        _check_answers(corpus, name, id_facts if name == TRAIN else facts)


def follow(
    facts: Int[np.ndarray, "n_facts 3"],
    subject: Int[np.ndarray, " n"],
    relation: Int[np.ndarray, " n"],
) -> tuple[Int[np.ndarray, " m"], Int[np.ndarray, " m"]]:
    """All objects of each (subject, relation): (index into the n, object), by index."""
    table = facts.astype(np.int64)
    base = int(max(table[:, 1].max(initial=0), relation.max(initial=0))) + 1
    key = table[:, 0] * base + table[:, 1]
    order = np.argsort(key, kind="stable")
    wanted = subject.astype(np.int64) * base + relation
    low = np.searchsorted(key[order], wanted, side="left")
    width = np.searchsorted(key[order], wanted, side="right") - low
    row = np.repeat(np.arange(len(wanted)), width)
    within = np.arange(len(row)) - np.repeat(np.cumsum(width) - width, width)
    return row, table[order[low[row] + within], 2]


def _check_disjoint(corpus: Corpus, names: list[str]) -> None:
    tables = [_questions(corpus.splits[name]) for name in names]
    if not tables:
        return
    _, question = np.unique(np.concatenate(tables), axis=0, return_inverse=True)
    split = np.repeat(np.arange(len(names)), [len(t) for t in tables])
    # A comparison's mirror image is the same question and may be in the same split.
    pairs = np.unique(np.column_stack([question.reshape(-1), split]), axis=0)
    again = np.flatnonzero(np.diff(pairs[:, 0]) == 0)
    if len(again):
        first, second = pairs[again[0], 1], pairs[again[0] + 1, 1]
        raise LeakageError(f"{names[first]} and {names[second]} share a question")


def _questions(queries: Queries) -> Int[np.ndarray, "n pos"]:
    """Token rows by which two queries count as the same question."""
    if queries.kind != "comparison":
        return queries.asked_ids
    attribute, *entities = queries.named_ids.T
    return np.column_stack([attribute, np.sort(np.column_stack(entities), axis=1)])


def _check_answers(corpus: Corpus, name: str, facts: Int[np.ndarray, "n_facts 3"]) -> None:
    queries = corpus.splits[name]
    check = _comparison_holds if queries.kind == "comparison" else _composition_holds
    wrong = np.flatnonzero(~check(queries, facts))
    if len(wrong):
        query = queries[int(wrong[0])]
        raise LeakageError(f"{name}: {query.text} does not follow uniquely from the facts allowed")


def _composition_holds(
    queries: Queries, facts: Int[np.ndarray, "n_facts 3"]
) -> Bool[np.ndarray, " n"]:
    index, here = np.arange(len(queries)), queries.asked_ids[:, 0]
    relations = queries.asked_ids[:, 1:] - queries.vocab.first_relation
    holds = np.ones(len(queries), bool)
    stops = np.column_stack([queries.bridge_ids, queries.answer_ids])
    for hop in range(relations.shape[1]):
        row, here = follow(facts, here, relations[index, hop])
        index = index[row]
        holds &= np.bincount(index, minlength=len(queries)) == 1
        holds[index[here != stops[index, hop]]] = False
    return holds


def _comparison_holds(
    queries: Queries, facts: Int[np.ndarray, "n_facts 3"]
) -> Bool[np.ndarray, " n"]:
    names = queries.named_ids
    relation = names[:, 0] - queries.vocab.first_relation
    holds = np.ones(len(queries), bool)
    for column in (0, 1):
        index, value = follow(facts, names[:, 1 + column], relation)
        holds &= np.bincount(index, minlength=len(queries)) == 1
        holds[index[value != queries.bridge_ids[index, column]]] = False
    return holds
