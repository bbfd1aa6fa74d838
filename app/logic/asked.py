"""A question that was asked, whether or not it is in the corpus."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from circuits.corpus.role_names import MARKED, name_columns


@dataclass(frozen=True)
class Asked:
    """A question as tokens, with its true values (None: not in the graph)."""

    tokens: tuple[int, ...]
    values: tuple[int | None, ...]
    """What has to be looked up: the bridge; of a comparison both entities' values."""
    answer: int | None

    def places(self, columns: Sequence[int]) -> tuple[int, ...]:
        """Role at which each value is looked for: the one that completes its fact.

        A fact has two names, the question's first one and another; a sentence may have them in any
        order.

        Args:
            columns: Column of each role.
        """
        marked = len(self.tokens) == len(MARKED)
        names = name_columns("comparison", len(MARKED)) if marked else range(len(self.tokens))
        facts = ((names[0], names[i + 1]) for i in range(len(self.values)))
        return tuple(max(fact, key=columns.__getitem__) for fact in facts)
