"""Attributions add up to what the model computes, on norms that keep their weights."""

from __future__ import annotations

import pickle
from dataclasses import replace
from functools import cache, partial
from typing import Any

import pytest
import torch
import transformers
from transformer_lens.ActivationCache import ActivationCache
from transformer_lens.model_bridge.sources._bridge_builder import build_bridge_from_module

from circuits.model.bridged import wrapped
from circuits.model.config import ModelConfig
from circuits.model.transformer import HookedTransformer
from circuits.model.transformer_lens_4 import to_bridge

CFG = ModelConfig(n_layers=2, d_model=16, n_ctx=4, d_vocab=12, n_heads=2, init_range=0.3)
TOKENS = torch.tensor([[0, 9, 10], [3, 10, 9], [5, 9, 9]])
KINDS: dict[str, dict[str, Any]] = {
    "LN": {},
    "RMS": {"normalization_type": "RMS"},
    "no norm": {"normalization_type": None},
    "tied": {"tied_unembedding": True},
    "shared blocks": {"n_passes": 2},
}
close = partial(torch.testing.assert_close, rtol=1e-4, atol=1e-4)


@cache
def ours(kind: str) -> HookedTransformer:
    model = HookedTransformer(replace(CFG, **KINDS[kind])).eval()
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if ".W_" not in name:
                parameter += 0.5 * torch.randn(parameter.shape, generator=generator)
    return model


def bias_of(model: HookedTransformer, token: int) -> torch.Tensor:
    """What of a logit belongs to no component."""
    own = getattr(model.ln_final, "b", None)
    return model.b_U[token] + (0 if own is None else own @ model.W_U[:, token])


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_attributions_and_the_bias_are_the_logit(kind: str) -> None:
    model = ours(kind)
    logits, activations = model.run_with_cache(TOKENS)
    heads = activations.stack_head_results(layer=-1, pos_slice=-1, incl_remainder=True)
    for parts in (activations.decompose_resid(pos_slice=-1), heads):
        attributed = activations.logit_attrs(parts, 5, pos_slice=-1).sum(0)
        close(attributed + bias_of(model, 5), logits[:, -1, 5])
        apart = activations.logit_attrs(parts, 5, incorrect_tokens=7, pos_slice=-1).sum(0)
        close(apart + bias_of(model, 5) - bias_of(model, 7), logits[:, -1, 5] - logits[:, -1, 7])


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "no norm"])
@torch.no_grad()
def test_neurons_that_are_projected_at_once_add_up_to_the_logit(kind: str) -> None:
    model = ours(kind)
    logits, activations = model.run_with_cache(TOKENS)
    of_5 = activations.get_full_resid_decomposition(
        apply_ln=True, pos_slice=-1, project_output_onto=model.W_U[:, 5]
    )
    close(of_5.sum(0) + bias_of(model, 5), logits[:, -1, 5])


@pytest.mark.parametrize("kind", ["LN", "RMS"])
@pytest.mark.parametrize("mlp_input", [False, True], ids=["attention", "MLP"])
@torch.no_grad()
def test_parts_of_an_input_and_the_bias_are_what_the_norm_passes_on(
    kind: str, mlp_input: bool
) -> None:
    model = ours(kind)
    activations = model.run_with_cache(TOKENS)[1]
    parts = activations.decompose_resid(layer=1, mlp_input=mlp_input, apply_ln=True)
    block = model.blocks[1]
    norm = block.ln2 if mlp_input else block.ln1
    state = activations["resid_mid" if mlp_input else "resid_pre", 1]
    bias = getattr(norm, "b", None)
    close(parts.sum(0) + (0 if bias is None else bias), norm(state))


@pytest.mark.parametrize("kind", ["LN", "RMS"])
@torch.no_grad()
def test_attributions_equal_those_of_transformerlens_with_folded_weights(kind: str) -> None:
    model = ours(kind)
    folded = to_bridge(model)
    folded.enable_compatibility_mode(disable_warnings=True)
    found = []
    for one in (model, folded):
        activations = one.run_with_cache(TOKENS)[1]
        parts = activations.decompose_resid(pos_slice=-1)
        found.append(activations.logit_attrs(parts, 5, incorrect_tokens=7, pos_slice=-1))
    # folding moves biases between components, but what one writes because of its input stays
    close(*(x - x.mean(-1, keepdim=True) for x in found))


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_a_slice_and_a_copy_of_a_cache_add_up_too(kind: str) -> None:
    model = ours(kind)
    logits, whole = model.run_with_cache(TOKENS)
    copied = pickle.loads(pickle.dumps(whole))
    for part, rows in ((whole.apply_slice_to_batch_dim([0, 2]), [0, 2]), (copied, [0, 1, 2])):
        parts = part.decompose_resid(pos_slice=-1)
        attributed = part.logit_attrs(parts, 5, pos_slice=-1).sum(0)
        close(attributed + bias_of(model, 5), logits[rows, -1, 5])
    one = whole.apply_slice_to_batch_dim(1)
    parts = one.decompose_resid(pos_slice=-1)
    attributed = one.logit_attrs(parts, 5, pos_slice=-1, has_batch_dim=False).sum(0)
    close(attributed + bias_of(model, 5), logits[1, -1, 5])


def test_parts_of_an_input_stay_where_the_cache_is_and_need_no_gradient() -> None:
    activations = ours("LN").run_with_cache(TOKENS)[1]
    assert not activations.decompose_resid(layer=1, apply_ln=True).requires_grad
    moved = activations.to("meta")  # another device than the model's
    assert moved.decompose_resid(layer=1, apply_ln=True).is_meta


@torch.no_grad()
def test_attributions_of_a_bridge_are_to_the_tokens_of_the_run() -> None:
    own = [4, 7, 2, 9, 10, 3, 0]  # the bridge's ids of the run's tokens 0 to 6
    model = ours("LN")
    logits, activations = wrapped(to_bridge(model), own).run_with_cache([[0, 1, 2], [3, 4, 5]])
    parts = activations.decompose_resid(pos_slice=-1)
    of_5 = activations.logit_attrs(parts, 5, pos_slice=-1).sum(0)
    close(of_5 + bias_of(model, own[5]), logits[:, -1, 5])
    answers = torch.tensor([6, 1])
    apart = activations.logit_attrs(parts, answers, torch.tensor([5, 5]), pos_slice=-1).sum(0)
    bias = torch.stack([bias_of(model, own[i]) - bias_of(model, own[5]) for i in (6, 1)])
    close(apart + bias, logits[[0, 1], -1, answers] - logits[:, -1, 5])
    close(activations.logit_lens().values[-1], logits[:, -1])


@pytest.mark.parametrize("name", ["GPT2", "Llama", "Gemma"])
@torch.no_grad()
def test_attributions_in_other_architectures_add_up(name: str) -> None:
    small = {"vocab_size": 12, "bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 0}
    shape = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    more = {"intermediate_size": 32, "num_key_value_heads": 1, "head_dim": 8}
    gpt2 = {"n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 8}
    own = gpt2 if name == "GPT2" else shape | more
    config = getattr(transformers, f"{name}Config")(**small, **own)
    architecture = "GPT2LMHeadModel" if name == "GPT2" else f"{name}ForCausalLM"
    torch.manual_seed(0)
    theirs = getattr(transformers, architecture)(config)
    for parameter in theirs.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    model = wrapped(build_bridge_from_module(theirs, architecture, hf_config=theirs.config))
    logits, activations = model.run_with_cache(TOKENS)
    assert isinstance(activations, ActivationCache)
    parts = activations.decompose_resid(pos_slice=-1)
    bridge = activations.model
    bias = getattr(bridge.ln_final, "b", None)
    rest = 0 if bias is None else bias @ bridge.W_U[:, 5]
    close(activations.logit_attrs(parts, 5, pos_slice=-1).sum(0) + rest, logits[:, -1, 5])
