"""Whole names, and the tokens between roles, are patched as in runs of single prompts."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from hand_wired import random_corpus
from slow_patching import HOOKS, assert_close, model_with
from worded import N_TOKENS, worded

from circuits import HookedTransformer, HopscopeError, Patch, patch_grid, run_patched
from circuits.corpus.queries import Queries
from circuits.corpus.role_names import Span
from circuits.corpus.role_spans import role_spans
from circuits.model.bridged import BridgedModel
from circuits.model.transformer_lens_4 import to_bridge
from circuits.patching import Component, RolePrompts
from circuits.patching.batched_runs import run_batch_after
from circuits.patching.engines import engine_for, traced

SPANS: tuple[Span, ...] = ("all", "after", "through")


@cache
def _questions() -> tuple[Queries, Queries]:
    """Clean and corrupted questions: names of one to three tokens, in either order of roles."""
    clean = worded(random_corpus(30, 4).queries("train_inferred")[:4], backwards=True)
    return clean, clean.asking(np.roll(clean.asked_ids, 1, 0))


@cache
def _model() -> HookedTransformer:
    longest = max(q.token_ids.shape[1] for q in _questions())
    return model_with(n_layers=2, n_ctx=longest + 2, d_vocab=N_TOKENS)


@cache
def _bridged() -> BridgedModel:
    return BridgedModel(to_bridge(_model()))


def _prompts(span: Span) -> list[RolePrompts]:
    return [RolePrompts.of(queries, span) for queries in _questions()]


def _written(span: Span, row: int, role: int) -> list[tuple[int, int]]:
    """Columns in the corrupted question and in the clean one, counted from both spans' ends."""
    (c0, c1), (b0, b1) = (role_spans(q, span)[row, role].tolist() for q in _questions())
    return [(at, max(c0, c1 - (b1 - at))) for at in range(b0, b1)] if c1 > c0 else []


def _one_by_one(span: Span, component: Component, layer: int, role: int) -> torch.Tensor:
    """Last logits of hooked runs of single prompts without padding."""
    found = []
    name = f"blocks.{layer}.{HOOKS[component]}"
    for row, (theirs, ours) in enumerate(zip(*_questions(), strict=True)):
        _, given = _model().run_with_cache(torch.tensor([theirs.tokens]))

        def write(x: Any, hook: Any, row: int = row, new: Any = given[name]) -> Any:
            x = x.clone()
            for here, there in _written(span, row, role):
                x[:, here] = new[:, there]
            return x

        logits = _model().run_with_hooks(torch.tensor([ours.tokens]), fwd_hooks=[(name, write)])
        found.append(logits[0, -1].detach())
    return torch.stack(found)


def test_spans_are_the_role_what_follows_it_or_both() -> None:
    clean, _ = _questions()
    last, whole, after, through = (role_spans(clean, span) for span in ("last", *SPANS))
    assert (last[..., 1] - last[..., 0] == 1).all()
    assert (whole == clean.spans).all()
    assert (after[..., 0] == whole[..., 1]).all()
    assert (through[..., 0] == whole[..., 0]).all()
    assert (through[..., 1] == after[..., 1]).all()
    sizes = (through[..., 1] - through[..., 0]).sum(1)
    before = whole[..., 0].min(1)  # fillers before the first role belong to none
    assert (sizes + before == clean.lengths).all()


@pytest.mark.parametrize(
    ("span", "component"), [("all", "resid_pre"), ("after", "mlp_out"), ("through", "attn_out")]
)
def test_a_grid_of_spans_equals_hooked_runs_of_single_prompts(
    span: Span, component: Component
) -> None:
    clean, corrupted = _prompts(span)
    grid = patch_grid(
        _model(), clean, corrupted, component, lambda x: x[:, -1, 3] - x[:, -1, 11], layers=1
    )
    for role in range(4):
        wanted = _one_by_one(span, component, 1, role)
        assert_close(grid[0, role], wanted[:, 3] - wanted[:, 11])


@pytest.mark.parametrize("component", ["k", "z"])
def test_heads_of_spans_are_the_same_on_a_bridged_model(component: Component) -> None:
    metric = lambda x: x[:, -1, 3]  # noqa: E731
    ours, theirs = (
        patch_grid(m, *_prompts("through"), component, metric, layers=0, heads=(0, 2))
        for m in (_model(), _bridged())
    )
    assert_close(ours, theirs)
    assert ours.std() > 1e-4


@pytest.mark.parametrize("hooked", [False, True])
@pytest.mark.parametrize("span", SPANS)
def test_states_of_whole_spans_enter_as_in_single_prompts(span: Span, hooked: bool) -> None:
    engine = engine_for(_bridged() if hooked else _model())
    clean, corrupted = _questions()
    source = traced(engine, clean.take(np.tile(np.arange(4), 2)), span)
    found = run_batch_after(engine, traced(engine, corrupted, span), source, 1, (0, 1), 2)
    wanted = _one_by_one(span, "resid_pre", 1, 1)
    assert_close(found[1][0], wanted)
    assert_close(found[1][1], wanted)
    assert_close(found[0][0], _one_by_one(span, "resid_pre", 0, 1))


def test_whole_spans_equal_transformerlens_patching() -> None:
    import pandas as pd
    from transformer_lens import patching

    clean, corrupted = _questions()
    bridge, rows = to_bridge(_model()), torch.arange(4)
    ends = torch.from_numpy(corrupted.lengths - 1)

    def write(x: Any, index: Any, given: Any) -> Any:
        for row in range(4):
            for here, there in _written("through", row, index[1]):
                x[row, here] = given[row, there]
        return x

    cells = pd.MultiIndex.from_product([range(2), range(4)], names=["layer", "role"])
    with torch.no_grad():
        _, cache = bridge.run_with_cache(clean.tokens)
        found = patching.generic_activation_patch(
            bridge, corrupted.tokens, cache, lambda x: x[rows, ends, 3].mean(), write, "resid_pre",
            index_df=cells.to_frame(index=False),
        )  # fmt: skip
    grid = patch_grid(_model(), *_prompts("through"), metric=lambda x: x[:, -1, 3].mean())
    assert_close(grid, found.reshape(2, 4))


def test_a_metric_of_an_earlier_role_sees_what_a_span_changes() -> None:
    clean, corrupted = _prompts("through")
    metric = lambda x: x[:, 1, 3]  # noqa: E731
    ours, theirs = (patch_grid(m, clean, corrupted, metric=metric) for m in (_model(), _bridged()))
    assert_close(ours, theirs)


def test_one_run_writes_spans_and_means_over_all_their_tokens() -> None:
    clean, corrupted = _prompts("all")
    one = run_patched(_model(), corrupted, Patch("resid_pre", 1, 1), clean)
    assert_close(one, _one_by_one("all", "resid_pre", 1, 1))
    mean = Patch("resid_pre", 1, 1, source="mean")
    ours = run_patched(_model(), corrupted, mean, clean)
    theirs = run_patched(_bridged(), corrupted, mean, clean)
    assert_close(ours, theirs)


def test_spans_that_do_not_exist_are_refused_in_a_sentence() -> None:
    one_token = random_corpus(30, 4).queries("train_inferred")[:2]
    with pytest.raises(HopscopeError, match="no token stands between the roles"):
        role_spans(one_token, "after")
    with pytest.raises(HopscopeError, match="unknown span 'first'"):
        role_spans(one_token, "first")  # type: ignore[arg-type]
    columns = torch.tensor([[0, 2]])
    with pytest.raises(HopscopeError, match="ends behind its prompt"):
        RolePrompts(torch.zeros(1, 4, dtype=int), columns, spans=torch.tensor([[[0, 1], [2, 4]]]))
    with pytest.raises(HopscopeError, match="first token and the end of each"):
        RolePrompts(torch.zeros(1, 4, dtype=int), columns, spans=torch.tensor([[[1, 0], [2, 3]]]))
