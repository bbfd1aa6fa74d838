"""Queries: what the model is asked, as tokens and as text.

A question has *roles*: subject, relation_1, relation_2, ... Where every name is one token, role i
is column i. Where names are several tokens, or stand in a sentence, `Queries.spans` says which
tokens of each question belong to each role; whatever reads or replaces a state does so at
`Queries.role_columns`. The last role always ends the question: the answer is predicted there. Token
ids are right-padded, which needs no mask, since attention is causal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, overload

import numpy as np
from jaxtyping import Int

from circuits.corpus.role_names import ANSWER, QueryKind, name_columns, position_names
from circuits.corpus.vocab import Vocab
from circuits.corpus.wording import NameTokens, Wording
from circuits.errors import HopscopeError, unknown_name

if TYPE_CHECKING:  # imported when tensors are made: questions are also read without a model
    import torch


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
    asked: tuple[int, ...] | None = None
    """Ids of the names that are asked about; None: the tokens themselves."""
    wording: Wording | None = None

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
            columns = name_columns(self.kind, len(self.names))
            attribute, *entities = (name(self.names[i]) for i in columns)
            values = [f"{e} [{name(v)}]" for e, v in zip(entities, self.bridges, strict=False)]
            return f"{attribute}: {' ? '.join(values or entities)} -> {name(self.answer)}"
        subject, *relations = self.names
        stops = (subject, *self.bridges, self.answer)
        hops = (f" -{name(r)}-> {name(e)}" for r, e in zip(relations, stops[1:], strict=True))
        return name(subject) + "".join(hops)

    @property
    def names(self) -> tuple[int, ...]:
        """Ids of the names that are asked about, in the order of the roles."""
        return self.tokens if self.asked is None else self.asked

    @property
    def question(self) -> str:
        """The question without bridge and answer, name by name."""
        return " · ".join(self.vocab.name(t) for t in self.names)

    @property
    def sentence(self) -> str:
        """The text that the model sees."""
        return self.question if self.wording is None else self.wording.decode(self.tokens)


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
    """Ids of the model's vocabulary, right-padded where lengths differ."""
    bridge_ids: Int[np.ndarray, "n bridges"]
    """Ids of `vocab`. Zero columns where the kind has no bridge."""
    answer_ids: Int[np.ndarray, " n"]
    """Ids of `vocab`."""
    spans: Int[np.ndarray, "n roles 2"] | None = None
    """Start and end (exclusive) of each role's tokens; None: one token per role, in order."""
    named: Int[np.ndarray, "n names"] | None = None
    """Where tokens are not ids of `vocab`: the ids of the names that are asked about."""
    names: NameTokens | None = None
    """The tokens of all names; None: a name is the token of its own id."""
    wording: Wording | None = None
    """How other questions of this kind are put into tokens; None: a name is a token."""
    templates: Int[np.ndarray, " n"] | None = None
    """Which of the wording's templates each question has."""

    def __post_init__(self) -> None:
        n = len(self.token_ids)
        assert self.bridge_ids.shape[0] == n
        assert self.answer_ids.shape == (n,)
        if self.spans is not None:
            self._check_spans(self.spans)

    def _check_spans(self, spans: Int[np.ndarray, "n roles 2"]) -> None:
        n, width = self.token_ids.shape
        roles = self.asked_ids.shape[1]
        if spans.shape not in ((n, roles, 2), (n, roles + 1, 2)):
            raise HopscopeError(
                f"spans of shape {list(spans.shape)} do not fit {n} questions about {roles} names; "
                f"give [{n}, {roles}, 2], or one more role for where the answer is predicted."
            )
        start, end = spans[..., 0], spans[..., 1]
        wrong = ((start < 0) | (start >= end) | (end > width) | (end > end[:, -1:])).any(1)
        if wrong.any():
            row = int(wrong.argmax())
            raise HopscopeError(
                f"the spans {spans[row].tolist()} of question {row} are not those of its roles; "
                f"each has at least one token of {width}, and the last role ends the question."
            )

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
            tuple(self.token_ids[index, : self.lengths[index]].tolist()),
            tuple(self.bridge_ids[index].tolist()),
            int(self.answer_ids[index]),
            self.vocab,
            None if self.named is None else tuple(self.named[index].tolist()),
            self.wording,
        )

    def take(self, rows: Int[np.ndarray, " k"]) -> Queries:
        """The queries of these rows, in this order."""
        return replace(
            self,
            token_ids=self.token_ids[rows],
            bridge_ids=self.bridge_ids[rows],
            answer_ids=self.answer_ids[rows],
            spans=None if self.spans is None else self.spans[rows],
            named=None if self.named is None else self.named[rows],
            templates=None if self.templates is None else self.templates[rows],
        )

    def asking(self, asked_ids: Int[np.ndarray, "n names"]) -> Queries:
        """The same questions about other names, each in its own wording.

        Bridges and answers stay those of these queries.

        >>> from circuits import open_run
        >>> queries = open_run("assets/demo").queries("id_test")[:2]
        >>> queries.asking(queries.asked_ids[::-1])[0].question == queries[1].question
        True
        """
        if self.named is None:
            return replace(self, token_ids=asked_ids)
        if self.wording is None or self.templates is None:
            raise HopscopeError(
                "these queries do not say how they are worded, so other names cannot be put into "
                "them; give their wording and templates, or ask by role with names of one token."
            )
        tokens, spans = self.wording.render(self.kind, asked_ids, self.templates)
        return replace(self, token_ids=tokens, spans=spans, named=asked_ids)

    @property
    def positions(self) -> tuple[str, ...]:
        """Name of each role; where every name is a token, of each token position."""
        names = position_names(self.kind, self.asked_ids.shape[1])
        more = self.spans is not None and self.spans.shape[1] > len(names)
        return (*names, ANSWER) if more else names

    @property
    def asked_ids(self) -> Int[np.ndarray, "n names"]:
        """Ids of `vocab` of what is asked, by role: subject, relation_1, ..."""
        return self.token_ids if self.named is None else self.named

    @property
    def named_ids(self) -> Int[np.ndarray, "n names"]:
        """`asked_ids` without the marks that some comparisons have."""
        return self.asked_ids[:, name_columns(self.kind, self.asked_ids.shape[1])]

    @property
    def role_columns(self) -> Int[np.ndarray, "n roles"]:
        """Column of the last token of each role; the answer is predicted at the last role's.

        >>> from circuits import open_run
        >>> open_run("assets/demo").queries("id_test")[:2].role_columns.tolist()
        [[0, 1, 2], [0, 1, 2]]
        """
        if self.spans is not None:
            return self.spans[..., 1] - 1
        return np.broadcast_to(np.arange(self.token_ids.shape[1]), self.token_ids.shape)

    @property
    def ragged(self) -> bool:
        """Whether roles are not simply the columns: several tokens, fillers or padding."""
        columns = self.role_columns
        return columns.shape != self.token_ids.shape or bool(
            self.spans is not None and (columns != np.arange(columns.shape[1])).any()
        )

    @property
    def named_roles(self) -> tuple[str, ...]:
        """The roles that stand for a name: all but `ANSWER`."""
        return self.positions[: self.asked_ids.shape[1]]

    @property
    def bridge_role(self) -> int:
        """Role at which a composition's first hop is complete: relation_1, as a rule.

        The subject, if most of the questions name it after the relation ("the mother of Ann").
        """
        subject, relation = self.role_columns[:, :2].T
        return int((relation > subject).mean() >= 0.5)

    def role_index(self, name: str) -> int:
        """Index of a role by name; "relation_1" stands for `bridge_role`.

        >>> from circuits import open_run
        >>> open_run("assets/demo").queries("id_test").role_index("relation_2")
        2
        """
        if name not in self.positions:
            raise unknown_name("position", name, self.positions)
        return self.bridge_role if name == "relation_1" else self.positions.index(name)

    @property
    def lengths(self) -> Int[np.ndarray, " n"]:
        """Number of tokens of each question, without padding."""
        return self.role_columns[:, -1] + 1

    @property
    def answer_tokens(self) -> Int[np.ndarray, " n"]:
        """First token of each answer, in the model's vocabulary."""
        return self._first_tokens(self.answer_ids)

    @property
    def bridge_tokens(self) -> Int[np.ndarray, "n bridges"]:
        """First token of all bridge entities of each query."""
        return self._first_tokens(self.bridge_ids)

    @property
    def entity_tokens(self) -> slice | Int[np.ndarray, " entity"]:
        """Where each entity's (first) token stands among the model's."""
        n = len(self.vocab.entities)
        return slice(n) if self.names is None else self.names.first[:n]

    def _first_tokens(self, ids: Int[np.ndarray, "*shape"]) -> Int[np.ndarray, "*shape"]:
        return ids if self.names is None else self.names.first[ids]

    @cached_property
    def tokens(self) -> Int[torch.Tensor, "n pos"]:
        """Token ids as an int64 tensor."""
        return _tensor(self.token_ids)

    @property
    def first_tokens(self) -> Int[torch.Tensor, "n roles"]:
        """First token of each role's span."""
        if self.spans is None:
            return self.tokens
        return _tensor(np.take_along_axis(self.token_ids, self.spans[..., 0], 1))

    @cached_property
    def answer(self) -> Int[torch.Tensor, " n"]:
        """(First) token id of each answer."""
        return _tensor(self.answer_tokens)

    @cached_property
    def bridges(self) -> Int[torch.Tensor, "n bridges"]:
        """(First) token ids of all bridge entities of each query."""
        return _tensor(self.bridge_tokens)

    @property
    def bridge(self) -> Int[torch.Tensor, " n"]:
        """(First) token id of each query's (first) bridge entity."""
        if not self.bridge_ids.shape[1]:
            raise HopscopeError(f"queries of kind {self.kind!r} have no bridge entity.")
        return self.bridges[:, 0]


def _tensor(ids: Int[np.ndarray, "*axes"]) -> Int[torch.Tensor, "*axes"]:
    import torch

    return torch.from_numpy(ids.astype(np.int64))
