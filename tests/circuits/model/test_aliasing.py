"""No activation shares memory with a weight or with another activation: hooks may write."""

from __future__ import annotations

import copy
import itertools
from dataclasses import replace

import pytest
import torch

from circuits.model.config import ModelConfig
from circuits.model.transformer import HookedTransformer

CFG = ModelConfig(n_layers=2, d_model=8, n_ctx=4, d_vocab=12, n_heads=2, init_range=0.5)
TOKENS = torch.tensor([[0, 9, 10], [3, 10, 9]])
SHAPES = [
    {},
    {"n_heads": 1},
    {"n_layers": 1},
    {"n_layers": 1, "n_passes": 3},
    {"n_passes": 2},
    {"dropout": 0.1},
    {"d_head": 3, "d_mlp": 5},
    {"n_heads": 1, "d_head": 1, "d_model": 1, "d_mlp": 1},
]
CONFIGURATIONS = [
    replace(CFG, normalization_type=norm, tied_unembedding=tied, use_attn_result=result, **change)
    for norm, tied, result, change in itertools.product(
        ("LN", "RMS", None), (False, True), (False, True), SHAPES
    )
]


def _model(cfg: ModelConfig) -> HookedTransformer:
    """With biases that are not zero."""
    model = HookedTransformer(cfg).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1
    return model


def _weights(model: HookedTransformer) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def _changed(before: dict[str, torch.Tensor], after: dict[str, torch.Tensor]) -> set[str]:
    return {n for n in before if not torch.equal(before[n].nan_to_num(), after[n].nan_to_num())}


@pytest.mark.parametrize("cfg", CONFIGURATIONS, ids=str)
@torch.no_grad()
def test_writing_into_one_cached_activation_changes_nothing_else(cfg):
    model = _model(cfg)
    weights = _weights(model)
    _, cache = model.run_with_cache(TOKENS[:, :1] if cfg.d_model == 1 else TOKENS)
    before = {name: tensor.clone() for name, tensor in cache.items()}
    for name in cache:
        cache[name].fill_(7.0)
        assert _changed(before, cache) <= {name}, name
        cache[name].copy_(before[name])
    assert not _changed(weights, model.state_dict())


@pytest.mark.parametrize("cfg", CONFIGURATIONS, ids=str)
@torch.no_grad()
def test_a_hook_that_writes_in_place_does_what_one_that_returns_a_tensor_does(cfg):
    """At every hook point: equal logits, equal activations elsewhere, the weights as before."""
    model = _model(cfg)
    weights = _weights(model)
    names = list(model.run_with_cache(TOKENS)[1])

    def write(activation, hook):
        activation.mul_(0.5)

    def replace_(activation, hook):
        return activation * 0.5

    for name in names:
        written, replaced = {}, {}
        for hook, cache in ((write, written), (replace_, replaced)):
            # the cache takes its tensors before the hook acts
            _, fwd, _ = model.get_caching_hooks(cache=cache)
            cache["logits"] = model.run_with_hooks(TOKENS, fwd_hooks=[*fwd, (name, hook)])
        assert _changed(replaced, written) <= {name}, name
        assert not _changed(weights, model.state_dict()), name


def test_a_cache_keeps_its_numbers_when_other_weights_are_loaded():
    model, other = _model(CFG), HookedTransformer(replace(CFG, seed=1))
    _, cache = model.run_with_cache(TOKENS)
    before = copy.deepcopy(dict(cache.items()))
    model.load_state_dict(other.state_dict())
    assert not _changed(before, cache)


@torch.no_grad()
def test_a_stream_that_goes_in_or_comes_out_is_not_the_cached_one():
    model = _model(CFG)
    out, cache = model.run_with_cache(TOKENS, stop_at_layer=1)
    before = cache["resid_post", 0].clone()
    out.fill_(7.0)
    assert torch.equal(cache["resid_post", 0], before)

    def silence(activation, hook):
        activation.zero_()

    model.run_with_hooks(before, start_at_layer=1, fwd_hooks=[("blocks.1.hook_resid_pre", silence)])
    assert torch.equal(cache["resid_post", 0], before)


def test_cached_gradients_do_not_share_memory():
    model = _model(CFG)
    _, cache = model.run_with_cache(TOKENS, return_type="loss", incl_bwd=True)
    before = {name: tensor.clone() for name, tensor in cache.items()}
    gradients = [name for name in cache if name.endswith("_grad")]
    assert len(gradients) > 20
    for name in gradients:
        cache[name].fill_(7.0)
        assert _changed(before, cache) <= {name}, name
        cache[name].copy_(before[name])


@pytest.mark.parametrize("tied", [False, True])
def test_directions_and_stacks_are_copies_of_the_weights(tied):
    model = _model(replace(CFG, tied_unembedding=tied))
    weights = _weights(model)
    with torch.no_grad():
        for token in (3, torch.tensor(3), torch.tensor([3, 4])):
            model.tokens_to_residual_directions(token).zero_()
        for name in ("W_Q", "W_O", "b_O", "W_in", "b_out", "W_E_pos"):
            getattr(model, name).zero_()
        model.accumulated_bias(1).zero_()
    assert not _changed(weights, model.state_dict())
