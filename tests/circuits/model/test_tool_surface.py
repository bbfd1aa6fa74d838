"""TransformerLens's cache and tools on our model give what they give on its bridge."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from typing import Any

import pytest
import torch
from transformer_lens import ActivationCache, SVDInterpreter, patching
from transformer_lens.head_detector import detect_head
from transformer_lens.model_protocol import TransformerLensModelWithWeights
from transformer_lens.tools import analysis

from circuits.errors import HopscopeError
from circuits.model.config import ModelConfig
from circuits.model.transformer import HookedTransformer
from circuits.model.transformer_lens_4 import to_bridge
from circuits.model.unfolded_cache import UnfoldedCache

CFG = ModelConfig(n_layers=2, d_model=16, n_ctx=4, d_vocab=12, n_heads=2, init_range=0.3)
TOKENS = torch.tensor([[0, 9, 10], [3, 10, 9], [5, 9, 9]])
CLEAN, CORRUPTED = TOKENS[:1], torch.tensor([[4, 9, 10]])
CONFIGURATIONS = {
    "LN": {},
    "RMS": {"normalization_type": "RMS"},
    "no norm": {"normalization_type": None},
    "tied": {"tied_unembedding": True},
    "shared blocks": {"n_passes": 2},
}
close = partial(torch.testing.assert_close, rtol=1e-4, atol=1e-5)


@cache
def _models(which: str) -> tuple[HookedTransformer, Any]:
    """Ours with biases, and its bridge."""
    model = HookedTransformer(replace(CFG, **CONFIGURATIONS[which])).eval()
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if ".W_" not in name:
                parameter += 0.2 * torch.randn(parameter.shape, generator=generator)
    return model, to_bridge(model)


def _agree(call: Callable[[Any], Any], which: str) -> None:
    ours, theirs = (call(model) for model in _models(which))
    if isinstance(ours, tuple):
        ours, labels = ours
        theirs, their_labels = theirs
        assert labels == their_labels
    if isinstance(ours, torch.Tensor):
        ours, theirs = (x.as_subclass(torch.Tensor) for x in (ours, theirs))
        assert ours.isfinite().all()
        close(ours, theirs)
    else:
        assert ours == theirs


def _on_cache(call: Callable[[ActivationCache], Any]) -> Callable[[Any], Any]:
    """Of the bridge's cache, too, with the norms' weights (`test_unfolded_cache`)."""
    return lambda model: call(UnfoldedCache.of(model.run_with_cache(TOKENS)[1]))


def _head_results(cache: ActivationCache) -> torch.Tensor:
    cache.compute_head_results()
    return torch.stack([cache["result", i] for i in range(2)])


# Every public method of the cache. Left out: `toggle_autodiff`, which is torch.set_grad_enabled.
CACHE_CALLS: dict[str, list[Callable[[ActivationCache], Any]]] = {
    "accumulated_resid": [
        lambda c: c.accumulated_resid(return_labels=True),
        lambda c: c.accumulated_resid(incl_mid=True, apply_ln=True),
        lambda c: c.accumulated_resid(layer=1, mlp_input=True, pos_slice=-1),
    ],
    "apply_ln_to_stack": [
        lambda c: c.apply_ln_to_stack(c.decompose_resid(), layer=-1),
        lambda c: c.apply_ln_to_stack(c.decompose_resid(layer=1), layer=1, mlp_input=True),
        lambda c: c.apply_ln_to_stack(c.accumulated_resid(), recompute_ln=True),
    ],
    "apply_slice_to_batch_dim": [lambda c: c.apply_slice_to_batch_dim(1)["resid_post", 1]],
    "compute_head_results": [_head_results],
    "decompose_resid": [
        lambda c: c.decompose_resid(return_labels=True),
        lambda c: c.decompose_resid(layer=1, mlp_input=True, mode="attn", apply_ln=True),
        lambda c: c.decompose_resid(mode="mlp", incl_embeds=False, pos_slice=1),
    ],
    "get_full_resid_decomposition": [
        lambda c: c.get_full_resid_decomposition(return_labels=True),
        lambda c: c.get_full_resid_decomposition(layer=1, mlp_input=True, expand_neurons=False),
        lambda c: c.get_full_resid_decomposition(apply_ln=True, pos_slice=-1),
        lambda c: c.get_full_resid_decomposition(
            apply_ln=c.model.cfg.normalization_type is not None,  # TransformerLens finds no scale
            project_output_onto=c.model.W_U[:, 3],
        ),
    ],
    "get_neuron_results": [lambda c: c.get_neuron_results(1, neuron_slice=(2, 5))],
    "logit_attrs": [
        lambda c: c.logit_attrs(c.decompose_resid(), 5),
        lambda c: c.logit_attrs(c.decompose_resid(), TOKENS[:, 2], TOKENS[:, 1]),
        lambda c: c.logit_attrs(c.decompose_resid(pos_slice=-1), TOKENS[:, 0], pos_slice=-1),
    ],
    "logit_lens": [
        lambda c: c.logit_lens(targets=[5, 6]).values,
        lambda c: c.logit_lens(top_k=3, positions=None, return_type="probs").values,
    ],
    "stack_activation": [
        lambda c: c.stack_activation("z"),
        lambda c: c.stack_activation("mlp_out"),
    ],
    "stack_head_results": [
        lambda c: c.stack_head_results(return_labels=True),
        lambda c: c.stack_head_results(layer=1, apply_ln=True, incl_remainder=True),
    ],
    "stack_neuron_results": [
        lambda c: c.stack_neuron_results(2, return_labels=True),
        lambda c: c.stack_neuron_results(1, apply_ln=True, incl_remainder=True, pos_slice=-1),
    ],
    "ssm_layers": [lambda c: c.ssm_layers()],
    "to": [lambda c: c.to("cpu")["embed"]],
}
# These hold what a bridge has beyond ours (inputs and outputs of each module): a subset is equal.
CONTENTS = {"keys", "values", "items"}
# A state-space model's; both have none and say so with the same error.
STATE_SPACE = {"compute_ssm_effective_attention", "compute_ssm_state"}


def test_every_public_method_of_the_cache_is_tried():
    public = {n for n, _ in inspect.getmembers(ActivationCache) if not n.startswith("_")}
    tried = {*CACHE_CALLS, *CONTENTS, *STATE_SPACE, "remove_batch_dim", "toggle_autodiff"}
    assert public == tried


@pytest.mark.parametrize("which", CONFIGURATIONS)
@pytest.mark.parametrize("method", CACHE_CALLS)
def test_a_method_of_the_cache_gives_the_bridge_s_numbers(method, which):
    if which == "no norm" and method == "logit_lens":
        which = "LN"  # the bridge's identity norm has no scale to check
    for call in CACHE_CALLS[method]:
        _agree(_on_cache(call), which)


@pytest.mark.parametrize("which", CONFIGURATIONS)
def test_the_cache_holds_the_bridge_s_activations(which):
    ours, theirs = (model.run_with_cache(TOKENS)[1] for model in _models(which))
    names = [name for name in ours if not name.endswith("attn_scores")]  # see `to_bridge`
    assert len(names) == len(list(ours.values())) - _models(which)[0].depth
    for name in names:
        close(dict(ours.items())[name], theirs[name], msg=name)


def test_a_cache_without_its_batch_axis_has_the_bridge_s_numbers():
    for call in (
        lambda c: c.get_full_resid_decomposition(apply_ln=False),
        lambda c: c.accumulated_resid(apply_ln=True),
        lambda c: c["pattern", -1],
    ):
        _agree(lambda m, call=call: call(m.run_with_cache(CLEAN)[1].remove_batch_dim()), "LN")
        _agree(lambda m, call=call: call(m.run_with_cache(CLEAN, remove_batch_dim=True)[1]), "LN")


@pytest.mark.parametrize("method", sorted(STATE_SPACE))
def test_a_state_space_method_finds_no_such_layer(method):
    for model in _models("LN"):
        with pytest.raises(RuntimeError, match="No SSM mixer"):
            getattr(model.run_with_cache(TOKENS)[1], method)()


def _metric(logits: torch.Tensor) -> torch.Tensor:
    return logits[0, -1, 7]


STACKS = (
    *("W_Q", "W_K", "W_V", "W_O", "b_Q", "b_K", "b_V", "b_O"),
    *("W_in", "b_in", "W_out", "b_out", "W_E", "W_U", "b_U", "W_pos", "W_E_pos"),
)
MODEL_CALLS: dict[str, Callable[[Any], Any]] = {
    **{name: lambda m, name=name: getattr(m, name) for name in STACKS},
    "W_gate": lambda m: m.W_gate,
    "QK": lambda m: m.QK.AB,
    "OV": lambda m: m.OV.AB,
    "all_head_labels": lambda m: m.all_head_labels,
    "attn_head_labels": lambda m: m.attn_head_labels,
    **{
        f"composition {k}": lambda m, k=k: m.all_composition_scores(k).scores.as_subclass(
            torch.Tensor
        )
        for k in "QKV"
    },
    "accumulated_bias": lambda m: m.accumulated_bias(2),
    "accumulated_bias before an MLP": lambda m: m.accumulated_bias(1, mlp_input=True),
    "accumulated_bias of attention": lambda m: m.accumulated_bias(2, include_mlp_biases=False),
    "loss": lambda m: m(TOKENS, return_type="loss"),
    "loss per token": lambda m: m(TOKENS, return_type="loss", loss_per_token=True),
    "both": lambda m: m(TOKENS, return_type="both")[1],
    "None": lambda m: m(TOKENS, return_type=None),
    "loss_fn": lambda m: m.loss_fn(m(TOKENS), TOKENS, per_token=True),
    "unembed": lambda m: m.unembed(m(TOKENS, stop_at_layer=1)),
    "ln_final": lambda m: m.ln_final(m(TOKENS, stop_at_layer=1)),
    "embed": lambda m: m.embed(TOKENS),
    "start_at_layer": lambda m: m(m(TOKENS, stop_at_layer=1), start_at_layer=1),
    "directions": lambda m: m.tokens_to_residual_directions(TOKENS),
    "direction of one": lambda m: m.tokens_to_residual_directions(5),
    "direction of a [1, 1] tensor": lambda m: m.tokens_to_residual_directions(TOKENS[:1, :1]),
    "tl_parameters": lambda m: m.tl_parameters()["blocks.1.attn.W_Q"],
    "hooks": lambda m: m.run_with_hooks(
        TOKENS, fwd_hooks=[("blocks.0.attn.hook_z", lambda z, hook: z * 2)]
    ),
    "a filter of names": lambda m: sorted(
        m.run_with_cache(TOKENS, names_filter=lambda name: name.endswith("hook_z"))[1]
    ),
    "pos_slice": lambda m: m.run_with_cache(TOKENS, pos_slice=-1)[1]["blocks.0.attn.hook_q"],
    "gradients": lambda m: m.run_with_cache(TOKENS, return_type="loss", incl_bwd=True)[1][
        "blocks.1.hook_resid_pre_grad"
    ],
    "logit_lens": lambda m: analysis.logit_lens(m, TOKENS, top_k=3).values,
    "logit_readout": lambda m: analysis.logit_readout(m, m(TOKENS, stop_at_layer=1)[0]).values,
    "SVD of OV": lambda m: (
        SVDInterpreter(m).get_singular_vectors("OV", 1, head_index=1, num_vectors=3).abs()
    ),
    "SVD of W_in": lambda m: SVDInterpreter(m).get_singular_vectors("w_in", 1, num_vectors=3).abs(),
}
UNROLLED_ONLY = {"logit_lens"}  # reads cfg.n_layers, so it needs the bridge of shared blocks


@pytest.mark.parametrize("which", CONFIGURATIONS)
@pytest.mark.parametrize("call", MODEL_CALLS)
def test_a_call_of_the_model_gives_the_bridge_s_numbers(call, which):
    if which == "shared blocks" and call in UNROLLED_ONLY:
        which = "LN"
    _agree(MODEL_CALLS[call], which)


def test_the_model_satisfies_transformerlens_s_protocol():
    assert isinstance(_models("LN")[0], TransformerLensModelWithWeights)


# On the bridge, resid_mid is the input of the MLP alone and not the stream (see `to_bridge`).
PATCHES = [
    name
    for name in dir(patching)
    if name.startswith("get_act_patch") and "direct" not in name and "resid_mid" not in name
]


@pytest.mark.parametrize("name", [name for name in PATCHES if not name.endswith("every")])
def test_transformerlens_s_patching_gives_the_bridge_s_numbers(name):
    def patch(model: Any) -> torch.Tensor:
        cache = model.run_with_cache(CLEAN)[1]
        return getattr(patching, name)(model, CORRUPTED, cache, _metric)

    assert len(PATCHES) > 15
    _agree(patch, "LN")


def test_direct_path_patching_points_to_the_bridge():
    model = _models("LN")[0]
    clean, corrupted = (model.run_with_cache(tokens)[1] for tokens in (CLEAN, CORRUPTED))
    with pytest.raises(HopscopeError, match=r"use to_bridge\(model\)"):
        patching.get_act_patch_direct_path(model, CORRUPTED, clean, corrupted, _metric, 0, 1)


def test_head_results_are_kept_after_asking_for_them():
    model = HookedTransformer(CFG)
    model.set_use_attn_result(True)
    assert "blocks.0.attn.hook_result" in model.run_with_cache(TOKENS)[1]


def test_attribution_patching_gives_the_bridge_s_numbers():
    ours, theirs = (
        analysis.attribution_patch(model, CLEAN, CORRUPTED, _metric).node_scores
        for model in _models("LN")
    )
    assert ours.keys() == theirs.keys()
    for node, score in ours.items():
        assert score == pytest.approx(theirs[node], rel=1e-3, abs=1e-5)


def test_a_head_is_detected_from_token_ids():
    """The bridge wants text here, and has no tokenizer; the answer is the attention itself."""
    model = _models("LN")[0]
    itself = torch.eye(3)
    found = detect_head(model, CLEAN, itself)
    pattern = model.run_with_cache(CLEAN)[1].stack_activation("pattern")[:, 0]
    close(found, pattern.diagonal(dim1=-2, dim2=-1).sum(-1) / 3)


def test_what_edits_and_gradients_mean_differs_from_the_bridge_only_where_its_docstring_says():
    model, bridge = _models("LN")
    names = list(model.run_with_cache(TOKENS)[1])
    hooks = [[(name, lambda x, hook: x * 0.5)] for name in names]
    moved = {
        hook[0][0]
        for hook in hooks
        if not torch.allclose(
            model.run_with_hooks(TOKENS, fwd_hooks=hook),
            bridge.run_with_hooks(TOKENS, fwd_hooks=hook),
            atol=1e-5,
        )
    }
    ours, theirs = (
        m.run_with_cache(TOKENS, return_type="loss", incl_bwd=True)[1] for m in (model, bridge)
    )
    graded = {n for n in names if n + "_grad" in theirs}
    apart = {
        n for n in graded if not torch.allclose(ours[n + "_grad"], theirs[n + "_grad"], atol=1e-5)
    }
    scores, mid = (
        {f"blocks.{i}.{n}" for i in range(2)} for n in ("attn.hook_attn_scores", "hook_resid_mid")
    )
    assert moved == scores | mid
    assert apart == mid
    assert set(names) - graded == scores


@pytest.mark.parametrize(
    "ask",
    [
        lambda m: m.to_single_token("Lyon"),
        lambda m: m.to_tokens("Lyon"),
        lambda m: m.to_tokens(["Lyon", "Paris"]),
        lambda m: m.tokens_to_residual_directions("Lyon"),
        lambda m: m.to_str_tokens(TOKENS[0]),
        lambda m: m.to_string(TOKENS[0]),
        lambda m: m.run_with_cache(TOKENS)[1].logit_attrs(torch.ones(1, 3, 3, 16), "Lyon"),
        lambda m: m.run_with_cache(TOKENS)[1].logit_lens(targets="Lyon"),
    ],
)
def test_names_are_refused_with_the_way_to_token_ids(ask):
    with pytest.raises(HopscopeError, match=r"no tokenizer.*run\.vocab"):
        ask(_models("LN")[0])


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda m: m(TOKENS[:, :1], return_type="loss"), "at least 2 tokens"),
        (lambda m: m(TOKENS, return_type="logit"), "Did you mean 'logits'"),
        (lambda m: m(torch.zeros(1, 3, 16), start_at_layer=1, return_type="loss"), "token ids"),
        (lambda m: m.run_with_cache(TOKENS, incl_bwd=True), "return_type='loss'"),
        (lambda m: m.run_with_cache(TOKENS, remove_batch_dim=True), "one prompt; these are 3"),
        (lambda m: m(TOKENS, start_at_layer=1), "the residual stream"),
        (lambda m: m(torch.zeros(1, 3, 15), start_at_layer=1), r"\[1, 3, 15\] does not fit"),
        (lambda m: m.accumulated_bias(3), "layer 3 does not exist here; give 0 to 2"),
        (lambda m: m.accumulated_bias(2, mlp_input=True), "give 0 to 1"),
        (lambda m: m.tokens_to_residual_directions(12), "outside the vocabulary"),
        (lambda m: m.all_composition_scores("O"), "composition mode 'O'"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_sentence(ask, message):
    with pytest.raises(HopscopeError, match=message):
        ask(_models("LN")[0])
