"""Whole names after a patch: is every token of a name the most probable one, and how probable?

A name of several tokens is generated token by token. Greedy decoding gives it, end included, if and
only if each of its tokens is the most probable one after the question and the tokens before
(`circuits.text.scoring`). So the question is run once with each beginning of the name behind it,
with the same patch, and no answer is decoded. A patch of a role changes nothing in its donor, since
attention is causal: what stands behind the donor's question does not matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from circuits.corpus.queries import Queries
from circuits.patching.batched_runs import run_batch_after
from circuits.patching.engines import AnyTrace, Engine
from circuits.patching.role_trace import RoleTrace


@dataclass(frozen=True, eq=False)
class Beginning:
    """Some questions, each followed by the first tokens of a name, and the name's next token."""

    rows: Int[Tensor, " k"]
    trace: RoleTrace
    token: Int[Tensor, " k"]


@dataclass(frozen=True, eq=False)
class WholeNames:
    """What a model says of one name per question, under patches.

    Args:
        engine: The model's engine.
        base: The questions' runs, by role.
        beginnings: All beginnings of the names, the empty one first.
    """

    engine: Engine
    base: RoleTrace
    beginnings: Sequence[Beginning]

    @classmethod
    def of(
        cls, engine: Engine, queries: Queries, base: AnyTrace, names: Int[np.ndarray, " n"]
    ) -> WholeNames | None:
        """For a name per question (ids of the vocabulary, -1: none); None where roles are columns.

        >>> import numpy as np
        >>> from circuits import open_run
        >>> from circuits.patching.engines import engine_for, traced
        >>> run = open_run("assets/demo")
        >>> queries, engine = run.queries("id_test")[:5], engine_for(run.model())
        >>> WholeNames.of(engine, queries, traced(engine, queries), queries.answer_ids) is None
        True
        """
        if not isinstance(base, RoleTrace):
            return None
        known = queries.names
        closed = [
            () if name < 0 else (name,) if known is None else known.closed(name)
            for name in names.tolist()
        ]
        found = []
        for step in range(max(map(len, closed), default=0)):
            rows = np.array([i for i, name in enumerate(closed) if len(name) > step])
            token = torch.tensor([closed[i][step] for i in rows], device=engine.device)
            at = torch.from_numpy(rows).to(engine.device)
            before = [closed[i][:step] for i in rows]
            found.append(Beginning(at, _followed(engine, queries, base, rows, before), token))
        return cls(engine, base, found)

    def rest(self, questions: Bool[np.ndarray, " n"]) -> WholeNames:
        """Of some questions only, and without the first token, where it is known to be right."""
        kept = torch.from_numpy(questions).to(self.base.columns.device)
        found = []
        for each in self.beginnings[1:]:
            which = kept[each.rows].nonzero()[:, 0]
            if len(which):
                part = Beginning(each.rows[which], each.trace.rows(which), each.token[which])
                found.append(part)
        return WholeNames(self.engine, self.base, found)

    def after(
        self, given: RoleTrace, role: int, layers: Sequence[int], stop: int | None = None
    ) -> dict[int, tuple[Bool[np.ndarray, "draw n"], Float[np.ndarray, "draw n"]]]:
        """With S[layer, role] of donors written in: whether each name is decoded, and its log p.

        Args:
            given: draws * n donors' runs (all of draw 0 first).
            role: Where.
            layers: At which layers.
            stop: Number of blocks before the state that is read; None: all.
        """
        n, stop = self.base.n, self.engine.depth if stop is None else stop
        draws = given.n // n
        shape = (draws, n)
        exact = {i: torch.ones(shape, dtype=torch.bool) for i in layers}
        log_p = {i: torch.zeros(shape) for i in layers}
        for each in self.beginnings:
            here = each.rows.cpu()  # as what is counted
            rows = torch.cat([each.rows + draw * n for draw in range(draws)])
            found = run_batch_after(
                self.engine, each.trace, given.rows(rows), role, list(layers), stop
            )
            for i, logits in found.items():
                own = logits.gather(-1, each.token.expand(draws, -1)[..., None])[..., 0]
                exact[i][:, here] &= (logits.argmax(-1) == each.token).cpu()
                log_p[i][:, here] += (own - logits.logsumexp(-1)).cpu()
        return {i: (exact[i].numpy(), log_p[i].numpy()) for i in layers}

    def unpatched(self) -> tuple[Bool[np.ndarray, " n"], Float[np.ndarray, " n"]]:
        """The same without a patch."""
        exact = torch.ones(self.base.n, dtype=torch.bool)
        log_p = torch.zeros(self.base.n)
        for each in self.beginnings:
            here = each.rows.cpu()
            logits = self.engine.logits(each.trace.resid[-1][:, -1])
            own = logits.gather(-1, each.token[:, None])[:, 0]
            exact[here] &= (logits.argmax(-1) == each.token).cpu()
            log_p[here] += (own - logits.logsumexp(-1)).cpu()
        return exact.numpy(), log_p.numpy()


def _followed(
    engine: Engine,
    queries: Queries,
    base: RoleTrace,
    rows: np.ndarray,
    before: Sequence[Sequence[int]],
) -> RoleTrace:
    """The runs of these questions with some tokens behind each; roles are written where they were.

    The last role is read at the last token.
    """
    columns = base.columns[torch.from_numpy(rows).to(base.columns.device)].clone()
    written = base.written[torch.from_numpy(rows).to(base.columns.device)]
    more = len(before[0]) if before else 0
    if not more:
        return RoleTrace(base.whole.rows(torch.from_numpy(rows)), columns, written)
    asked = queries.take(rows)
    tokens = np.pad(asked.token_ids.astype(np.int64), ((0, 0), (0, more)))
    end = asked.lengths[:, None] + np.arange(more)
    np.put_along_axis(tokens, end, np.array(before), 1)
    columns[:, -1] += more
    whole = engine.trace(torch.from_numpy(tokens[:, : int(end.max()) + 1]).to(engine.device))
    return RoleTrace(whole, columns, written)
