"""The patch engine, held against a slow loop of single hooks and against TransformerLens."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from slow_patching import HOOKS, assert_close, last_logit, model_with, prompts, slow_grid
from torch import Tensor

from circuits.errors import HopscopeError
from circuits.patching import COMPONENTS, HEAD_COMPONENTS, Patch, patch_grid, run_patched
from circuits.patching.batched_runs import run_batch, run_batch_after
from circuits.patching.engine import PatchEngine


@pytest.mark.parametrize("component", COMPONENTS)
def test_the_grid_equals_a_slow_loop_of_single_hooks(component: str) -> None:
    model, (clean, corrupted) = model_with(), prompts()
    grid = patch_grid(model, clean, corrupted, component, last_logit)
    assert_close(grid, slow_grid(model, clean, corrupted, component), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "changes",
    [
        {"normalization_type": "RMS", "act_fn": "silu"},
        {"normalization_type": None, "act_fn": "relu"},
        {"n_passes": 2, "n_layers": 2, "act_fn": "gelu_new"},
        {"tied_unembedding": True, "d_head": 5},
    ],
    ids=str,
)
@pytest.mark.parametrize("component", ["resid_pre", "attn_out", "mlp_out", "z", "v"])
def test_it_equals_the_hooks_for_every_kind_of_model(changes: dict, component: str) -> None:
    model, (clean, corrupted) = model_with(**changes), prompts(pos=4)
    grid = patch_grid(model, clean, corrupted, component, last_logit)
    assert_close(grid, slow_grid(model, clean, corrupted, component), rtol=1e-5, atol=1e-5)


def test_a_metric_of_earlier_positions_is_served_too() -> None:
    model, (clean, corrupted) = model_with(), prompts()

    def all_positions(logits: Tensor) -> Tensor:
        return logits[..., 2].sum(-1)

    grid = patch_grid(model, clean, corrupted, "resid_pre", all_positions)
    expected = slow_grid(model, clean, corrupted, "resid_pre", all_positions)
    assert_close(grid, expected)


def test_many_examples_in_chunks_equal_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    model, (clean, corrupted) = model_with(), prompts(n=40)
    whole = patch_grid(model, clean, corrupted, "z", last_logit)
    monkeypatch.setattr("circuits.patching.engine.CHUNK_ELEMENTS", 1)
    assert_close(patch_grid(model, clean, corrupted, "z", last_logit), whole)


@pytest.mark.parametrize("component", ["resid_pre", "attn_out", "z", "k"])
def test_a_grid_in_parts_is_the_whole_grid(monkeypatch: pytest.MonkeyPatch, component: str) -> None:
    model, (clean, corrupted) = model_with(), prompts()
    monkeypatch.setattr("circuits.patching.grid_runs._MAX_LOGITS", 1)
    grid = patch_grid(model, clean, corrupted, component, last_logit)
    assert_close(grid, slow_grid(model, clean, corrupted, component))


@pytest.mark.parametrize("component", ["resid_pre", "attn_out", "mlp_out"])
def test_prompts_may_share_prefixes_with_each_other_and_with_their_donors(component: str) -> None:
    model, (clean, corrupted) = model_with(), prompts()
    clean[0] = corrupted[0]  # the donor is the prompt itself
    clean[1, :2] = corrupted[1, :2]
    corrupted[2:5, 0] = clean[2, 0]
    grid = patch_grid(model, clean, corrupted, component, last_logit)
    assert_close(grid, slow_grid(model, clean, corrupted, component))


def test_patching_clean_into_clean_changes_nothing() -> None:
    model, (clean, _) = model_with(), prompts()
    unpatched = last_logit(model(clean)).detach().numpy()
    for component in COMPONENTS:
        grid = patch_grid(model, clean, clean, component, last_logit)
        assert_close(grid, np.broadcast_to(unpatched, grid.shape), rtol=1e-5, atol=1e-5)


def test_all_positions_of_the_last_residual_restore_the_clean_logits() -> None:
    model, (clean, corrupted) = model_with(), prompts()
    patch = Patch("resid_post", (model.depth - 1,), (0, 1, 2))
    patched = run_patched(model, corrupted, [patch], clean)
    torch.testing.assert_close(patched, model(clean)[:, -1], atol=1e-5, rtol=1e-5)


def test_several_patches_at_once_equal_several_hooks() -> None:
    model, (clean, corrupted) = model_with(), prompts()
    patches = [
        Patch("z", (1,), (0, 2), heads=(0, 2)),
        Patch("mlp_out", (0, 2), (1,)),
        Patch("attn_out", (2,), (2,), source="zero"),
        Patch("k", (2,), (1,), heads=(1,), source="mean"),
        Patch("pattern", (0,), (2,), heads=(1,)),
    ]
    _, cache = model.run_with_cache(clean)

    def hook_of(patch: Patch, layer: int):
        name = f"blocks.{layer}.{HOOKS[patch.component]}"
        new = {"cache": cache[name], "zero": torch.zeros_like(cache[name])}
        new["mean"] = cache[name].mean(0, keepdim=True).expand_as(cache[name])

        def write(x: Tensor, hook: object) -> Tensor:
            x = x.clone()
            for p in patch.positions:
                for h in patch.heads or (None,):
                    where: tuple = (slice(None), p) if h is None else (slice(None), p, h)
                    if patch.component == "pattern":
                        where = (slice(None), h, p)
                    x[where] = new[patch.source][where]
            return x

        return name, write

    hooks = [hook_of(patch, layer) for patch in patches for layer in patch.layers]
    expected = model.run_with_hooks(corrupted, fwd_hooks=hooks)[:, -1]
    patched = run_patched(model, corrupted, patches, clean)
    torch.testing.assert_close(patched, expected, atol=1e-5, rtol=1e-5)


def test_indices_from_the_end_patch_what_they_name() -> None:
    model, (clean, corrupted) = model_with(), prompts()
    from_the_end = run_patched(model, corrupted, [Patch("z", (-1,), (-1,), heads=(-2,))], clean)
    from_the_start = run_patched(model, corrupted, [Patch("z", (2,), (2,), heads=(1,))], clean)
    torch.testing.assert_close(from_the_end, from_the_start)
    assert not torch.allclose(from_the_end, model(corrupted)[:, -1])


def test_traced_suffixes_equal_traced_prompts() -> None:
    model, (clean, _) = model_with(), prompts()
    engine = PatchEngine(model)
    other = clean.clone()
    other[:, 1] = (other[:, 1] + 1) % 13
    whole = engine.trace(other)
    suffix = engine.trace(engine.embed(other)[:, 1:], past=engine.trace(clean))
    torch.testing.assert_close(suffix.resid, whole.resid[:, :, 1:])
    torch.testing.assert_close(suffix.k, whole.k)


@pytest.mark.parametrize("stop", [3, 2])
def test_runs_that_share_a_prefix_are_patched_to_the_same_logits(stop: int) -> None:
    model, (base, _) = model_with(), prompts(pos=4)
    engine = PatchEngine(model)
    for position in (0, 1, 2):
        other = torch.cat([base, base])
        other[:, position] = (other[:, position] + 1 + torch.arange(len(other)) % 5) % 13
        ours, theirs = engine.trace(base), engine.trace(other)
        found = run_batch_after(engine, ours, theirs, position, range(1, stop), stop)
        entering = {}
        for layer in range(1, stop):
            entering[layer] = ours.resid[layer][:, position:].repeat(2, 1, 1).unflatten(0, (2, -1))
            entering[layer][:, :, 0] = theirs.resid[layer][:, position].unflatten(0, (2, -1))
        expected = run_batch(engine, ours, position, entering, stop_at_layer=stop)
        assert list(found) == list(expected)
        for layer, logits in found.items():
            torch.testing.assert_close(logits, expected[layer])


@pytest.mark.parametrize("component", ["resid_pre", "attn_out", "mlp_out", "z", "v", "pattern"])
def test_the_grid_equals_transformerlens_patching(component: str) -> None:
    from transformer_lens import patching as theirs

    from circuits.model.transformer_lens_4 import to_bridge

    model, (clean, corrupted) = model_with(n_ctx=3), prompts()
    bridge = to_bridge(model)
    _, cache = bridge.run_with_cache(clean)
    name = "head_out" if component == "z" else f"head_{component}"
    by_head = component in HEAD_COMPONENTS
    function = f"attn_{name}_by_pos" if by_head else component
    grid = getattr(theirs, f"get_act_patch_{function}")
    expected = grid(bridge, corrupted, cache, lambda logits: last_logit(logits).mean()).detach()
    found = patch_grid(model, clean, corrupted, component, lambda x: last_logit(x).mean())  # type: ignore[arg-type]
    if component == "pattern":
        found = found.transpose("layer", "head", "position")
    assert_close(found, expected)


def test_without_a_metric_it_is_the_recovered_logit_difference() -> None:
    model, (clean, corrupted) = model_with(), prompts()
    grid = patch_grid(model, clean, corrupted, "resid_post")
    assert grid.dims == ("layer", "position")
    assert grid.sel(layer=model.depth - 1, position=2).item() == pytest.approx(1, abs=1e-5)
    assert grid.sel(layer=model.depth - 1, position=0).item() == pytest.approx(0, abs=1e-5)


def test_a_chosen_part_of_the_grid_is_that_part() -> None:
    model, (clean, corrupted) = model_with(), prompts()
    whole = patch_grid(model, clean, corrupted, "q", last_logit)
    part = patch_grid(model, clean, corrupted, "q", last_logit, layers=[2, 1], heads=[1])
    assert_close(part, whole.sel(layer=[2, 1], head=[1]))
    part = patch_grid(model, clean, corrupted, "q", last_logit, positions=[2, 0])
    assert_close(part, whole.sel(position=[2, 0]))


def test_what_does_not_exist_is_named() -> None:
    model, (clean, corrupted) = model_with(), prompts()
    with pytest.raises(HopscopeError, match="layer 7 does not exist; allowed: 0 to 2"):
        patch_grid(model, clean, corrupted, "q", last_logit, layers=[7])
    with pytest.raises(HopscopeError, match="unknown component 'resid'"):
        patch_grid(model, clean, corrupted, "resid", last_logit)  # type: ignore[arg-type]
    with pytest.raises(HopscopeError, match="do not pair up"):
        patch_grid(model, clean, corrupted[:2], "q", last_logit)
    with pytest.raises(HopscopeError, match=r"model\.eval"):
        patch_grid(model_with().train(), clean, corrupted, "q", last_logit)
    with pytest.raises(HopscopeError, match="has no heads"):
        Patch("resid_pre", (0,), (0,), heads=(1,))
    with pytest.raises(HopscopeError, match="position 9 does not exist"):
        run_patched(model, clean, [Patch("v", (0,), (9,))], clean)


def test_one_number_and_one_patch_need_no_brackets() -> None:
    assert Patch("z", 1, torch.tensor(2), heads=[0, 3]) == Patch("z", (1,), (2,), (0, 3))
    model, (tokens, _) = model_with(), prompts()
    one = Patch("mlp_out", 0, 1, source="zero")
    assert torch.equal(run_patched(model, tokens, one), run_patched(model, tokens, [one]))
    for wrong in ("relation_1", 0.5, ["subject"]):
        with pytest.raises(HopscopeError, match=r"positions = .* are not whole numbers"):
            Patch("z", 0, wrong)


def test_a_patch_survives_json() -> None:
    patch = Patch("z", (0, 1), (2,), heads=(1,), source="mean")
    assert Patch.from_json(patch.to_json()) == patch
    assert json.loads(patch.to_json())["heads"] == [1]
    with pytest.raises(HopscopeError, match="is not a patch"):
        Patch.from_json('{"what": 1}')


def test_a_component_without_influence_on_the_metric_is_flat() -> None:
    model, (clean, corrupted) = model_with(), prompts()
    grid = patch_grid(model, clean, corrupted, "mlp_out", last_logit, layers=[model.depth - 1])
    unpatched = last_logit(model(corrupted)).detach().numpy()
    for position in (0, 1):
        assert_close(grid.sel(position=position)[0], unpatched)
