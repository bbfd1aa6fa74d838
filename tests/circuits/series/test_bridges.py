"""Series of other architectures: booted from local folders, and given by a function."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from hf_series import tiny_corpus, write_series

from analyses import CATALOG, analyze
from circuits import HopscopeError, Patch, open_run, open_series, patch_grid, run_patched, to_bridge
from circuits.model.bridged import BridgedModel
from circuits.series import find_series
from circuits.series.bridges import boot
from circuits.series.step_files import step_files

SMALL: dict[str, dict[str, Any]] = {
    "probes": {"n_train": 100, "map_bridges": 3},
    "tuned_lens": {"n_train": 50, "adam_steps": 1},
    "bridge_subspace": {"train": 20, "learn_steps": 1, "rank": 4},
    "interchange": {"train": 20, "epochs": 1, "rank": 4},
    "sparse_probes": {"bridges": 5, "k": (1,)},
    "jacobian_lens": {"prompts": 20},
}


@pytest.fixture(scope="module")
def neox(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("neox")
    write_series(folder, tiny_corpus(), "neox", steps=(0, 30))
    return folder


def _load(folder: Path) -> Any:
    steps = find_series(folder).steps
    return lambda step: boot(steps[step])


def test_the_booted_model_has_the_logits_of_transformers(neox: Path) -> None:
    import transformers

    model = boot(step_files(neox / "checkpoint-30"))
    theirs = transformers.GPTNeoXForCausalLM.from_pretrained(neox / "checkpoint-30").eval()
    tokens = torch.tensor([[1, 17, 18], [2, 18, 17]])
    with torch.no_grad():
        assert torch.allclose(model(tokens), theirs(tokens).logits, atol=1e-5)
    assert not model.training


def test_gpt_neox_has_no_resid_mid_and_the_error_says_why(neox: Path) -> None:
    model = boot(step_files(neox / "checkpoint-30"))
    assert model.cfg.parallel_attn_mlp
    assert set(model.components) == {
        "resid_pre", "resid_post", "attn_out", "mlp_out", "z", "q", "k", "v", "pattern"
    }  # fmt: skip
    one, other = torch.tensor([[1, 17, 18]]), torch.tensor([[2, 17, 18]])
    with pytest.raises(HopscopeError, match=r"no resid_mid .*attention and MLP run in parallel"):
        run_patched(model, one, Patch("resid_mid", 0, 1), other)
    whole = patch_grid(model, one, other, "resid_post", metric=lambda x: x[:, -1].sum())
    with torch.no_grad():
        wanted = float(model(one)[:, -1].sum())
    assert abs(float(whole.sel(layer=1, position=2)) - wanted) < 1e-4  # all of it is the clean run


FOR_BRIDGES = [n for n, e in CATALOG.items() if e.bridges and "composition" in e.tasks]


@pytest.mark.parametrize(
    "name", [n for n in FOR_BRIDGES if not (CATALOG[n].joint or CATALOG[n].needs_text)]
)
def test_every_analysis_for_bridges_runs_on_gpt_neox(neox: Path, tmp_path: Path, name: str) -> None:
    series = open_series([30], _load(neox), tiny_corpus(), out=tmp_path / "series")
    options = {"examples": 8, **SMALL.get(name, {})}
    found = analyze(series, name, splits=["id_test"], progress=False, **options)
    assert found.sizes["step"] == 1
    numbers = [v for v in found.data_vars.values() if v.dtype.kind == "f"]
    assert any(np.isfinite(v.values).any() for v in numbers)
    if name == "component_patching":
        assert list(found.component.values) == ["attn_out", "mlp_out"]


def test_a_series_by_bridges_of_our_models_has_the_numbers_of_our_run() -> None:
    demo = open_run("assets/demo")
    options: dict[str, Any] = {"splits": ["id_test"], "examples": 10, "progress": False}
    ours, theirs = (
        analyze(open_series([6000], load, demo.corpus), "logit_lens", **options)
        for load in (demo.model, lambda step: to_bridge(demo.model(step)))
    )
    assert np.array_equal(ours.rank_example, theirs.rank_example)
    assert np.allclose(ours.mrr, theirs.mrr, atol=1e-6)


def test_a_series_keeps_its_results_and_loads_one_step_at_a_time(
    neox: Path, tmp_path: Path
) -> None:
    asked: list[int] = []

    def load(step: int) -> BridgedModel:
        asked.append(step)
        return _load(neox)(step)

    options: dict[str, Any] = {"splits": ["id_test"], "examples": 8, "progress": False}
    first = open_series([0], load, tiny_corpus(), out=tmp_path / "out")
    analyze(first, "logit_lens", **options)
    both = open_series([0, 30], load, tiny_corpus(), out=tmp_path / "out")
    asked.clear()
    assert list(analyze(both, "logit_lens", **options).step) == [0, 30]
    assert asked == [30]
    assert open_run(tmp_path / "out").bridged
    with pytest.raises(HopscopeError, match="open_series"):
        open_run(tmp_path / "out").model(0)


def test_a_temporary_series_leaves_nothing_behind(neox: Path) -> None:
    series = open_series([0], _load(neox), tiny_corpus())
    path = series.path
    assert path.is_dir()
    del series
    assert not path.exists()


def test_an_analysis_that_needs_our_model_names_those_that_do_not(neox: Path) -> None:
    series = open_series([0], _load(neox), tiny_corpus())
    with pytest.raises(HopscopeError, match=r"circuit_discovery needs .*bridged; .* logit_lens"):
        analyze(series, "circuit_discovery")


def test_a_series_that_does_not_fit_is_refused(neox: Path, tmp_path: Path) -> None:
    demo = open_run("assets/demo")
    with pytest.raises(HopscopeError, match="give the corpus that belongs to it"):
        open_series([0], _load(neox), demo.corpus)
    with pytest.raises(HopscopeError, match="whole numbers"):
        open_series([], _load(neox), tiny_corpus())
    with pytest.raises(HopscopeError, match="whole numbers"):
        open_series([-1], _load(neox), tiny_corpus())
    open_series([0], _load(neox), tiny_corpus(), out=tmp_path / "out")
    with pytest.raises(HopscopeError, match="other questions"):
        open_series([0], lambda step: demo.model(step), demo.corpus, out=tmp_path / "out")
    with pytest.raises(HopscopeError, match="a run of its own"):
        open_series([0], _load(neox), tiny_corpus(), out="assets/demo")


def _broken(neox: Path, folder: Path, **changes: Any) -> Path:
    shutil.copytree(neox / "checkpoint-0", folder)
    table = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(table | changes))
    return folder


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"architectures": ["FooForCausalLM"]}, "supported are GPT2LMHeadModel and GPTNeoX"),
        ({"architectures": []}, "does not name one architecture"),
        ({"auto_map": {"AutoModel": "code.Model"}}, "never run"),
        ({"hidden_size": 32, "intermediate_size": 64}, "in another shape|cannot be read"),
        ({"num_hidden_layers": 3}, "lack the tensor gpt_neox.layers.2"),
        ({"num_hidden_layers": 1}, "hold gpt_neox.layers.1"),
    ],
)
def test_a_folder_that_is_not_a_whole_model_is_refused(
    neox: Path, tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(HopscopeError, match=words):
        boot(step_files(_broken(neox, tmp_path / "step", **changes)))


def test_a_lacking_tensor_is_refused_and_not_drawn_at_random(neox: Path, tmp_path: Path) -> None:
    folder = _broken(neox, tmp_path / "step")
    weights = safetensors.torch.load_file(folder / "model.safetensors")
    weights.pop("gpt_neox.layers.0.mlp.dense_4h_to_h.weight")
    safetensors.torch.save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(HopscopeError, match="drawn at random"):
        boot(step_files(folder))


def test_masks_that_old_versions_stored_are_no_fault(neox: Path, tmp_path: Path) -> None:
    folder = _broken(neox, tmp_path / "step")
    weights = safetensors.torch.load_file(folder / "model.safetensors")
    weights["gpt_neox.layers.0.attention.masked_bias"] = torch.tensor(-1e9)
    safetensors.torch.save_file(weights, folder / "model.safetensors", {"format": "pt"})
    assert boot(step_files(folder)).depth == 2


def test_pickled_weights_are_refused(neox: Path, tmp_path: Path) -> None:
    folder = _broken(neox, tmp_path / "step")
    weights = safetensors.torch.load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save(weights, folder / "pytorch_model.bin")
    with pytest.raises(HopscopeError, match="is not safetensors"):
        boot(step_files(folder))
