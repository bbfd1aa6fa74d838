"""How questions and names are put into a model's tokens where a name may be several of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from jaxtyping import Int

from circuits.errors import HopscopeError

NO_TOKEN = -1
"""Fills up the rows of shorter names."""


class Wording(Protocol):
    """Turns questions that are given by names into token ids: templates and a tokenizer."""

    def render(
        self, kind: str, asked_ids: Int[np.ndarray, "n names"], templates: Int[np.ndarray, " n"]
    ) -> tuple[Int[np.ndarray, "n pos"], Int[np.ndarray, "n roles 2"]]:
        """Right-padded token ids of questions, and the span of each role.

        Args:
            kind: Kind of the questions, e.g. "composition".
            asked_ids: Ids of the vocabulary's names, as in `Queries.asked_ids`.
            templates: Which of the kind's templates each question has.
        """

    def decode(self, tokens: tuple[int, ...]) -> str:
        """The text of token ids, without padding."""


@dataclass(frozen=True, eq=False)
class NameTokens:
    """The tokens of every name of a vocabulary, as they stand in an answer.

    >>> names = NameTokens(np.array([[7, NO_TOKEN], [7, 9]]))
    >>> names.tokens(1), names.first.tolist(), names.lengths.tolist()
    ((7, 9), [7, 7], [1, 2])
    """

    token_ids: Int[np.ndarray, "name longest"]
    """Row i has the tokens of the vocabulary's name i, then `NO_TOKEN`; a name that is never an
    answer may have none."""
    end: int | None = None
    """The token that closes an answer; None: nothing does."""

    def __post_init__(self) -> None:
        ids = self.token_ids
        if ids.ndim != 2 or not ids.shape[1] or ((ids[:, :-1] < 0) & (ids[:, 1:] >= 0)).any():
            raise HopscopeError(
                "the tokens of names are a table [name, longest], each row its tokens and then "
                f"{NO_TOKEN}."
            )

    def __len__(self) -> int:
        return len(self.token_ids)

    def tokens(self, name: int) -> tuple[int, ...]:
        """All tokens of one name."""
        row = self.token_ids[name]
        return tuple(row[row >= 0].tolist())

    def closed(self, name: int) -> tuple[int, ...]:
        """All tokens of a name as an answer, with the one that closes it.

        >>> NameTokens(np.array([[7, 9]]), end=1).closed(0)
        (7, 9, 1)
        """
        return self.tokens(name) + (() if self.end is None else (self.end,))

    @property
    def first(self) -> Int[np.ndarray, " name"]:
        """First token of each name; `NO_TOKEN` where it has none."""
        return self.token_ids[:, 0]

    @cached_property
    def lengths(self) -> Int[np.ndarray, " name"]:
        """Number of tokens of each name."""
        return (self.token_ids >= 0).sum(1)
