"""Corrupted comparison questions whose true label differs from the original one's."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor

from analyses.questions.corruptions import FactTable
from analyses.questions.examples import Examples
from circuits.corpus.comparison import SAME_LABELS, value_ranks
from circuits.corpus.corpus import Corpus
from circuits.corpus.role_names import name_columns
from circuits.errors import HopscopeError


@dataclass(frozen=True, eq=False)
class Values:
    """Values of the compared attributes, by graph index."""

    table: Int[np.ndarray, "entity relation"]
    """Value of every entity and attribute, negative where it has not exactly one."""
    known: Bool[np.ndarray, "entity relation"]
    """ID facts."""
    attributes: Int[np.ndarray, " a"]
    neighbours: dict[int, dict[int, list[int]]]
    """By attribute and value: the values that a replaced entity may have if v1 = v2."""

    def entities_with(self, attribute: int, values: list[int]) -> Int[np.ndarray, " k"]:
        """ID entities whose value is one of these."""
        column = np.isin(self.table[:, attribute], values) & self.known[:, attribute]
        return np.flatnonzero(column)


def corruptions(
    examples: Examples, k: int, seed: int
) -> tuple[Int[Tensor, "name k n pos"], Bool[np.ndarray, "name k n"]]:
    """k corrupted questions per example and name in it, and which of them exist.

    With fewer than k candidates, some repeat; with none, the original question stays in place and
    is not valid.
    """
    queries = examples.queries
    if queries.kind != "comparison":
        raise HopscopeError(
            f"the questions of {examples.split!r} are of kind {queries.kind!r}; this analysis is "
            "for the comparison task. Use a question split of a comparison run."
        )
    values, first = _values(examples.corpus), queries.vocab.first_relation
    columns = name_columns(queries.kind, queries.asked_ids.shape[1])
    tokens = np.tile(queries.asked_ids.astype(np.int64), (len(columns), k, 1, 1))
    valid = np.zeros((len(columns), k, len(queries)), bool)
    for i, row in enumerate(queries.named_ids.tolist()):
        rng = np.random.default_rng([seed, *row])
        for p, candidates in enumerate(_candidates(values, row[0] - first, row[1], row[2])):
            if len(candidates):
                drawn = rng.choice(candidates, k, replace=len(candidates) < k)
                tokens[p, :, i, columns[p]] = drawn + (first if p == 0 else 0)
                valid[p, :, i] = True
    return torch.from_numpy(tokens), valid


def other_first_entities(
    examples: Examples, seed: int
) -> tuple[Int[np.ndarray, "n pos"], Bool[np.ndarray, " n"]]:
    """A placebo for each comparison: the same attribute and entity 2 beside another entity 1.

    Its value of the attribute, from an ID fact, is another one, so that whatever a state at
    entity_2 holds of entity 1 is replaced. The draw is uniform and depends on seed and question.

    Returns:
        Token ids, the question's own where there is no such entity, and which questions have one.
    """
    queries, values = examples.queries, _values(examples.corpus)
    column = name_columns(queries.kind, queries.asked_ids.shape[1])[1]
    tokens = queries.asked_ids.astype(np.int64)
    valid = np.zeros(len(queries), bool)
    for i, (attribute, entity_1, entity_2) in enumerate(queries.named_ids.tolist()):
        value = values.table[:, attribute - queries.vocab.first_relation]
        known = values.known[:, attribute - queries.vocab.first_relation]
        others = np.flatnonzero(known & (value >= 0) & (value != value[entity_1]))
        others = others[others != entity_2]
        if len(others):
            rng = np.random.default_rng([seed, 6, attribute, entity_1, entity_2])
            tokens[i, column] = rng.choice(others)
            valid[i] = True
    return tokens, valid


def _candidates(
    values: Values, attribute: int, entity_1: int, entity_2: int
) -> list[Int[np.ndarray, " k"]]:
    """Replacements at each position, as graph indices; never the other entity of the question."""
    table = values.table
    v1, v2 = int(table[entity_1, attribute]), int(table[entity_2, attribute])
    others = values.attributes[values.attributes != attribute]
    has_both = (table[[entity_1, entity_2]][:, others] >= 0).all(0)
    others = others[has_both]
    if not values.neighbours:  # yes and no are shared by all attributes: the label must differ
        agree = table[entity_1, others] == table[entity_2, others]
        others = others[agree != (v1 == v2)]
    if v1 != v2:
        like_2, like_1 = (values.entities_with(attribute, [v]) for v in (v2, v1))
        return [others, like_2[like_2 != entity_2], like_1[like_1 != entity_1]]
    if values.neighbours:
        changed = values.entities_with(attribute, values.neighbours[attribute][v1])
    else:
        column = table[:, attribute]
        changed = np.flatnonzero((column >= 0) & (column != v1) & values.known[:, attribute])
    return [others, changed, changed]


@lru_cache(maxsize=4)
def _values(corpus: Corpus) -> Values:
    graph = corpus.graph
    table = FactTable.of(graph).object
    known = np.zeros(table.shape, bool)
    subject, relation, _ = graph.facts[corpus.in_distribution].T
    known[subject, relation] = True
    asked = corpus.queries("train_inferred").asked_ids[:, 0]
    attributes = np.unique(asked).astype(np.int64) - corpus.vocab.first_relation
    neighbours: dict[int, dict[int, list[int]]] = {}
    if SAME_LABELS[0] not in corpus.vocab.specials:
        rank = value_ranks(graph, attributes)
        for attribute in attributes.tolist():
            present = np.unique(table[:, attribute])
            present = present[present >= 0]
            ordered = present[np.argsort(rank[present], kind="stable")].tolist()
            neighbours[attribute] = {
                value: ordered[max(0, i - 1) : i] + ordered[i + 1 : i + 2]
                for i, value in enumerate(ordered)
            }
    return Values(table, known, attributes, neighbours)
