"""Series of TransformerLens state dicts, and names on the hub."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import pytest
import torch
from grokked_folders import composition_data, grokked_series
from safetensors.torch import save_file

from circuits.errors import HopscopeError
from circuits.model.config import ModelConfig
from circuits.model.transformer import HookedTransformer
from circuits.model.transformer_lens_3 import to_tl_state_dict
from circuits.runs.run import Run
from circuits.series.hub import downloaded, steps_of
from circuits.series.importing import import_series

SHAPE = ModelConfig(n_layers=2, d_model=16, n_ctx=4, d_vocab=30, n_heads=2)
SETTINGS = {
    "n_layers": 2, "d_model": 16, "n_ctx": 4, "d_head": 8, "n_heads": 2, "d_mlp": 64,
    "act_fn": "relu", "d_vocab": 30, "d_vocab_out": 30, "eps": 1e-5, "normalization_type": "LN",
    "positional_embedding_type": "standard", "attn_only": False, "attn_scale": 8**0.5,
    "attention_dir": "causal", "init_weights": True, "device": "cpu", "model_name": "custom",
}  # fmt: skip
"""As `HookedTransformerConfig.to_dict` of TransformerLens 3.x has them, shortened."""


def models() -> dict[int, HookedTransformer]:
    return {
        step: HookedTransformer(dataclasses.replace(SHAPE, seed=step)).eval() for step in (0, 5, 10)
    }


def series(folder: Path, ending: str = ".safetensors", **changes: object) -> Path:
    """Files of state dicts as TransformerLens writes them, with a configuration and tokens."""
    data = composition_data(folder / "data")
    vocab = json.loads((data / "vocab.json").read_text())
    out = folder / "out"
    out.mkdir()
    (out / "config.json").write_text(json.dumps(SETTINGS | changes))
    (out / "vocab.json").write_text(json.dumps([*(f"[unused {i}]" for i in range(5)), *vocab]))
    for step, model in models().items():
        state = to_tl_state_dict(model)
        state |= {f"blocks.{i}.attn.mask": torch.ones(4, 4, dtype=torch.bool) for i in range(2)}
        path = out / f"step_{step}{ending}"
        save_file(state, path) if ending == ".safetensors" else torch.save(state, path)
    return folder


def imported(folder: Path, **options: bool) -> Run:
    return import_series(folder / "out", folder / "run", data=folder / "data", **options)


@pytest.mark.parametrize("ending", [".safetensors", ".pth"])
@pytest.mark.parametrize("link", [False, True])
def test_state_dicts_of_transformer_lens_become_a_run(
    ending: str, link: bool, tmp_path: Path
) -> None:
    run = imported(series(tmp_path, ending), link=link)
    assert run.steps == [0, 5, 10]
    rows = [json.loads((tmp_path / "out" / "vocab.json").read_text()).index(f"<{name}>")
            for name in (*run.vocab.entities, *run.vocab.relations)]  # fmt: skip
    tokens = run.queries("id_test").tokens
    for step, model in models().items():
        expected = model(torch.tensor(rows)[tokens])[..., rows]
        assert (run.model(step)(tokens)[..., : len(rows)] - expected).abs().max() < 1e-5


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"normalization_type": "LNPre"}, "folded into others"),
        ({"positional_embedding_type": "rotary"}, "'rotary' is not supported"),
        ({"parallel_attn_mlp": True}, "parallel_attn_mlp = True is not supported"),
        ({"d_vocab_out": 7}, "d_vocab_out = 7 is not supported"),
        ({"attn_scale": 1.0}, "is not the root of d_head"),
        ({"n_layers": 3}, r"lacks blocks\.2"),
        ({"act_fn": "solu_ln"}, "unknown act_fn 'solu_ln'"),
    ],
)
def test_other_architectures_are_refused_by_their_setting(
    changes: dict[str, object], sentence: str, tmp_path: Path
) -> None:
    series(tmp_path, **changes)
    with pytest.raises(HopscopeError, match=sentence):
        imported(tmp_path)
    assert not (tmp_path / "run").exists()


def test_a_folder_with_revisions_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HopscopeError, match="is a folder here, which has no revisions"):
        downloaded(str(tmp_path), "step0,step1")


def test_a_relative_folder_that_looks_like_a_hub_name_is_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "EleutherAI" / "pythia-70m").mkdir(parents=True)
    with pytest.raises(HopscopeError, match="is a folder here, which has no revisions"):
        downloaded("EleutherAI/pythia-70m", "all")
    assert downloaded("EleutherAI/pythia-70m", None) == Path("EleutherAI/pythia-70m")


@pytest.mark.parametrize("revisions", ["step0,step512", "all"])
def test_without_the_hub_the_error_names_the_path_form(
    revisions: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(HopscopeError, match=r"hf download .* --local-dir SERIES/step1000"):
        downloaded("EleutherAI/pythia-70m", revisions)


def test_a_name_without_revisions_is_told_what_is_missing() -> None:
    with pytest.raises(HopscopeError, match="--revisions step0,step1000"):
        downloaded("EleutherAI/pythia-70m", None)
    with pytest.raises(HopscopeError, match="is not a folder here"):
        downloaded("runs/nothing/there", None)


def test_a_revision_that_says_no_step_is_refused() -> None:
    with pytest.raises(HopscopeError, match="revision 'main' does not say a step"):
        downloaded("EleutherAI/pythia-70m", "step0,main")


def test_only_the_steps_that_are_asked_for_are_imported(tmp_path: Path) -> None:
    """The hub's cache may hold revisions of earlier downloads."""
    series(tmp_path)
    run = import_series(tmp_path / "out", tmp_path / "run", data=tmp_path / "data", steps={0, 10})
    assert run.steps == [0, 10]
    with pytest.raises(HopscopeError, match="has no step 7; it has 0, 5, 10"):
        import_series(tmp_path / "out", tmp_path / "b", data=tmp_path / "data", steps={0, 7})


def test_revisions_in_the_cache_of_the_hub_become_a_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Without a connection `huggingface_hub` gives what it has; a third revision is left aside."""
    made = tmp_path / "made"
    grokked_series(made / "out", composition_data(made / "data"), (0, 1, 2), n_layer=1)
    repository = tmp_path / "cache" / "models--me--tiny"
    (repository / "refs").mkdir(parents=True)
    for step in (0, 1, 2):
        commit = f"{step}" * 40
        (repository / "refs" / f"step{step}").write_text(commit)
        shutil.copytree(made / "out" / f"checkpoint-{step}", repository / "snapshots" / commit)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    folder, wanted = downloaded("me/tiny", "step0,step2"), steps_of("step0,step2")
    assert folder == repository
    run = import_series(folder, tmp_path / "run", data=made / "data", steps=wanted)
    assert run.steps == [0, 2]
    assert run.manifest["imported"]["from"] == "hub cache"
