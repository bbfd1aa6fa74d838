"""Reading prompts for patching, in the same way for every entry point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from circuits.corpus.queries import Queries, Query
from circuits.corpus.role_names import POSITIONS, Span
from circuits.corpus.role_spans import role_spans
from circuits.errors import HopscopeError
from circuits.model.inputs import check_tokens
from circuits.model.protocol import Model


@dataclass(frozen=True, eq=False)
class RolePrompts:
    """Right-padded prompts whose positions are roles, each at a column of its own in every row.

    Positions of patches count roles, and logits have one entry per role; the last role ends the
    prompt. `Queries` of several tokens per name are such prompts by themselves.

    >>> RolePrompts(torch.tensor([[7, 8, 9], [7, 9, 0]]), torch.tensor([[1, 2], [0, 1]]))
    RolePrompts(2 prompts, 2 roles)

    Raises:
        HopscopeError: if the columns or spans do not lie in the prompts, or lie behind the last
            role.
    """

    tokens: Int[Tensor, "n pos"]
    columns: Int[Tensor, "n roles"]
    """Column of the token at which each role is read: the last one of its name."""
    names: tuple[str, ...] | None = None
    """Names of the roles."""
    spans: Int[Tensor, "n roles 2"] | None = None
    """First token and end (exclusive) of what is patched at each role, empty where start = end;
    None: the token at which it is read."""

    @classmethod
    def of(cls, queries: Queries, span: Span = "last") -> RolePrompts:
        """Queries as such prompts, patched at these tokens (`circuits.corpus.role_spans`).

        >>> from circuits import open_run
        >>> RolePrompts.of(open_run("assets/demo").queries("id_test")[:5], "all").written.shape
        torch.Size([5, 3, 2])
        """
        columns = torch.from_numpy(queries.role_columns.astype(np.int64))
        spans = None if span == "last" else torch.from_numpy(role_spans(queries, span))
        return cls(queries.tokens, columns, queries.positions, spans)

    def __post_init__(self) -> None:
        columns, n = self.columns, len(self.tokens)
        fits = columns.ndim == 2 and columns.shape[1] and len(columns) == n
        if not fits or (columns < 0).any() or (columns > columns[:, -1:]).any():
            raise HopscopeError(
                f"columns of shape {list(columns.shape)} do not fit {n} prompts; give one column "
                "per prompt and role, counted from 0, the last role's being the prompt's end."
            )
        if int(columns.max()) >= self.tokens.shape[1]:
            raise HopscopeError(
                f"column {int(columns.max())} does not exist; the prompts have "
                f"{self.tokens.shape[1]} tokens."
            )
        if self.spans is not None:
            self._check_spans(self.spans)

    def _check_spans(self, spans: Int[Tensor, "n roles 2"]) -> None:
        fits = spans.shape == (*self.columns.shape, 2)
        if not fits or (spans[..., 0] > spans[..., 1]).any() or (spans < 0).any():
            raise HopscopeError(
                f"spans of shape {list(spans.shape)} do not fit {list(self.columns.shape)} prompts "
                "and roles; give the first token and the end of each, start <= end."
            )
        if (spans[..., 1] > self.columns[:, -1:] + 1).any():
            raise HopscopeError(
                "a span ends behind its prompt; each must end at the column of the last role."
            )

    @property
    def written(self) -> Int[Tensor, "n roles 2"]:
        """First token and end of what is patched at each role."""
        if self.spans is not None:
            return self.spans
        return torch.stack([self.columns, self.columns + 1], -1)

    def __repr__(self) -> str:
        return f"RolePrompts({len(self.tokens)} prompts, {self.columns.shape[1]} roles)"

    def at_roles(self, logits: Float[Tensor, "n pos d_vocab"]) -> Float[Tensor, "n roles d_vocab"]:
        """What stands at each role."""
        return logits.take_along_dim(self.columns.to(logits.device)[..., None], 1)


Prompts = (
    Queries
    | Query
    | RolePrompts
    | Sequence[Query]
    | Int[Tensor, "batch pos"]
    | np.ndarray
    | Sequence[Any]
)
"""Anything that `check_tokens` takes: one or several queries, or token ids as tensor, array,
lists."""

Roles = tuple[RolePrompts, RolePrompts]
"""The prompts that are patched, and those that activations are taken from."""

Spans = tuple[Int[Tensor, "n roles 2"], Int[Tensor, "m roles 2"]]
"""The same of where: tokens that are written, and tokens that are taken."""


def roles_of(prompts: Prompts) -> RolePrompts | None:
    """The prompts by role; None if their positions are columns."""
    if isinstance(prompts, Queries) and prompts.ragged:
        return RolePrompts.of(prompts)
    return prompts if isinstance(prompts, RolePrompts) else None


def paired_roles(prompts: Prompts, source: Prompts, *, in_rows: bool = True) -> Roles | None:
    """Both by role; None if the positions of both are columns.

    Raises:
        HopscopeError: if only one of them has roles, or they do not have as many.
    """
    ours, theirs = roles_of(prompts), roles_of(source)
    if ours is None and theirs is None:
        return None
    if ours is None or theirs is None:
        raise HopscopeError(
            "only one of the two sets of prompts says at which columns its roles are; give both as "
            "queries or as RolePrompts."
        )
    sizes = tuple(ours.columns.shape), tuple(theirs.columns.shape)
    if sizes[0][1] != sizes[1][1] or (in_rows and sizes[0] != sizes[1]):
        raise HopscopeError(
            f"prompts and roles {sizes[0]} and {sizes[1]} do not pair up; give as many of each."
        )
    return ours, theirs


def written_at(roles: Roles | None) -> Spans | None:
    """What is patched in the prompts, and what is taken from the source, by role."""
    return None if roles is None else (roles[0].written, roles[1].written)


def token_ids(model: Model, prompts: Prompts) -> Int[Tensor, "batch pos"]:
    """Token ids on the model's device, of at least one prompt.

    Raises:
        HopscopeError: if there are no prompts, or `check_tokens` refuses them.
    """
    tokens = check_tokens(model.cfg, prompts, model.device)
    if not len(tokens):
        raise HopscopeError("there are no prompts; give at least one.")
    return tokens


def position_names(prompts: Prompts) -> tuple[str, ...] | None:
    """Names of the positions, if the prompts are queries or have roles with names."""
    if isinstance(prompts, Queries):
        return prompts.positions
    if isinstance(prompts, RolePrompts):
        return prompts.names
    several = [prompts] if isinstance(prompts, Query) else prompts
    if isinstance(several, Sequence) and all(isinstance(one, Query) for one in several):
        if any(one.asked is not None for one in several):
            return None
        kinds = {(one.kind, len(one.tokens)) for one in several}
        if len(kinds) == 1:
            ((kind, n_pos),) = kinds
            names = POSITIONS[kind]
            return names + tuple(f"relation_{i}" for i in range(len(names), n_pos))
    return None


def check_pair(clean: Tensor, corrupted: Tensor) -> None:
    """Refuse prompts that cannot be patched row by row."""
    if clean.shape != corrupted.shape:
        raise HopscopeError(
            f"clean prompts {tuple(clean.shape)} and corrupted prompts {tuple(corrupted.shape)} "
            "do not pair up; give as many of each, of the same length."
        )
