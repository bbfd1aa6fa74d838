"""Answers to a composition from a single fact, or from the same question in other words.

1. Two relations are duplicates if they share at least half of the smaller one's facts
   (`graph.overlaps`).
2. A *rule* answers with the subject itself, with the only object of a fact (h, r), or with the only
   subject of a fact (x, r, h). For every (r1, r2) the rule is chosen that is right most often among
   the trained questions: a join of their (subject, answer) with the facts that connect the two.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Int

from circuits.corpus.queries import Queries
from circuits.graph.knowledge_graph import KnowledgeGraph
from circuits.graph.overlaps import LEAST_SHARE, shared_facts

NOTHING = -1
"""The answer where a rule has none."""


class RelationRules:
    """Answerers for compositions that look up a graph's facts, fitted on trained questions."""

    def __init__(self, graph: KnowledgeGraph, trained: Queries) -> None:
        self._trained = trained
        self._first = trained.vocab.first_relation
        self._n_relations, self._n_entities = len(graph.relations), len(graph.entities)
        self._stands_for = _groups_of_duplicates(graph)
        self._hops = _one_hop_facts(graph)
        self._rules = self._fitted()

    def same_fact(self, asked: Queries) -> Int[np.ndarray, " n"]:
        """The answer to another trained question that is the same up to duplicate relations."""
        words, known = self._in_one_word(asked), self._in_one_word(self._trained)
        itself, others = self._exact(asked), self._exact(self._trained)
        answer = np.full(len(asked), NOTHING)
        order = np.argsort(known, kind="stable")
        first = np.searchsorted(known[order], words, side="left")
        last = np.searchsorted(known[order], words, side="right") - 1
        for place in (first, last):  # if one of them is the question itself, the other may not be
            row = order[np.clip(place, 0, len(order) - 1)]
            found = (known[row] == words) & (others[row] != itself)
            answer[found] = self._trained.answer_ids[row[found]]
        return answer

    def one_fact(self, asked: Queries) -> Int[np.ndarray, " n"]:
        """The answer of the best rule for the question's relations."""
        relations, rules = self._rules
        key = self._key(asked)
        place = np.minimum(np.searchsorted(relations, key), len(relations) - 1)
        rule = np.where(relations[place] == key, rules[place], 0)
        subject = asked.asked_ids[:, 0].astype(np.int64)
        given, rule_of, answer = self._hops
        known = given * (2 * self._n_relations + 1) + rule_of
        order = np.argsort(known)
        wanted = subject * (2 * self._n_relations + 1) + rule
        place = np.minimum(np.searchsorted(known[order], wanted), max(len(order) - 1, 0))
        hop = order[place]
        found = np.where(known[hop] == wanted, answer[hop], NOTHING)
        return np.where(rule == 0, subject, found)

    def _fitted(self) -> tuple[Int[np.ndarray, " k"], Int[np.ndarray, " k"]]:
        """(relations of a question as a key, rule that is right most often for them)."""
        relations, group = np.unique(self._key(self._trained), return_inverse=True)
        given, rule, answer = self._hops
        pair = given * self._n_entities + answer
        order = np.argsort(pair, kind="stable")
        subject = self._trained.asked_ids[:, 0].astype(np.int64)
        asked = subject * self._n_entities + self._trained.answer_ids
        low = np.searchsorted(pair[order], asked, side="left")
        width = np.searchsorted(pair[order], asked, side="right") - low
        row = np.repeat(np.arange(len(asked)), width)
        within = np.arange(len(row)) - np.repeat(np.cumsum(width) - width, width)
        copies = np.flatnonzero(subject == self._trained.answer_ids)
        right = np.concatenate([group[row], group[copies]]) * (2 * self._n_relations + 1)
        right += np.concatenate([rule[order[low[row] + within]], np.zeros_like(copies)])
        key, count = np.unique(right, return_counts=True)
        best = np.zeros(len(relations), np.int64)
        # Ascending counts, so that the last one written is the rule that is right most often.
        rising = np.lexsort((-key, count))
        best[key[rising] // (2 * self._n_relations + 1)] = key[rising] % (2 * self._n_relations + 1)
        return relations, best

    def _relations(self, queries: Queries) -> Int[np.ndarray, "n hops"]:
        return queries.asked_ids[:, 1:].astype(np.int64) - self._first

    def _key(self, queries: Queries) -> Int[np.ndarray, " n"]:
        """A number for the relations of each question."""
        key = np.zeros(len(queries), np.int64)
        for relation in self._relations(queries).T:
            key = key * self._n_relations + relation
        return key

    def _exact(self, queries: Queries) -> Int[np.ndarray, " n"]:
        """A number for each question."""
        size = self._n_relations ** (queries.asked_ids.shape[1] - 1)
        return queries.asked_ids[:, 0].astype(np.int64) * size + self._key(queries)

    def _in_one_word(self, queries: Queries) -> Int[np.ndarray, " n"]:
        """A number for each question, the same for those that differ by duplicates only."""
        word = queries.asked_ids[:, 0].astype(np.int64)
        for relation in self._relations(queries).T:
            word = word * self._n_relations + self._stands_for[relation]
        return word


def _groups_of_duplicates(graph: KnowledgeGraph) -> Int[np.ndarray, " relation"]:
    """The group of each relation; one without a duplicate is alone in its own.

    By hand, since scipy takes a fifth of a second to import, before the dashboard's first picture.
    """
    one, other, facts = shared_facts(graph)[0]
    size = np.bincount(graph.facts[:, 1], minlength=len(graph.relations))
    twins = facts >= LEAST_SHARE * np.minimum(size[one], size[other])
    group = np.arange(len(graph.relations))
    while True:
        lowest = group.copy()
        np.minimum.at(lowest, one[twins], group[other[twins]])
        if (lowest == group).all():
            return group
        group = lowest


def _one_hop_facts(
    graph: KnowledgeGraph,
) -> tuple[Int[np.ndarray, " n"], Int[np.ndarray, " n"], Int[np.ndarray, " n"]]:
    """(entity, rule, answer): rule 1 + r leads along r, rule 1 + R + r back along it.

    Only where the answer is unique.
    """
    n_relations = len(graph.relations)
    onward = graph.askable.facts.astype(np.int64)
    facts = graph.facts.astype(np.int64)
    into = facts[:, 2] * n_relations + facts[:, 1]
    _, place, count = np.unique(into, return_inverse=True, return_counts=True)
    back = facts[count[place] == 1]
    return (
        np.concatenate([onward[:, 0], back[:, 2]]),
        np.concatenate([1 + onward[:, 1], 1 + n_relations + back[:, 1]]),
        np.concatenate([onward[:, 2], back[:, 0]]),
    )
