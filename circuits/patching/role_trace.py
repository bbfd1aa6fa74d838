"""Runs of prompts in which a role stands at another column in each row.

A position of such a run is a *role*: the last token of the subject, of a relation, of the prompt.
What is written there may be several tokens (`circuits.corpus.role_spans`).
Everything that reads or patches a position of a trace does so here too, and with the numbers of one
prompt at a time: prompts that agree in where a role ends and where they end themselves are one
rectangular batch, without padding and without masks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Generic, TypeVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from circuits.patching.engine import Trace
from circuits.patching.hooked_engine import HookedTrace
from circuits.patching.prompts import RolePrompts

Whole = TypeVar("Whole", Trace, HookedTrace)
Key = TypeVar("Key")


@dataclass(frozen=True, eq=False)
class Batch(Generic[Whole]):
    """Prompts of one length, with a role at the same columns."""

    rows: Int[Tensor, " k"]
    trace: Whole
    """Their runs, without padding."""
    column: int
    """First token that is written."""


@dataclass(frozen=True, eq=False)
class RoleTrace(Generic[Whole]):
    """Activations of right-padded prompts, read and patched by role.

    >>> from circuits import HookedTransformer, ModelConfig
    >>> from circuits.patching import PatchEngine
    >>> cfg = ModelConfig(n_layers=1, d_model=8, n_ctx=4, d_vocab=9, n_heads=2)
    >>> engine = PatchEngine(HookedTransformer(cfg).eval())
    >>> tokens = torch.tensor([[1, 2, 3, 4], [5, 6, 0, 0]])
    >>> trace = RoleTrace(engine.trace(tokens), torch.tensor([[2, 3], [0, 1]]))
    >>> trace.pos, trace.resid.shape  # two roles
    (2, torch.Size([2, 2, 2, 8]))
    >>> alone = engine.trace(tokens[1:, :2])
    >>> torch.allclose(trace.resid[:, 1], alone.resid[:, 0], atol=1e-6)
    True
    """

    whole: Whole
    """Runs of the padded prompts."""
    columns: Int[Tensor, "n roles"]
    """Column of each role; the prompt ends at that of the last role."""
    spans: Int[Tensor, "n roles 2"] | None = None
    """First token and end of what is written at each role; None: the token at its column."""

    @property
    def written(self) -> Int[Tensor, "n roles 2"]:
        """First token and end of what is written at each role."""
        if self.spans is not None:
            return self.spans
        return torch.stack([self.columns, self.columns + 1], -1)

    @property
    def n(self) -> int:
        """Number of prompts."""
        return self.whole.n

    @property
    def pos(self) -> int:
        """Number of roles."""
        return self.columns.shape[1]

    @cached_property
    def resid(self) -> Float[Tensor, "states n roles d_model"]:
        """S[i, .] at each role."""
        rows = torch.arange(self.n, device=self.columns.device)[:, None]
        return self.whole.resid[:, rows, self.columns]

    def rows(self, which: slice | Int[Tensor, " k"]) -> RoleTrace[Whole]:
        """The same runs for some of the prompts."""
        spans = None if self.spans is None else self.spans[which]
        return RoleTrace(self.whole.rows(which), self.columns[which], spans)

    def batches(self, role: int, *also: Int[Tensor, " n"]) -> list[Batch[Whole]]:
        """The prompts by the columns of a role, by their length, and by what else is given."""
        start, end = self.written[:, role].T
        keys = torch.stack([start, self.columns[:, -1], end, *also], 1).cpu()
        kinds, which = keys.unique(dim=0, return_inverse=True)
        found = []
        for i, (column, end, *_) in enumerate(kinds.tolist()):
            rows = (which == i).nonzero()[:, 0].to(self.columns.device)
            found.append(Batch(rows, self.whole.part(rows, end + 1), column))
        return found

    def by_batch(
        self,
        role: int,
        run: Callable[[Batch[Whole]], dict[Key, Float[Tensor, "cells k ..."]]],
        *also: Int[Tensor, " n"],
    ) -> dict[Key, Float[Tensor, "cells n ..."]]:
        """What `run` gives for each batch, put together in the order of the prompts."""
        found: dict[Key, Tensor] = {}
        for batch in self.batches(role, *also):
            for key, part in run(batch).items():
                if key not in found:
                    found[key] = part.new_empty(len(part), self.n, *part.shape[2:])
                found[key][:, batch.rows] = part
        return found


def by_role(whole: Whole, prompts: RolePrompts) -> RoleTrace[Whole]:
    """Runs of these prompts, read and patched by role."""
    device = whole.resid.device
    spans = None if prompts.spans is None else prompts.spans.to(device)
    return RoleTrace(whole, prompts.columns.to(device), spans)
