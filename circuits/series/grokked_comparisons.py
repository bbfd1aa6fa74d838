"""Comparisons of the *Grokked* data: (attribute, entity 1, entity 2) -> label, with its two facts.

A question has five tokens there: attribute, `<q>`, entity 1, `<mask>`, entity 2. The labels of an
attribute are found from the trained questions: which label goes with which order of the values.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Int

from circuits.corpus.comparison import ORDERS, value_ranks
from circuits.corpus.queries import Queries
from circuits.corpus.vocab import Vocab
from circuits.errors import HopscopeError
from circuits.graph.knowledge_graph import KnowledgeGraph
from circuits.series.grokked_files import MASK, QUERY_MARK, Item


class Comparisons:
    """Comparisons as pairs of rows of facts."""

    task = "comparison"

    def __init__(
        self, graph: KnowledgeGraph, row: Mapping[tuple[str, str], int], items: list[Item]
    ) -> None:
        self.graph, self._row = graph, row
        items = [item for item in items if item.is_comparison]
        asked = sorted({item.tokens[0] for item in items})
        self._rank = value_ranks(graph, np.array([graph.relation(name) for name in asked]))
        self._labels: dict[tuple[str, int], str] = {}
        """Label by attribute and order of the values, -1, 0 or 1."""
        for item in items:
            if pair := self._pair(item):
                key = (item.tokens[0], self._order(pair))
                if self._labels.setdefault(key, item.tokens[5]) != item.tokens[5]:
                    raise HopscopeError(
                        f"{item.where} has the label <{item.tokens[5]}>, but elsewhere "
                        f"<{self._labels[key]}> stands for the same order of values."
                    )
        if len(set(self._labels.values())) < len(self._labels):
            raise HopscopeError(
                f"{items[0].path}: several attributes or orders share a label; each needs its own."
            )

    def _pair(self, item: Item) -> list[int] | None:
        attribute, _, first, _, second, _ = item.tokens
        pair = [self._row.get((entity, attribute), -1) for entity in (first, second)]
        return None if -1 in pair else pair

    def _order(self, pair: list[int]) -> int:
        first, second = self._rank[self.graph.facts[pair, 2]]
        return int(np.sign(first - second))

    def rows(self, item: Item) -> list[int] | None:
        """The facts of both entities, None if one is missing."""
        return self._pair(item)

    @property
    def specials(self) -> dict[str, str]:
        """Our name and theirs of each label and mark."""
        labels = {
            f"{attribute} {ORDERS[order + 1]}": label
            for (attribute, order), label in sorted(self._labels.items())
        }
        return {QUERY_MARK: QUERY_MARK, MASK: MASK} | labels

    def queries(self, vocab: Vocab, rows: Int[np.ndarray, "n 2"]) -> Queries:
        """The questions about these pairs of facts, with both marks."""
        facts = self.graph.facts
        values, attribute = facts[rows, 2], facts[rows[:, 0], 1]
        orders = np.sign(self._rank[values[:, 0]] - self._rank[values[:, 1]]).astype(int)
        token = {key: vocab.special(f"{key[0]} {ORDERS[key[1] + 1]}") for key in self._labels}
        answers = [
            token[self.graph.relations[a], order]
            for a, order in zip(attribute.tolist(), orders.tolist(), strict=True)
        ]
        query, mask = (np.full(len(rows), vocab.special(m)) for m in (QUERY_MARK, MASK))
        columns = (
            attribute + vocab.first_relation,
            query,
            facts[rows[:, 0], 0],
            mask,
            facts[rows[:, 1], 0],
        )
        return Queries(
            kind="comparison",
            vocab=vocab,
            token_ids=np.column_stack(columns).astype(np.int32),
            bridge_ids=values,
            answer_ids=np.array(answers, np.int32),
        )
