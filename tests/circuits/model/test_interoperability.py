"""The same model in TransformerLens 3 and 4 and in transformers."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from functools import partial

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformer_lens import patching
from transformers import GPT2Config, GPT2LMHeadModel

from circuits.errors import CannotWrite, HopscopeError
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
    with pytest.raises(HopscopeError, match="not a readable safetensors"):
        load_tl_checkpoint(path)


@pytest.mark.parametrize(
    "changes",
    [{}, {"act_fn": "gelu_new", "tied_unembedding": True}, {"act_fn": "gelu", "n_passes": 2}],
)
def test_transformers_opens_an_export_with_equal_logits_and_it_comes_back(changes, tmp_path):
    model = _model(**changes)
    export_gpt2(model, tmp_path)
    theirs = GPT2LMHeadModel.from_pretrained(tmp_path)
    close(theirs(TOKENS).logits, model(TOKENS))
    close(import_gpt2(tmp_path)(TOKENS), model(TOKENS))


def test_a_folder_written_by_transformers_is_read(tmp_path):
    model = _model(act_fn="gelu_new")
    export_gpt2(model, tmp_path / "ours")
    GPT2LMHeadModel.from_pretrained(tmp_path / "ours").save_pretrained(tmp_path / "theirs")
    close(import_gpt2(tmp_path / "theirs")(TOKENS), model(TOKENS))


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


LOADERS = {
    "import_gpt2": (export_gpt2, import_gpt2),
    "load_tl_checkpoint": (
        lambda model, path: save_tl_checkpoint(model, path / "model.safetensors"),
        lambda path: load_tl_checkpoint(path / "model.safetensors"),
    ),
    "from_tl_state_dict": (
        lambda model, path: torch.save(to_tl_state_dict(model), path),
        lambda path: from_tl_state_dict(torch.load(path), replace(CFG, dropout=0.5)),
    ),
}


@pytest.mark.parametrize("loader", LOADERS)
def test_a_loaded_model_gives_the_same_logits_twice_though_it_was_trained_with_dropout(
    loader, tmp_path
):
    save, load = LOADERS[loader]
    model = _model(dropout=0.5)
    save(model.train(), tmp_path / "there")
    loaded = load(tmp_path / "there")
    assert not any(module.training for module in loaded.modules())
    close(loaded(TOKENS), model.eval()(TOKENS))
    assert loaded.cfg.dropout == 0.5


def test_the_bridge_of_a_model_in_training_has_the_logits_without_dropout():
    model = _model(dropout=0.5).train()
    bridge = to_bridge(model)
    assert not any(module.training for module in bridge.modules())
    close(bridge(TOKENS), model.eval()(TOKENS))


def _gpt2_folder(path, **changes) -> GPT2LMHeadModel:
    shape = {"vocab_size": 12, "n_positions": 4, "n_embd": 16, "n_layer": 2, "n_head": 2}
    torch.manual_seed(0)
    model = GPT2LMHeadModel(GPT2Config(**shape, bos_token_id=0, eos_token_id=0, **changes)).eval()
    model.save_pretrained(path)
    return model


def test_three_rates_of_dropout_that_differ_are_refused_with_the_way_out(tmp_path):
    theirs = _gpt2_folder(tmp_path, attn_pdrop=0.0, embd_pdrop=0.2)
    with pytest.raises(HopscopeError, match=r"attn_pdrop = 0\.0.*import_gpt2\(folder, dropout="):
        import_gpt2(tmp_path)
    ours = import_gpt2(tmp_path, dropout=0.3)
    assert ours.cfg.dropout == 0.3
    close(ours(TOKENS), theirs(TOKENS).logits)


def test_an_unembedding_of_its_own_is_used_though_the_folder_calls_it_tied(tmp_path):
    theirs = _gpt2_folder(tmp_path)
    generator = torch.Generator().manual_seed(0)
    theirs.lm_head.weight = torch.nn.Parameter(torch.randn(12, 16, generator=generator))
    theirs.save_pretrained(tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["tie_word_embeddings"]
    ours = import_gpt2(tmp_path)
    assert not ours.cfg.tied_unembedding
    close(ours(TOKENS), GPT2LMHeadModel.from_pretrained(tmp_path)(TOKENS).logits)
    close(ours(TOKENS), theirs(TOKENS).logits)


@pytest.mark.parametrize("kept", [{"wte"}, {"lm_head"}, {"wte", "lm_head"}])
def test_a_tied_folder_opens_from_either_of_its_two_equal_weights(kept, tmp_path):
    theirs = _gpt2_folder(tmp_path)
    state = load_file(tmp_path / "model.safetensors")
    both = state.pop("transformer.wte.weight")
    names = {"wte": "transformer.wte.weight", "lm_head": "lm_head.weight"}
    state |= {names[name]: both.clone() for name in kept}
    save_file(state, tmp_path / "model.safetensors", metadata={"format": "pt"})
    ours = import_gpt2(tmp_path)
    assert ours.cfg.tied_unembedding
    close(ours(TOKENS), theirs(TOKENS).logits)
    close(GPT2LMHeadModel.from_pretrained(tmp_path)(TOKENS).logits, theirs(TOKENS).logits)


def test_an_untied_folder_without_its_unembedding_is_refused(tmp_path):
    _gpt2_folder(tmp_path)
    table = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(table | {"tie_word_embeddings": False}))
    with pytest.raises(HopscopeError, match="lm_head"):
        import_gpt2(tmp_path)


TYPES = [torch.float64, torch.float32, torch.bfloat16, torch.float16]


@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_every_exchange_keeps_the_number_type_and_the_numbers(dtype, tmp_path):
    model = _model().to(dtype)
    expected = model(TOKENS)
    export_gpt2(model, tmp_path / "gpt2")
    save_tl_checkpoint(model, tmp_path / "tl3.safetensors")
    for again in (
        import_gpt2(tmp_path / "gpt2"),
        load_tl_checkpoint(tmp_path / "tl3.safetensors"),
        from_tl_state_dict(to_tl_state_dict(model), model.cfg),
    ):
        assert {p.dtype for p in again.parameters()} == {dtype}
        assert torch.equal(again(TOKENS), expected)
    bridge = to_bridge(model)
    theirs = GPT2LMHeadModel.from_pretrained(tmp_path / "gpt2")
    assert {p.dtype for m in (bridge, theirs) for p in m.parameters()} == {dtype}
    # the others add and normalize in another order, so they agree to the type's rounding
    rounding = 30 * torch.finfo(dtype).eps
    close(bridge(TOKENS), expected, rtol=0, atol=rounding)
    close(theirs(TOKENS).logits, expected, rtol=0, atol=rounding)


def test_a_folder_is_read_in_the_wider_of_its_weights_type_and_its_configuration_s(tmp_path):
    theirs = _gpt2_folder(tmp_path).bfloat16()
    theirs.save_pretrained(tmp_path)
    table = json.loads((tmp_path / "config.json").read_text())
    for named, type_read in (("float32", torch.float32), ("bfloat16", torch.bfloat16)):
        (tmp_path / "config.json").write_text(json.dumps(table | {"dtype": named}))
        ours = import_gpt2(tmp_path)
        assert ours.dtype == type_read == GPT2LMHeadModel.from_pretrained(tmp_path).dtype


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.update({"embed.W_E": s["embed.W_E"].double()}), "cast all weights to one"),
        (lambda s: s.update({"embed.W_E": s["embed.W_E"].int()}), "embed.W_E holds int32"),
    ],
)
def test_weights_of_several_types_are_refused(change, message):
    state = to_tl_state_dict(_model())
    change(state)
    with pytest.raises(HopscopeError, match=message):
        from_tl_state_dict(state, CFG)


def test_paths_may_be_text_and_missing_folders_are_made(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = _model()
    export_gpt2(model, "some/where/gpt2")
    save_tl_checkpoint(model, "else/where/model.safetensors")
    close(import_gpt2("some/where/gpt2")(TOKENS), model(TOKENS))
    close(load_tl_checkpoint("else/where/model.safetensors")(TOKENS), model(TOKENS))


@pytest.mark.parametrize("save", [export_gpt2, save_tl_checkpoint])
def test_where_nothing_can_be_written_the_error_says_so(save, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(CannotWrite, match="cannot be written"):
        save(_model(), tmp_path / "file" / "model")


def test_a_write_that_fails_leaves_the_older_files_whole(tmp_path, monkeypatch):
    first, second = _model(), _model(act_fn="gelu", seed=1)
    export_gpt2(first, tmp_path / "gpt2")
    save_tl_checkpoint(first, tmp_path / "tl3.safetensors")

    def full(descriptor):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(os, "fsync", full)
        for save, path in ((export_gpt2, "gpt2"), (save_tl_checkpoint, "tl3.safetensors")):
            with pytest.raises(CannotWrite, match="free some space"):
                save(second, tmp_path / path)
    assert torch.equal(import_gpt2(tmp_path / "gpt2")(TOKENS), first(TOKENS))
    assert torch.equal(load_tl_checkpoint(tmp_path / "tl3.safetensors")(TOKENS), first(TOKENS))
    assert {path.name for path in tmp_path.iterdir()} == {"gpt2", "tl3.safetensors"}


@pytest.mark.parametrize("content", ["", "[]", "null", '{"model_type": "gpt2"}', '{"n_layer": 2}'])
def test_a_folder_with_another_config_is_refused_in_one_sentence(content, tmp_path):
    _gpt2_folder(tmp_path)
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(HopscopeError, match=str(tmp_path)):
        import_gpt2(tmp_path)


@pytest.mark.parametrize("change", [{"resid_pdrop": "a"}, {"n_layer": None}, {"n_embd": 2.5}])
def test_a_config_with_values_that_are_not_numbers_is_refused(change, tmp_path):
    _gpt2_folder(tmp_path)
    table = json.loads((tmp_path / "config.json").read_text()) | change
    (tmp_path / "config.json").write_text(json.dumps(table))
    with pytest.raises(HopscopeError):
        import_gpt2(tmp_path, dropout=change.get("resid_pdrop", 0.1))
