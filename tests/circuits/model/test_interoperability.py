"""The same model in TransformerLens 3 and 4 and in transformers."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial

import pytest
import torch
from transformer_lens import patching
from transformers import GPT2LMHeadModel

from circuits.errors import HopscopeError
from circuits.model.config import ModelConfig
from circuits.model.gpt2 import export_gpt2, import_gpt2
from circuits.model.transformer import HookedTransformer
from circuits.model.transformer_lens_3 import (
    from_tl_state_dict,
    load_tl_checkpoint,
    save_tl_checkpoint,
    to_tl_state_dict,
)
from circuits.model.transformer_lens_4 import to_bridge

CFG = ModelConfig(n_layers=2, d_model=32, n_ctx=4, d_vocab=12, n_heads=4, init_range=0.2)
TOKENS = torch.tensor([[0, 9, 10], [3, 10, 9], [5, 9, 9]])
close = partial(torch.testing.assert_close, rtol=1e-5, atol=1e-5)


def _model(**changes) -> HookedTransformer:
    model = HookedTransformer(replace(CFG, **changes)).eval()
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if ".W_" not in name:
                parameter += 0.2 * torch.randn(parameter.shape, generator=generator)
    return model


@pytest.mark.parametrize("norm", ["LN", "RMS", None])
@pytest.mark.parametrize("act_fn", ["relu", "gelu", "gelu_new", "silu"])
def test_every_activation_equals_the_bridge_s(norm, act_fn):
    model = _model(normalization_type=norm, act_fn=act_fn)
    bridge = to_bridge(model)
    ours, cache = model.run_with_cache(TOKENS)
    theirs, bridge_cache = bridge.run_with_cache(TOKENS)
    close(ours, theirs)
    # A native bridge shows the pattern under the name of the scores (TransformerLens 4.3).
    names = [name for name in cache if not name.endswith("attn_scores")]
    assert len(names) > 20
    for name in names:
        close(cache[name], bridge_cache[name], msg=name)


def test_gradients_equal_the_bridge_s():
    model = _model()
    bridge = to_bridge(model)
    model(TOKENS).square().mean().backward()
    bridge(TOKENS).square().mean().backward()
    theirs = {name: p.grad for name, p in bridge.named_parameters() if p.grad is not None}
    close(model.embed.W_E.grad, next(g for n, g in theirs.items() if "embed" in n))
    ours = sum(p.grad.square().sum() for p in model.parameters())
    close(ours, sum(g.square().sum() for g in theirs.values()))


def test_the_bridge_s_logit_lens_ends_at_our_logits():
    model = _model(n_passes=2)
    bridge = to_bridge(model)
    _, cache = bridge.run_with_cache(TOKENS)
    lens = cache.accumulated_resid(layer=-1, apply_ln=True)
    assert lens.shape == (5, 3, 3, 32)  # the embedding and four block runs
    close(lens[-1] @ model.W_U, model(TOKENS))


def test_transformerlens_patching_runs_on_the_bridge_and_restores_the_clean_logits():
    model = _model()
    bridge = to_bridge(model)
    clean, corrupted = TOKENS[:1], torch.tensor([[4, 9, 10]])
    clean_logits, cache = bridge.run_with_cache(clean)

    def metric(logits):
        return logits[0, -1, 7]

    grid = patching.get_act_patch_resid_pre(bridge, corrupted, cache, metric)
    assert grid.shape == (2, 3)
    close(grid[0, 0], metric(clean_logits))  # only the subject differs
    close(grid[0, 1], metric(model(corrupted)))


def test_the_bridge_refuses_a_bias_it_would_lose():
    model = _model()
    model.b_U[0] = 1
    with pytest.raises(HopscopeError, match="bias"):
        to_bridge(model)


@pytest.mark.parametrize("changes", [{}, {"n_passes": 2}, {"tied_unembedding": True}])
def test_a_transformerlens_3_checkpoint_comes_back_with_equal_logits(changes, tmp_path):
    model = _model(**changes)
    path = tmp_path / "model.safetensors"
    save_tl_checkpoint(model, path)
    close(load_tl_checkpoint(path)(TOKENS), model(TOKENS), rtol=0, atol=1e-6)
    again = load_tl_checkpoint(path, model.cfg)
    assert torch.equal(again(TOKENS), model(TOKENS))
    assert again.cfg == model.cfg


def test_transformerlens_3_buffers_are_dropped():
    state = to_tl_state_dict(_model())
    state["blocks.0.attn.mask"] = torch.ones(4, 4, dtype=torch.bool)
    state["blocks.0.attn.IGNORE"] = torch.tensor(-torch.inf)
    assert torch.equal(from_tl_state_dict(state, CFG)(TOKENS), _model()(TOKENS))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("blocks.1.mlp.W_in"), "lacks blocks.1.mlp.W_in"),
        (lambda s: s.update({"blocks.2.ln1.w": torch.ones(32)}), "has blocks.2.ln1.w"),
        (lambda s: s.update({"embed.W_E": torch.ones(3, 32)}), "shape"),
        (lambda s: s["embed.W_E"].fill_(torch.nan), "finite"),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_refused(change, message):
    state = to_tl_state_dict(_model())
    change(state)
    with pytest.raises(HopscopeError, match=message):
        from_tl_state_dict(state, CFG)


def test_untied_weights_are_not_loaded_into_a_tied_model():
    with pytest.raises(HopscopeError, match="share"):
        from_tl_state_dict(to_tl_state_dict(_model()), replace(CFG, tied_unembedding=True))


def test_a_file_that_is_no_checkpoint_is_refused(tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"\xff" * 64)
    with pytest.raises(HopscopeError, match="no readable safetensors"):
        load_tl_checkpoint(path)


@pytest.mark.parametrize(
    "changes",
    [{}, {"act_fn": "gelu_new", "tied_unembedding": True}, {"act_fn": "gelu", "n_passes": 2}],
)
def test_transformers_opens_an_export_with_equal_logits_and_it_comes_back(changes, tmp_path):
    model = _model(**changes)
    export_gpt2(model, tmp_path)
    theirs = GPT2LMHeadModel.from_pretrained(tmp_path).eval()
    close(theirs(TOKENS).logits, model(TOKENS))
    close(import_gpt2(tmp_path)(TOKENS), model(TOKENS))


def test_a_folder_written_by_transformers_is_read(tmp_path):
    model = _model(act_fn="gelu_new")
    export_gpt2(model, tmp_path / "ours")
    GPT2LMHeadModel.from_pretrained(tmp_path / "ours").save_pretrained(tmp_path / "theirs")
    close(import_gpt2(tmp_path / "theirs").eval()(TOKENS), model(TOKENS))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"normalization_type": "RMS"}, "RMS"),
        ({"normalization_type": None}, "None"),
        ({"d_head": 16}, "d_head"),
    ],
)
def test_what_gpt2_cannot_express_is_refused(changes, message, tmp_path):
    with pytest.raises(HopscopeError, match=message):
        export_gpt2(_model(**changes), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_another_architecture_is_not_imported(tmp_path):
    export_gpt2(_model(), tmp_path)
    table = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(table | {"model_type": "llama"}))
    with pytest.raises(HopscopeError, match="gpt2"):
        import_gpt2(tmp_path)
