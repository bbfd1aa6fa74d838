"""Hooks that a user added to a model: honoured, or refused in a sentence, never ignored."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from slow_patching import assert_close, last_logit, model_with, prompts, slow_grid
from torch import Tensor

from circuits.errors import HopscopeError
from circuits.model.added_hooks import check_hook_free, hooked_modules
from circuits.model.config import ModelConfig
from circuits.model.hook_free import fast_logits
from circuits.model.plain import PlainTransformer
from circuits.model.transformer import HookedTransformer
from circuits.patching import (
    COMPONENTS,
    Patch,
    PatchEngine,
    patch_grid,
    patched_logits,
    recovered_logit_difference,
    run_patched,
)


def halved(x: Tensor, hook: object) -> Tensor:
    return x * 0.5


def zeroed_in_place(x: Tensor, hook: object) -> None:
    x[:, 1] = 0


def halved_output(module: object, args: object, output: Tensor) -> Tensor:
    return output * 0.5


ADDED: dict[str, Callable[[HookedTransformer], Any]] = {
    "a hook": lambda m: m.add_hook("blocks.0.hook_mlp_out", halved),
    "a permanent hook": lambda m: m.add_perma_hook("blocks.1.attn.hook_pattern", halved),
    "a hook in place": lambda m: m.add_hook("blocks.1.hook_resid_pre", zeroed_in_place),
    "hooks by a filter": lambda m: m.add_hook(lambda name: name.endswith("hook_q"), halved),
    "the result's hook": lambda m: m.add_hook("blocks.0.attn.hook_result", halved),
    "PyTorch's on a block": lambda m: m.blocks[1].register_forward_hook(halved_output),
    "PyTorch's on a norm": lambda m: m.ln_final.register_forward_hook(halved_output),
    "PyTorch's before an MLP": lambda m: m.blocks[0].mlp.register_forward_pre_hook(
        lambda module, args: (args[0] * 2,)
    ),
    "PyTorch's on the model": lambda m: m.register_forward_hook(halved_output),
}


ADDED_OR_BACKWARD = {
    **ADDED,
    "a backward hook": lambda m: m.add_hook("hook_embed", lambda g, hook: None, dir="bwd"),
}


def hooked_model(name: str, **changes: object) -> HookedTransformer:
    model = model_with(**changes)
    before = model(prompts()[0])
    ADDED[name](model)
    assert not torch.equal(model(prompts()[0]), before)
    return model


@pytest.mark.parametrize("name", ADDED)
def test_a_patched_run_gives_the_numbers_of_the_model_with_its_hooks(name: str) -> None:
    model, (tokens, _) = hooked_model(name), prompts()
    torch.testing.assert_close(run_patched(model, tokens, []), model(tokens)[:, -1])


@pytest.mark.parametrize("name", ADDED)
@pytest.mark.parametrize("component", ["resid_pre", "mlp_out", "pattern"])
def test_a_grid_of_a_hooked_model_is_that_models_grid(name: str, component: str) -> None:
    model, (clean, corrupted) = hooked_model(name), prompts()
    if name == "PyTorch's on the model":  # run_with_hooks of TransformerLens leaves it out
        grid = patch_grid(model, clean, corrupted, component, last_logit)  # type: ignore[arg-type]
        expected = slow_grid(model_with(), clean, corrupted, component) * 0.5
    else:
        grid = patch_grid(model, clean, corrupted, component, last_logit)  # type: ignore[arg-type]
        expected = slow_grid(model, clean, corrupted, component)
    assert_close(grid, expected)


@pytest.mark.parametrize("component", COMPONENTS)
def test_hooks_that_change_nothing_change_no_grid(component: str) -> None:
    plain, hooked, (clean, corrupted) = model_with(), model_with(), prompts()
    hooked.add_hook("hook_embed", lambda x, hook: x.clone())
    for metric in (last_logit, None):
        grids = [patch_grid(m, clean, corrupted, component, metric) for m in (plain, hooked)]  # type: ignore[arg-type]
        assert grids[0].dims == grids[1].dims
        assert_close(*grids, atol=1e-4)


def test_several_patches_of_a_hooked_model_equal_those_of_the_engine() -> None:
    plain, hooked, (clean, corrupted) = model_with(), model_with(), prompts()
    hooked.add_hook("hook_embed", lambda x, hook: x.clone())
    patches = [
        Patch("z", 1, (0, 2), heads=(0, 2)),
        Patch("mlp_out", (0, -1), 1, source="mean"),
        Patch("attn_out", 2, 2, source="zero"),
        Patch("pattern", 0, 2, heads=1),
    ]
    expected = run_patched(plain, corrupted, patches, clean)
    torch.testing.assert_close(run_patched(hooked, corrupted, patches, clean), expected)


def test_a_patch_is_written_after_the_hooks_of_its_activation() -> None:
    model, (tokens, _) = model_with(), prompts()
    model.add_hook("blocks.2.hook_mlp_out", lambda x, hook: x + 100)
    patch = Patch("mlp_out", 2, (0, 1, 2), source="zero")
    without = run_patched(model_with(), tokens, patch)
    torch.testing.assert_close(run_patched(model, tokens, patch), without)


def test_a_hook_in_place_further_on_leaves_the_source_as_it_was() -> None:
    """`resid_post` of a block and `resid_pre` of the next one are one tensor."""
    model, (clean, corrupted) = model_with(), prompts()
    model.add_hook("blocks.1.hook_resid_pre", zeroed_in_place)
    copied = model_with()

    def zeroed(x: Tensor, hook: object) -> Tensor:
        x = x.clone()
        x[:, 1] = 0
        return x

    copied.add_hook("blocks.1.hook_resid_pre", zeroed)
    patch = Patch("resid_post", 0, (0, 1, 2))
    for source in ("cache", "mean"):
        found, expected = (
            run_patched(m, corrupted, Patch("resid_post", 0, (0, 1, 2), source=source), clean)
            for m in (model, copied)
        )
        assert torch.equal(found, expected)
    assert torch.equal(*(run_patched(m, corrupted, patch, clean) for m in (model, copied)))


def test_hooks_of_a_with_block_count_within_it_only() -> None:
    model, (clean, corrupted) = model_with(), prompts()
    plain = run_patched(model, corrupted, Patch("z", 1, 1), clean)
    with model.hooks(fwd_hooks=[("blocks.0.hook_mlp_out", halved)]):
        assert hooked_modules(model) == ["blocks.0.hook_mlp_out"]
        within = run_patched(model, corrupted, Patch("z", 1, 1), clean)
        assert model.hook_dict["blocks.0.hook_mlp_out"].fwd_hooks  # still the user's
    assert not torch.allclose(within, plain)
    assert torch.equal(run_patched(model, corrupted, Patch("z", 1, 1), clean), plain)
    assert not hooked_modules(model)


@pytest.mark.parametrize("name", ADDED_OR_BACKWARD)
def test_the_hook_free_path_refuses_a_hooked_model(name: str) -> None:
    model, (tokens, _) = model_with(), prompts()
    expected = model(tokens)[:, -1]
    torch.testing.assert_close(fast_logits(model, tokens), expected)
    ADDED_OR_BACKWARD[name](model)
    with pytest.raises(HopscopeError, match=r"hooks were added to .*or use the model itself"):
        fast_logits(model, tokens)


def test_a_plain_model_with_hooks_is_refused_too() -> None:
    model = PlainTransformer(model_with().cfg).eval()
    fast_logits(model, prompts()[0])
    model.blocks[0].register_forward_hook(halved_output)
    with pytest.raises(HopscopeError, match=r"hooks were added to blocks\.0"):
        fast_logits(model, prompts()[0])


@pytest.mark.parametrize("name", ADDED_OR_BACKWARD)
def test_the_engine_refuses_a_hooked_model_and_says_what_to_do(name: str) -> None:
    model, (clean, corrupted) = model_with(), prompts()
    engine = PatchEngine(model)
    ours, theirs = engine.trace(clean), engine.trace(corrupted)
    ADDED_OR_BACKWARD[name](model)
    for compute in (
        lambda: PatchEngine(model),
        lambda: engine.trace(clean),
        lambda: patched_logits(engine, ours, theirs, Patch("z", 0, 0)),
    ):
        with pytest.raises(HopscopeError, match=r"hooks were added to .*run_patched or patch_grid"):
            compute()
    model = model_with()
    PatchEngine(model).trace(clean)  # a model of its own is not concerned


def test_an_analysis_of_a_hooked_model_is_refused() -> None:
    from hand_wired import random_corpus

    from analyses.catalog import CATALOG
    from analyses.questions.examples import draw_examples

    corpus = random_corpus(20, 4)
    model = model_with(d_vocab=len(corpus.vocab), n_ctx=corpus.n_ctx)
    model.add_hook("blocks.0.hook_mlp_out", halved)
    examples = draw_examples(corpus, "train_inferred", 4)
    for name in ("logit_lens", "causal_tracing", "component_patching", "circuit_discovery"):
        analysis = CATALOG[name]
        with pytest.raises(HopscopeError, match=r"hooks were added to blocks\.0\.hook_mlp_out"):
            analysis.run(model, examples, analysis.options({}))


def test_without_a_metric_a_hooked_model_recovers_its_own_difference() -> None:
    model, (clean, corrupted) = hooked_model("a hook"), prompts()
    grid = patch_grid(model, clean, corrupted, "resid_post")
    metric = recovered_logit_difference(model(clean), model(corrupted))
    expected = slow_grid(model, clean, corrupted, "resid_post", lambda x: metric(x)[None])
    np.testing.assert_allclose(grid, expected[..., 0], atol=1e-5)


def test_a_single_patch_with_another_source_is_refused_and_not_read_as_cache() -> None:
    model, (clean, corrupted) = model_with(), prompts()
    engine = PatchEngine(model)
    traces = engine.trace(clean), engine.trace(corrupted)
    with pytest.raises(HopscopeError, match="not source 'zero'"):
        patched_logits(engine, *traces, Patch("z", 0, 0, source="zero"))


def test_single_patches_without_heads_named_are_of_all_heads() -> None:
    model, (clean, corrupted) = model_with(), prompts()
    engine = PatchEngine(model)
    traces = engine.trace(clean), engine.trace(corrupted)
    every = patched_logits(engine, *traces, Patch("z", -1, -1))
    named = patched_logits(engine, *traces, Patch("z", 2, 2, heads=(0, 1, 2)))
    assert list(every) == list(named) == [(2, 2)]
    assert torch.equal(every[2, 2], named[2, 2])


@pytest.mark.parametrize("of", [HookedTransformer, PlainTransformer])
def test_a_hook_on_a_replaced_submodule_is_seen(of: type[Any]) -> None:
    model = of(ModelConfig(n_layers=1, d_model=8, n_ctx=3, d_vocab=5, n_heads=2))
    assert not hooked_modules(model)
    model.blocks[0].mlp = copy.deepcopy(model.blocks[0].mlp)
    added = model.blocks[0].mlp.register_forward_hook(halved_output)
    assert hooked_modules(model) == ["blocks.0.mlp"]
    with pytest.raises(HopscopeError, match=r"hooks were added to blocks\.0\.mlp"):
        check_hook_free(model, "the model itself")
    added.remove()
    assert not hooked_modules(model)
