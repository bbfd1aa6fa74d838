"""A question that was asked, whether or not it is in the corpus."""

from __future__ import annotations

from dataclasses import dataclass

from circuits.corpus.role_names import MARKED, name_columns


@dataclass(frozen=True)
class Asked:
    """A question as tokens, with its true values (None: not in the graph)."""

    tokens: tuple[int, ...]
    values: tuple[int | None, ...]
    """What has to be looked up: the bridge; of a comparison both entities' values."""
    answer: int | None

    @property
    def places(self) -> tuple[int, ...]:
        """Position at which each value is looked for: that of the name that completes its fact."""
        marked = len(self.tokens) == len(MARKED)
        names = name_columns("comparison", len(MARKED)) if marked else range(len(self.tokens))
        return tuple(names[i + 1] for i in range(len(self.values)))
