"""A tuned lens reads what states become, and comes back from its file as it was."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import safetensors.torch
import torch
from hand_wired import random_corpus, random_model

from circuits import HookedTransformer, HopscopeError, TunedLens
from circuits.model.tuned_lens import divergence

CORPUS = random_corpus(16, 6)
TOKENS = CORPUS.splits["train_inferred"].tokens
LEARNED, ASKED = TOKENS[: len(TOKENS) // 2], TOKENS[len(TOKENS) // 2 :]
MODEL = random_model(CORPUS, n_layers=3)
LENS = TunedLens.fit(MODEL, LEARNED)
NORMS = [("LN", False), ("RMS", True), (None, False)]


@torch.no_grad()
def states(model: HookedTransformer, layer: int) -> torch.Tensor:
    return model(ASKED, stop_at_layer=layer)


@pytest.mark.parametrize(("norm", "tied"), NORMS)
def test_at_the_last_state_it_is_the_model(norm, tied) -> None:
    model = random_model(CORPUS, normalization_type=norm, tied_unembedding=tied)
    lens = TunedLens.fit(model, LEARNED)
    expected = model(ASKED)
    torch.testing.assert_close(lens(states(model, 2), 2), expected, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(lens(states(model, 2), -1), expected, atol=1e-4, rtol=1e-4)


def test_of_a_model_whose_blocks_are_affine_it_is_exact_at_every_layer() -> None:
    """Zero blocks but for their output biases: S[l] and S[depth] differ by a constant."""
    model = random_model(CORPUS, n_layers=3)
    generator = torch.Generator().manual_seed(0)
    for name, parameter in model.named_parameters():
        if name.endswith(("W_O", "W_out")):
            parameter.data.zero_()
        if name.endswith(("b_O", "b_out")):
            parameter.data.normal_(generator=generator)
    lens = TunedLens.fit(model, LEARNED, adam_steps=0)
    for layer in range(4):
        found = lens(states(model, layer), layer)
        torch.testing.assert_close(found, model(ASKED), atol=1e-3, rtol=1e-3)


def test_it_is_nearer_to_the_output_than_the_logit_lens() -> None:
    final = MODEL(ASKED).log_softmax(-1)
    for layer in (0, 1, 2):
        resid = states(MODEL, layer)
        tuned, plain = (
            divergence(final, logits).mean()
            for logits in (LENS(resid, layer), MODEL.logits_of(resid))
        )
        assert tuned < 0.7 * plain


@pytest.mark.parametrize(("norm", "tied"), NORMS)
def test_a_saved_lens_reads_the_same_without_its_model(norm, tied, tmp_path: Path) -> None:
    model = random_model(CORPUS, normalization_type=norm, tied_unembedding=tied)
    lens = TunedLens.fit(model, LEARNED)
    lens.save(tmp_path / "lens.safetensors")
    again = TunedLens.load(tmp_path / "lens.safetensors")
    resid = states(model, 1)
    torch.testing.assert_close(again(resid, 1), lens(resid, 1), atol=0, rtol=0)
    assert again.depth == 2


def damaged(path: Path, how: str) -> None:
    tensors = safetensors.torch.load_file(path)
    about = {"format": "hopscope tuned lens", "version": 1, "norm": "LN", "eps": 1e-5}
    if how == "shape":
        tensors["shift"] = tensors["shift"][:, :, :-1].contiguous()
    elif how == "missing":
        del tensors["W_U"]
    elif how == "nan":
        tensors["matrix"][0, 0, 0] = torch.nan
    elif how == "norm":
        about["norm"] = "batch"
    elif how == "version":
        about["version"] = 99
    elif how == "foreign":
        about = {}
    safetensors.torch.save_file(tensors, path, {"hopscope": json.dumps(about)})


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("shape", "damaged"), ("missing", "damaged"), ("nan", "damaged"), ("norm", "damaged"),
        ("version", "version 99"), ("foreign", "is not a tuned lens"),
    ],
)  # fmt: skip
def test_a_damaged_file_is_refused_in_a_sentence(how: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "lens.safetensors"
    LENS.save(path)
    damaged(path, how)
    with pytest.raises(HopscopeError, match=said):
        TunedLens.load(path)


def test_what_is_no_lens_at_all_is_refused_in_a_sentence(tmp_path: Path) -> None:
    cut = tmp_path / "cut.safetensors"
    LENS.save(cut)
    cut.write_bytes(cut.read_bytes()[:-100])
    (tmp_path / "text").write_text("not a lens")
    for name in ("cut.safetensors", "text", "missing"):
        with pytest.raises(HopscopeError, match=f"{name} cannot be read as a tuned lens"):
            TunedLens.load(tmp_path / name)


def test_layers_and_states_that_do_not_exist_are_refused() -> None:
    with pytest.raises(HopscopeError, match="layer 4 does not exist; this lens reads 0 to 3"):
        LENS(states(MODEL, 1), 4)
    with pytest.raises(HopscopeError, match="their last axis is 32"):
        LENS(torch.zeros(2, 5), 0)
    with pytest.raises(HopscopeError, match="training mode"):
        TunedLens.fit(random_model(CORPUS).train(), TOKENS)
    hook = ("blocks.0.hook_mlp_out", lambda x, hook: 0 * x)
    with MODEL.hooks([hook]), pytest.raises(HopscopeError, match="hooks were added"):
        TunedLens.fit(MODEL, TOKENS)
    with pytest.raises(HopscopeError, match="give more prompts"):
        TunedLens.fit(MODEL, TOKENS[:0])
