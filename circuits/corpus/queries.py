"""Queries: what the model is asked, as tokens and as text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal, overload

import numpy as np
from jaxtyping import Int

from circuits.corpus.vocab import Vocab
from circuits.errors import HopscopeError

if TYPE_CHECKING:  # imported when tensors are made: questions are also read without a model
    import torch

QueryKind = Literal["atomic", "composition", "comparison", "identity"]

POSITIONS: dict[QueryKind, tuple[str, ...]] = {
    "atomic": ("subject", "relation_1"),
    "identity": ("subject", "relation_1"),
    "composition": ("subject", "relation_1", "relation_2"),
    "comparison": ("attribute", "entity_1", "entity_2"),
}
"""Names of the token positions by kind; the prediction is read at the last one.

Three-hop compositions add "relation_3".
"""

MARKED = ("attribute", "query_mark", "entity_1", "mask", "entity_2")
"""Positions of comparisons as *Grokked Transformers* asks them, with two marks that are the same in
every question; only runs that were imported have them."""
MARKS = ("query_mark", "mask")


def position_names(kind: QueryKind, width: int) -> tuple[str, ...]:
    """Name of each of `width` token positions.

    >>> position_names("composition", 4)
    ('subject', 'relation_1', 'relation_2', 'relation_3')
    """
    if kind == "comparison" and width == len(MARKED):
        return MARKED
    base = POSITIONS[kind]
    return base + tuple(f"relation_{i}" for i in range(len(base), width))


def name_columns(kind: QueryKind, width: int) -> list[int]:
    """Positions that hold names: all but marks.

    >>> name_columns("comparison", 5)
    [0, 2, 4]
    """
    return [i for i, name in enumerate(position_names(kind, width)) if name not in MARKS]


@dataclass(frozen=True)
class Query:
    """One question with its answer. Token ids; `text` is for people.

    >>> from circuits import open_run
    >>> query = open_run("assets/demo").queries("id_test")[0]
    >>> query.question
    'Abuja · farthest city · next city east'
    """

    kind: QueryKind
    tokens: tuple[int, ...]
    bridges: tuple[int, ...]
    """Intermediate entities: the bridge of a composition, the two values compared."""
    answer: int
    vocab: Vocab

    def __repr__(self) -> str:
        return f"Query({self.text!r})"

    @property
    def bridge(self) -> int:
        """Token id of the (first) bridge entity."""
        if not self.bridges:
            raise HopscopeError(f"a query of kind {self.kind!r} has no bridge entity.")
        return self.bridges[0]

    @property
    def text(self) -> str:
        """E.g. "Lyon -country-> France -currency-> Euro", with every name as in the source."""
        name = self.vocab.name
        if self.kind == "comparison":
            columns = name_columns(self.kind, len(self.tokens))
            attribute, *entities = (name(self.tokens[i]) for i in columns)
            values = [f"{e} [{name(v)}]" for e, v in zip(entities, self.bridges, strict=False)]
            return f"{attribute}: {' ? '.join(values or entities)} -> {name(self.answer)}"
        subject, *relations = self.tokens
        stops = (subject, *self.bridges, self.answer)
        hops = (f" -{name(r)}-> {name(e)}" for r, e in zip(relations, stops[1:], strict=True))
        return name(subject) + "".join(hops)

    @property
    def question(self) -> str:
        """The question without bridge and answer: what the model sees."""
        return " · ".join(self.vocab.name(t) for t in self.tokens)


@dataclass(frozen=True, eq=False)
class Queries(Sequence[Query]):
    """Queries of one kind as arrays; row i of every array belongs to query i.

    >>> from circuits import open_run
    >>> queries = open_run("assets/demo").queries("ood_test")
    >>> queries.tokens.shape, queries.positions
    (torch.Size([156, 3]), ('subject', 'relation_1', 'relation_2'))
    """

    kind: QueryKind
    vocab: Vocab
    token_ids: Int[np.ndarray, "n pos"]
    bridge_ids: Int[np.ndarray, "n bridges"]
    """Zero columns where the kind has no bridge."""
    answer_ids: Int[np.ndarray, " n"]

    def __post_init__(self) -> None:
        n = len(self.token_ids)
        assert self.bridge_ids.shape[0] == n
        assert self.answer_ids.shape == (n,)

    def __len__(self) -> int:
        return len(self.token_ids)

    def __repr__(self) -> str:
        return f"Queries({self.kind}: {len(self):,} questions at {', '.join(self.positions)})"

    @overload
    def __getitem__(self, index: int) -> Query: ...
    @overload
    def __getitem__(self, index: slice) -> Queries: ...
    def __getitem__(self, index: int | slice) -> Query | Queries:
        if isinstance(index, slice):
            return self.take(np.arange(len(self))[index])
        if not -len(self) <= index < len(self):
            raise IndexError(f"query {index} of {len(self)}")
        return Query(
            self.kind,
            tuple(self.token_ids[index].tolist()),
            tuple(self.bridge_ids[index].tolist()),
            int(self.answer_ids[index]),
            self.vocab,
        )

    def take(self, rows: Int[np.ndarray, " k"]) -> Queries:
        """The queries of these rows, in this order."""
        return replace(
            self,
            token_ids=self.token_ids[rows],
            bridge_ids=self.bridge_ids[rows],
            answer_ids=self.answer_ids[rows],
        )

    @property
    def positions(self) -> tuple[str, ...]:
        """Name of each token position."""
        return position_names(self.kind, self.token_ids.shape[1])

    @property
    def named_ids(self) -> Int[np.ndarray, "n names"]:
        """Token ids without the marks that some comparisons have."""
        return self.token_ids[:, name_columns(self.kind, self.token_ids.shape[1])]

    @cached_property
    def tokens(self) -> Int[torch.Tensor, "n pos"]:
        """Token ids as an int64 tensor."""
        return _tensor(self.token_ids)

    @cached_property
    def answer(self) -> Int[torch.Tensor, " n"]:
        """Token id of each answer."""
        return _tensor(self.answer_ids)

    @cached_property
    def bridges(self) -> Int[torch.Tensor, "n bridges"]:
        """Token ids of all bridge entities of each query."""
        return _tensor(self.bridge_ids)

    @property
    def bridge(self) -> Int[torch.Tensor, " n"]:
        """Token id of each query's (first) bridge entity."""
        if not self.bridge_ids.shape[1]:
            raise HopscopeError(f"queries of kind {self.kind!r} have no bridge entity.")
        return self.bridges[:, 0]


def _tensor(ids: Int[np.ndarray, "*axes"]) -> Int[torch.Tensor, "*axes"]:
    import torch

    return torch.from_numpy(ids.astype(np.int64))
