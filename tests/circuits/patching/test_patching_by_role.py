"""Patching by role in right-padded prompts equals one prompt at a time."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from hand_wired import random_corpus
from slow_patching import HOOKS, assert_close, model_with
from worded import N_TOKENS, worded

from circuits import HookedTransformer, HopscopeError, Patch, patch_grid, run_patched
from circuits.corpus.queries import Queries
from circuits.model.bridged import BridgedModel
from circuits.model.transformer_lens_4 import to_bridge
from circuits.patching import COMPONENTS, HEAD_COMPONENTS, Component, PatchEngine, RolePrompts
from circuits.patching.batched_runs import run_batch, run_batch_after
from circuits.patching.engines import answer_logits, engine_for, traced

HEAD_CELLS = (2,)


@cache
def _questions(same_length: bool = False) -> tuple[Queries, Queries]:
    """Clean questions and the same wordings with other names, of other lengths."""
    clean = worded(random_corpus(30, 4).queries("train_inferred")[:4], backwards=True)
    if same_length:
        return clean, replace(clean, token_ids=np.roll(clean.token_ids, 3) % N_TOKENS)
    return clean, clean.asking(np.roll(clean.asked_ids, 1, 0))


@cache
def _model() -> HookedTransformer:
    longest = max(q.token_ids.shape[1] for q in _questions())
    return model_with(n_layers=2, n_ctx=longest + 2, d_vocab=N_TOKENS)


def _one_by_one(component: Component, clean: Queries, corrupted: Queries) -> np.ndarray:
    """Last logits of hooked runs of single prompts without padding: layer, role, head, n, vocab."""
    model = _model()
    heads = HEAD_CELLS if component in HEAD_COMPONENTS else (None,)
    shape = (model.depth, len(corrupted.positions), len(heads), len(clean), N_TOKENS)
    found = np.zeros(shape)
    for i, (ours, theirs) in enumerate(zip(corrupted, clean, strict=True)):
        _, cache = model.run_with_cache(torch.tensor([theirs.tokens]))
        for layer, role, h in np.ndindex(*shape[:3]):
            name = f"blocks.{layer}.{HOOKS[component]}"
            here = corrupted.role_columns[i, role]
            there = clean.role_columns[i, role]

            def write(x, hook, here=here, there=there, head=heads[h], new=cache[name]):  # type: ignore[no-untyped-def]
                x = x.clone()
                if component == "pattern":
                    x[:, head, here] = new[:, head, there]
                elif head is None:
                    x[:, here] = new[:, there]
                else:
                    x[:, here, head] = new[:, there, head]
                return x

            logits = model.run_with_hooks(torch.tensor([ours.tokens]), fwd_hooks=[(name, write)])
            found[layer, role, h, i] = logits[0, -1].detach().numpy()
    return found


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_grid_by_role_equals_hooked_runs_of_single_prompts(component: Component) -> None:
    clean, corrupted = (q[:2] for q in _questions(same_length=component == "pattern"))
    wanted = _one_by_one(component, clean, corrupted)
    heads = HEAD_CELLS if component in HEAD_COMPONENTS else None
    for token in (3, 11):
        grid = patch_grid(
            _model(), clean, corrupted, component, lambda x, t=token: x[:, -1, t], heads=heads
        )
        assert grid.position.values.tolist() == list(corrupted.positions)
        values = grid.values if heads else grid.values[:, :, None]
        assert_close(values, wanted[..., token])


@pytest.mark.parametrize("component", ["mlp_out", "z"])
def test_on_a_bridged_model_the_grid_by_role_is_the_same(component: Component) -> None:
    clean, corrupted = _questions()
    bridge = BridgedModel(to_bridge(_model()))
    metric = lambda x: x[:, -1, 3] + x[:, 1, 5]  # noqa: E731
    ours, theirs = (
        patch_grid(model, clean[:2], corrupted[:2], component, metric)
        for model in (_model(), bridge)
    )
    assert_close(ours, theirs)
    assert ours.std() > 1e-3


def test_a_metric_that_reads_an_earlier_role_gets_true_numbers() -> None:
    clean, corrupted = _questions()
    grid = patch_grid(_model(), clean, corrupted, metric=lambda x: x[:, 0, 3])
    for i, (ours, theirs) in enumerate(zip(corrupted, clean, strict=True)):
        _, cache = _model().run_with_cache(torch.tensor([theirs.tokens]))
        for role in range(4):
            here, there = corrupted.role_columns[i, role], clean.role_columns[i, role]

            def write(x, hook, here=here, new=cache["resid_pre", 1][:, there]):  # type: ignore[no-untyped-def]
                x = x.clone()
                x[:, here] = new
                return x

            name = "blocks.1.hook_resid_pre"
            logits = _model().run_with_hooks(torch.tensor([ours.tokens]), fwd_hooks=[(name, write)])
            at = corrupted.role_columns[i, 0]
            assert_close(grid[1, role, i], logits[0, at, 3].detach())


def test_it_equals_transformerlens_patching_with_positions_chosen_per_question() -> None:
    import pandas as pd
    from transformer_lens import patching

    clean, corrupted = _questions()
    bridge = to_bridge(_model())
    ours = torch.from_numpy(corrupted.role_columns)
    theirs = torch.from_numpy(clean.role_columns)
    rows = torch.arange(len(clean))

    def at_role(x, index, given):  # type: ignore[no-untyped-def]
        role = index[1]
        x[rows, ours[:, role]] = given[rows, theirs[:, role]]
        return x

    cells = pd.MultiIndex.from_product([range(2), range(4)], names=["layer", "role"])
    read = lambda x: x[rows, ours[:, -1], 3].mean()  # noqa: E731
    with torch.no_grad():
        _, given = bridge.run_with_cache(clean.tokens)
        found = patching.generic_activation_patch(
            bridge, corrupted.tokens, given, read, at_role, "resid_pre",
            index_df=cells.to_frame(index=False),
        )  # fmt: skip
    grid = patch_grid(_model(), clean, corrupted, metric=lambda x: x[:, -1, 3].mean())
    assert_close(grid, found.reshape(2, 4))


def test_without_a_metric_the_answers_are_read_where_each_question_ends() -> None:
    clean, corrupted = _questions()
    grid = patch_grid(_model(), clean, corrupted)
    last = grid.sel(position="answer")
    everywhere = run_patched(_model(), corrupted, Patch("resid_post", -1, -1), clean)
    assert_close(everywhere, answer_logits(_model(), clean))
    assert last.sizes == {"layer": 2}


def test_what_stands_in_the_padding_changes_nothing() -> None:
    clean, corrupted = _questions()
    junk = [
        replace(q, token_ids=np.where(np.arange(q.token_ids.shape[1]) < q.lengths[:, None],
                                      q.token_ids, 17))
        for q in (clean, corrupted)
    ]  # fmt: skip
    one, other = (
        patch_grid(_model(), *pair, metric=lambda x: x[:, -1].amax(-1))
        for pair in ((clean, corrupted), junk)
    )
    assert_close(one, other)


@pytest.mark.parametrize("hooked", [False, True])
def test_several_patches_in_one_run_equal_single_prompts(hooked: bool) -> None:
    clean, corrupted = _questions()
    model = BridgedModel(to_bridge(_model())) if hooked else _model()
    patches = [
        Patch("resid_pre", 0, 0),
        Patch("z", 1, (1, 2), heads=1),
        Patch("mlp_out", 1, -1, source="zero"),
    ]
    found = run_patched(model, corrupted, patches, clean)
    for i, (ours, theirs) in enumerate(zip(corrupted, clean, strict=True)):
        alone = [
            RolePrompts(torch.tensor([q.tokens]), torch.from_numpy(many.role_columns[i : i + 1]))
            for q, many in ((ours, corrupted), (theirs, clean))
        ]
        assert_close(found[i], run_patched(_model(), alone[0], patches, alone[1])[0])


def test_a_mean_over_prompts_of_other_lengths_is_taken_by_role() -> None:
    clean, corrupted = _questions()
    found = run_patched(_model(), corrupted[:2], Patch("resid_pre", 1, 1, source="mean"), clean)
    mean = traced(PatchEngine(_model()), clean).resid[1, :, 1].mean(0)
    engine = PatchEngine(_model())
    wanted = run_batch(engine, traced(engine, corrupted[:2]), 1, {1: mean.expand(1, 2, 1, -1)})[1]
    assert_close(found, wanted[0])


def test_states_of_several_draws_enter_where_their_role_stands() -> None:
    clean, corrupted = _questions()
    engine = PatchEngine(_model())
    base = traced(engine, clean)
    twice = traced(engine, corrupted.take(np.tile(np.arange(4), 2)))
    found = run_batch_after(engine, base, twice, 2, range(2), 2)
    for layer in range(2):
        one = run_patched(_model(), clean, Patch("resid_pre", layer, 2), corrupted)
        assert_close(found[layer][0], one)
        assert_close(found[layer][1], one)


def test_the_engine_of_a_bridge_runs_batches_by_role() -> None:
    clean, corrupted = _questions()
    found = []
    for model in (_model(), BridgedModel(to_bridge(_model()))):
        engine = engine_for(model)
        base, given = traced(engine, clean), traced(engine, corrupted)
        states = {layer: given.resid[layer][None, :, 0, None] for layer in (0, 1, 2)}
        found.append(torch.cat(list(run_batch(engine, base, 0, states).values())))
    assert_close(*found)


def test_patterns_of_prompts_with_other_columns_are_refused() -> None:
    clean, corrupted = _questions()
    with pytest.raises(HopscopeError, match="another column; patch z"):
        patch_grid(_model(), clean, corrupted, "pattern")
    with pytest.raises(HopscopeError, match="another column; patch z"):
        run_patched(_model(), corrupted, Patch("pattern", 0, 1), clean)


def test_prompts_with_and_without_roles_do_not_pair_up() -> None:
    clean, corrupted = _questions()
    with pytest.raises(HopscopeError, match="only one of the two sets"):
        patch_grid(_model(), clean.tokens, corrupted)
    with pytest.raises(HopscopeError, match=r"prompts and roles .* do not pair up"):
        patch_grid(_model(), clean[:3], corrupted)


@pytest.mark.parametrize(
    ("columns", "match"),
    [([[0, 1, 9]], "column 9 does not exist"), ([[2, 1]], "the prompt's end"), ([0], "shape")],
)
def test_columns_outside_a_prompt_are_refused(columns: list, match: str) -> None:
    with pytest.raises(HopscopeError, match=match):
        RolePrompts(torch.zeros(1, 3, dtype=torch.int64), torch.tensor(columns))
