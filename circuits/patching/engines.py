"""Which engine runs a model: ours without hooks, anybody's with them."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from circuits.corpus.queries import Queries
from circuits.corpus.role_names import Span
from circuits.corpus.role_spans import role_spans
from circuits.model.added_hooks import hooked_modules
from circuits.model.bridged import BridgedModel
from circuits.model.hook_free import fast_logits
from circuits.patching.engine import PatchEngine, Trace
from circuits.patching.hooked_engine import HookedEngine, HookedTrace
from circuits.patching.prompts import RolePrompts
from circuits.patching.role_trace import RoleTrace, by_role

Engine = PatchEngine | HookedEngine
AnyTrace = Trace | HookedTrace | RoleTrace[Any]


def engine_for(model: Any) -> Engine:
    """The engine for a model: `PatchEngine` for ours, `HookedEngine` for a bridged one.

    >>> from circuits import HookedTransformer, ModelConfig
    >>> cfg = ModelConfig(n_layers=1, d_model=8, n_ctx=3, d_vocab=10, n_heads=2)
    >>> type(engine_for(HookedTransformer(cfg).eval())).__name__
    'PatchEngine'
    """
    return HookedEngine(model) if isinstance(model, BridgedModel) else PatchEngine(model)


def runs_hooks(model: Any) -> bool:
    """Whether patched runs of this model go through its hook points."""
    return isinstance(model, BridgedModel) or bool(hooked_modules(model))


def traced(
    engine: Engine, prompts: Queries | Int[Tensor, "n pos"], span: Span = "last"
) -> AnyTrace:
    """Runs of some questions, whose positions are the questions' roles; or of token ids.

    With a `span` they are patched at these tokens of each role (`circuits.corpus.role_spans`).

    >>> from circuits import open_run
    >>> run = open_run("assets/demo")
    >>> trace = traced(engine_for(run.model()), run.queries("id_test")[:5])
    >>> trace.n, trace.pos
    (5, 3)
    """
    if not isinstance(prompts, Queries):
        return engine.trace(prompts.to(engine.device))
    return with_roles(engine.trace(prompts.tokens.to(engine.device)), prompts, span)


def with_roles(whole: Trace | HookedTrace, queries: Queries, span: Span = "last") -> AnyTrace:
    """The runs of padded questions, read by role; as they are where roles are columns.

    Raises:
        HopscopeError: if roles are columns and the span is none of them (`role_spans`).
    """
    if not queries.ragged:
        if span != "last":
            role_spans(queries, span)  # where every role is a token, so are its spans
        return whole
    return by_role(whole, RolePrompts.of(queries, span))


def answer_logits(model: Any, queries: Queries) -> Float[Tensor, "n d_vocab"]:
    """Logits that predict each question's (first token of the) answer.

    >>> from circuits import open_run
    >>> run = open_run("assets/demo")
    >>> queries = run.queries("id_test")[:50]
    >>> right = answer_logits(run.model(), queries).argmax(-1) == queries.answer
    >>> bool(right.float().mean() > 0.9)
    True
    """
    if not queries.ragged:
        return last_logits(model, queries.tokens)
    return last_logits(model, queries.tokens, torch.from_numpy(queries.lengths - 1))


@torch.no_grad()
def last_logits(
    model: Any, tokens: Int[Tensor, "n pos"], at: Int[Tensor, " n"] | None = None
) -> Float[Tensor, "n d_vocab"]:
    """Logits at the last position (or at a column of each row), by the model's fastest way.

    >>> import torch
    >>> from circuits import HookedTransformer, ModelConfig
    >>> cfg = ModelConfig(n_layers=1, d_model=8, n_ctx=3, d_vocab=10, n_heads=2)
    >>> last_logits(HookedTransformer(cfg).eval(), torch.tensor([[1, 2, 3]])).shape
    torch.Size([1, 10])
    """
    tokens = tokens.to(model.device)
    if not isinstance(model, BridgedModel):
        return fast_logits(model, tokens, None if at is None else at.to(model.device))
    engine = HookedEngine(model)
    at = torch.full((len(tokens),), tokens.shape[1] - 1) if at is None else at
    at = at.to(model.device)
    parts = [model(tokens[rows]).take_along_dim(at[rows, None, None], 1)[:, 0]
             for rows in engine.parts(*tokens.shape)]  # fmt: skip
    return torch.cat(parts)
