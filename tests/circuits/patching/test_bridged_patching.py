"""Patching a bridged model by hooks gives the numbers of our engine on the same weights."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
import torch

from circuits import HookedTransformer, HopscopeError, ModelConfig, Patch, patch_grid, run_patched
from circuits.model.bridged import BridgedModel
from circuits.model.transformer_lens_4 import to_bridge
from circuits.patching import COMPONENTS, Component

CLEAN, CORRUPTED = torch.randint(20, (2, 4, 3), generator=torch.manual_seed(1))


@cache
def _models() -> tuple[HookedTransformer, BridgedModel]:
    cfg = ModelConfig(2, 16, n_ctx=3, d_vocab=20, n_heads=2, act_fn="gelu_new", init_range=0.4)
    ours = HookedTransformer(cfg).eval()
    return ours, BridgedModel(to_bridge(ours))


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_grid_of_any_component_is_the_same_on_the_bridge(component: Component) -> None:
    ours, theirs = (patch_grid(model, CLEAN, CORRUPTED, component) for model in _models())
    assert ours.dims == theirs.dims
    assert abs(ours - theirs).max() < 1e-5
    assert ours.std() > 1e-3


def test_several_patches_in_one_run_add_up_in_the_same_way() -> None:
    patches = [
        Patch("attn_out", 0, 1),
        Patch("resid_mid", (0, 1), 2, source="mean"),
        Patch("mlp_out", 1, -1, source="zero"),
        Patch("z", 1, 2, heads=1),
    ]
    ours, theirs = (run_patched(model, CORRUPTED, patches, CLEAN) for model in _models())
    assert torch.allclose(ours, theirs, atol=1e-5)


def test_an_edit_of_resid_mid_reaches_the_stream_and_not_only_the_mlp() -> None:
    """On the bare bridge it reaches the MLP alone, which is why the wrapper exists."""
    ours, theirs = _models()

    def double(x: torch.Tensor, hook: Any) -> torch.Tensor:
        return 2 * x

    hooks = [("blocks.0.hook_resid_mid", double)]
    with torch.no_grad():
        with ours.hooks(fwd_hooks=hooks):
            wanted = ours(CLEAN)
        with theirs.hooks(fwd_hooks=hooks):
            assert torch.allclose(theirs(CLEAN), wanted, atol=1e-5)
        with theirs.bridge.hooks(fwd_hooks=hooks):
            assert not torch.allclose(theirs.bridge(CLEAN), wanted, atol=1e-2)


def test_starting_and_stopping_at_a_layer_give_the_same_states() -> None:
    ours, theirs = _models()
    with torch.no_grad():
        for layer in (0, 1, 2):
            resid = ours(CLEAN, stop_at_layer=layer) if layer < 2 else None
            found = theirs(CLEAN, stop_at_layer=layer)
            assert resid is None or torch.allclose(found, resid, atol=1e-5)
            assert torch.allclose(theirs(found, start_at_layer=layer), ours(CLEAN), atol=1e-5)


def test_tokens_of_the_run_come_first_and_all_others_follow() -> None:
    ours, _ = _models()
    named = [7, 3, 19]
    model = BridgedModel(to_bridge(ours), named)
    order = [*named, *(i for i in range(20) if i not in named)]
    asked = torch.tensor([[0, 1, 2], [2, 2, 0]])
    with torch.no_grad():
        wanted = ours(torch.tensor(named)[asked])[..., order]
        assert torch.allclose(model(asked), wanted, atol=1e-5)
        assert torch.equal(model.W_E[:3], ours.W_E[named])
        assert torch.allclose(model.run_with_cache(asked)[0], wanted, atol=1e-5)


def test_a_component_that_does_not_exist_is_refused_with_those_that_do() -> None:
    model = BridgedModel(_models()[1].bridge)
    model.components = tuple(c for c in model.components if c != "pattern")
    with pytest.raises(HopscopeError, match=r"no pattern .*components here: resid_pre, resid_post"):
        patch_grid(model, CLEAN, CORRUPTED, "pattern")
    with pytest.raises(HopscopeError, match="no pattern"):
        run_patched(model, CLEAN, Patch("pattern", 0, 0), CORRUPTED)


def test_a_model_whose_states_do_not_decide_what_follows_is_refused() -> None:
    ours, _ = _models()

    class Cheats(HookedTransformer):
        def forward(self, tokens: Any, *args: Any, **kwargs: Any) -> Any:
            self.seen = tokens
            return super().forward(tokens, *args, **kwargs)

        def logits_of(self, resid: torch.Tensor) -> torch.Tensor:
            return super().logits_of(resid) + 5 * self.embed(self.seen).sum(-1, keepdim=True)

    cheat = Cheats(ours.cfg).eval()
    cheat.load_state_dict(ours.state_dict())
    with pytest.raises(HopscopeError, match="does not decode"):
        BridgedModel(cheat)


@pytest.mark.parametrize(
    ("tokens", "words"), [([1, 1], "same token"), ([5, 20], "0 to 19"), ([-1], "0 to 19")]
)
def test_a_vocabulary_that_does_not_fit_is_refused(tokens: list[int], words: str) -> None:
    with pytest.raises(HopscopeError, match=words):
        BridgedModel(_models()[1].bridge, tokens)


def test_something_without_hook_points_is_refused() -> None:
    with pytest.raises(HopscopeError, match="Linear has no hooks"):
        BridgedModel(torch.nn.Linear(2, 2))
