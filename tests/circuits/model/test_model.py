"""The hooked transformer: hooks, states, sharing, configuration."""

from __future__ import annotations

import copy
import math
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from transformer_lens.ActivationCache import ActivationCache

from circuits.errors import HopscopeError
from circuits.model.config import ModelConfig
from circuits.model.hook_free import fast_logits
from circuits.model.plain import PlainTransformer
from circuits.model.transformer import HookedTransformer, resid_name
from circuits.recipes.schema import ModelSection

CFG = ModelConfig(n_layers=2, d_model=32, n_ctx=4, d_vocab=12, n_heads=4, init_range=0.2)
TOKENS = torch.tensor([[0, 9, 10], [3, 10, 9], [5, 9, 9]])


def test_weights_follow_the_seed_and_leave_the_global_random_state_alone():
    before = torch.get_rng_state()
    first, again = HookedTransformer(CFG), HookedTransformer(CFG)
    other = HookedTransformer(replace(CFG, seed=1))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first.W_E, again.W_E)
    assert not torch.equal(first.W_E, other.W_E)


def test_weights_that_write_into_the_stream_start_smaller_by_the_root_of_twice_the_depth():
    cfg = ModelConfig(n_layers=2, d_model=128, n_ctx=4, d_vocab=300, n_heads=4, n_passes=4)
    block = HookedTransformer(cfg).blocks[1]
    assert block.mlp.W_in.std().item() == pytest.approx(0.02, rel=0.05)
    assert block.mlp.W_out.std().item() == pytest.approx(0.02 / math.sqrt(16), rel=0.05)
    assert not block.attn.b_Q.any()


def test_the_cache_has_transformerlens_names_and_tools():
    model = HookedTransformer(CFG)
    logits, cache = model.run_with_cache(TOKENS)
    assert isinstance(cache, ActivationCache)
    assert cache["resid_post", 0].shape == (3, 3, 32)
    assert cache["q", -1].shape == (3, 3, 4, 8)
    assert cache["pattern", 0].shape == (3, 4, 3, 3)
    torch.testing.assert_close(cache["pattern", 0].sum(-1), torch.ones(3, 4, 3))
    assert torch.equal(model.logits_of(cache[resid_name(model, 2)]), logits)
    parts = cache.decompose_resid(layer=-1)
    torch.testing.assert_close(parts.sum(0), cache["resid_post", 1], rtol=1e-5, atol=1e-5)


def test_head_results_are_kept_on_request_and_add_up():
    model = HookedTransformer(CFG)
    name = "blocks.0.attn.hook_result"
    assert name not in model.run_with_cache(TOKENS)[1]
    _, cache = model.run_with_cache(TOKENS, names_filter=[name, "blocks.0.hook_attn_out"])
    total = cache[name].sum(2) + model.blocks[0].attn.b_O
    torch.testing.assert_close(total, cache["blocks.0.hook_attn_out"], rtol=1e-5, atol=1e-5)
    model = HookedTransformer(replace(CFG, use_attn_result=True))
    assert name in model.run_with_cache(TOKENS)[1]


def test_a_hook_replaces_a_state_and_is_gone_afterwards():
    model = HookedTransformer(CFG)
    clean = model(TOKENS)
    _, cache = model.run_with_cache(TOKENS[[0]])

    def patch(resid, hook):
        return cache[hook.name].expand_as(resid)

    patched = model.run_with_hooks(TOKENS, fwd_hooks=[(resid_name(model, 2), patch)])
    torch.testing.assert_close(patched, clean[[0]].expand_as(clean))
    assert torch.equal(model(TOKENS), clean)


@pytest.mark.parametrize("layer", [0, 1, 2, -1])
def test_starting_at_a_layer_from_its_state_gives_the_same_logits(layer):
    model = HookedTransformer(CFG)
    resid = model(TOKENS, stop_at_layer=layer)
    assert torch.equal(model(resid, start_at_layer=layer), model(TOKENS))


def test_later_tokens_do_not_reach_earlier_positions():
    model = HookedTransformer(CFG)
    changed = TOKENS.clone()
    changed[:, 2] = 1
    assert torch.equal(model(changed)[:, :2], model(TOKENS)[:, :2])


def test_two_passes_equal_a_model_with_the_blocks_written_out():
    shared = HookedTransformer(replace(CFG, n_passes=2))
    untied = HookedTransformer(shared.cfg.unrolled())
    state = shared.state_dict()
    for i in (2, 3):
        prefix = f"blocks.{i - 2}."
        copies = {n: t for n, t in state.items() if n.startswith(prefix)}
        state |= {n.replace(prefix, f"blocks.{i}.", 1): t for n, t in copies.items()}
    untied.load_state_dict(state)
    logits, cache = shared.run_with_cache(TOKENS)
    expected, untied_cache = untied.run_with_cache(TOKENS)
    assert torch.equal(logits, expected)
    assert set(cache) == set(untied_cache)
    assert all(torch.equal(cache[name], untied_cache[name]) for name in cache)
    assert cache["resid_post", -1].shape == (3, 3, 32)
    assert cache.accumulated_resid().shape[0] == shared.depth + 1 == 5


def test_shared_parameters_are_stored_and_trained_once():
    shared, single = HookedTransformer(replace(CFG, n_passes=3)), HookedTransformer(CFG)
    assert list(shared.state_dict()) == list(single.state_dict())
    assert len(list(shared.parameters())) == len(list(single.parameters()))


def test_a_hook_on_the_second_pass_leaves_the_first_alone():
    model = HookedTransformer(replace(CFG, n_passes=2))
    _, clean = model.run_with_cache(TOKENS)
    with model.hooks([("blocks.2.hook_mlp_out", lambda out, hook: torch.zeros_like(out))]):
        _, cache = model.run_with_cache(TOKENS)
    assert torch.equal(cache["mlp_out", 0], clean["mlp_out", 0])
    assert not torch.equal(cache["resid_post", 2], clean["resid_post", 2])


def test_a_tied_unembedding_is_the_embedding():
    model = HookedTransformer(replace(CFG, tied_unembedding=True))
    assert torch.equal(model.W_U, model.W_E.T)
    assert "unembed.W_U" not in model.state_dict()


def test_a_configuration_survives_json():
    cfg = replace(CFG, normalization_type=None, n_passes=3)
    assert ModelConfig.from_json(cfg.to_json()) == cfg
    assert ModelConfig.from_json(cfg.to_json_text()) == cfg


def test_a_recipe_s_model_fills_in_widths():
    cfg = ModelConfig.from_recipe(ModelSection(), d_vocab=250, n_ctx=3, seed=7)
    assert (cfg.d_head, cfg.d_mlp, cfg.d_vocab, cfg.seed) == (32, 512, 250, 7)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_heads": 5, "d_head": 0}, "divisible by n_heads"),
        ({"n_layers": 0}, "n_layers"),
        ({"d_vocab": 2.5}, "d_vocab"),
        ({"act_fn": "gelo"}, "Did you mean 'gelu'"),
        ({"normalization_type": "BN"}, "normalization_type"),
        ({"dropout": 1.0}, "dropout"),
        ({"eps": math.nan}, "eps"),
    ],
)
def test_an_impossible_model_is_refused(change, message):
    with pytest.raises(HopscopeError, match=message):
        replace(CFG, **change)


@pytest.mark.parametrize("text", ["{", "[1]", '{"n_layer": 2}', '{"n_layers": 2}'])
def test_a_damaged_configuration_is_refused(text):
    with pytest.raises(HopscopeError):
        ModelConfig.from_json(text)


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        (torch.zeros(1, 5, dtype=torch.long), "n_ctx"),
        (torch.tensor([[0, 12]]), "token id 12 is outside the vocabulary; ids are 0 to 11"),
        (torch.zeros(1, 3), "float32 are not token ids"),
        (torch.zeros(1, 3, 2, dtype=torch.long), r"\[1, 3, 2\]"),
        ("Lyon country", "cannot be read as tokens"),
    ],
)
def test_tokens_that_the_model_cannot_take_give_one_sentence(tokens, message):
    model = HookedTransformer(CFG)
    for run in (model, model.run_with_cache, model.run_with_hooks):
        with pytest.raises(HopscopeError, match=message):
            run(tokens)


def test_tokens_may_be_lists_arrays_or_one_sequence():
    model = HookedTransformer(CFG)
    expected = model(TOKENS)
    for tokens in (TOKENS.tolist(), TOKENS.numpy(), TOKENS.int()):
        assert torch.equal(model(tokens), expected)
        assert torch.equal(model.run_with_cache(tokens)[0], expected)
    torch.testing.assert_close(model(TOKENS[0]), expected[:1])


def test_a_sequence_longer_than_the_context_is_refused_without_hooks_too():
    with pytest.raises(HopscopeError, match="n_ctx"):
        fast_logits(HookedTransformer(CFG), torch.zeros(1, 5, dtype=torch.long))


@pytest.mark.parametrize("change", [{}, {"n_passes": 2}, {"tied_unembedding": True}])
def test_the_plain_model_has_the_hooked_model_s_weights_in_the_same_order(change):
    plain, hooked = (kind(replace(CFG, **change)) for kind in (PlainTransformer, HookedTransformer))
    assert [n for n, _ in plain.named_parameters()] == [n for n, _ in hooked.named_parameters()]
    for name, weight in plain.state_dict().items():
        assert torch.equal(weight, hooked.state_dict()[name])
    torch.testing.assert_close(fast_logits(plain, TOKENS), hooked(TOKENS)[:, -1])


@pytest.mark.parametrize("tied", [False, True])
def test_a_copied_model_has_weights_of_its_own(tied):
    model = HookedTransformer(replace(CFG, tied_unembedding=tied))
    before = model(TOKENS)
    twin = copy.deepcopy(model)
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.zero_()
    assert torch.equal(model(TOKENS), before)
    assert not twin.W_U.any()


BEFORE_AND_AFTER = """
{first}
from circuits import HookedTransformer, ModelConfig
model = HookedTransformer(ModelConfig(n_layers=1, d_model=8, n_ctx=3, d_vocab=10, n_heads=2))
import transformer_lens
assert isinstance(model, transformer_lens.HookedRootModule)
assert all(isinstance(p, transformer_lens.hook_points.HookPoint) for p in model.hook_points())
assert isinstance(model.run_with_cache([[1, 2, 3]])[1], transformer_lens.ActivationCache)
"""


@pytest.mark.parametrize("first", ["import transformer_lens", "import circuits.model.plain"])
def test_the_model_is_transformerlens_s_whichever_is_imported_first(first):
    code = BEFORE_AND_AFTER.format(first=first)
    subprocess.run([sys.executable, "-c", code], check=True)
