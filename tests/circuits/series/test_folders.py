"""Finding a series on disk: layouts, and one sentence for each kind of bad input."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from circuits.errors import HopscopeError
from circuits.series import find_series
from circuits.series.folders import step_of


def weights(path: Path, value: float = 1.0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({"w": torch.full((4, 4), float(value))}, path)


def trainer_series(folder: Path, steps: tuple[int, ...] = (5, 50, 500)) -> Path:
    for step in steps:
        weights(folder / f"checkpoint-{step}" / "model.safetensors", step)
        (folder / f"checkpoint-{step}" / "config.json").write_text("{}")
        (folder / f"checkpoint-{step}" / "tokenizer.json").write_text("{}")
        torch.save({}, folder / f"checkpoint-{step}" / "optimizer.pt")
    return folder


def refused(folder: Path) -> str:
    with pytest.raises(HopscopeError) as caught:
        find_series(folder)
    sentence = str(caught.value)
    assert sentence.count("\n") == 0
    assert sentence.endswith(".")
    return sentence


def test_checkpoint_folders_are_steps_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    trainer_series(tmp_path)
    weights(tmp_path / "model.safetensors")  # the Trainer's last model beside them
    (tmp_path / "runs").mkdir()
    found = find_series(tmp_path)
    assert found.layout == "step folders"
    assert list(found.steps) == [5, 50, 500]
    files = found.steps[50]
    assert [path.name for path in files.weights] == ["model.safetensors"]
    assert files.config == tmp_path / "checkpoint-50" / "config.json"
    assert [path.name for path in files.tokenizer] == ["tokenizer.json"]


@pytest.mark.parametrize(
    ("name", "step"),
    [("step1000", 1000), ("step_20", 20), ("stage1-step101000-tokens424B", 101000), ("70", 70),
     ("global_step300", 300), ("checkpoint-0", 0), ("iter_0001000", 1000), ("data2", None),
     ("runs", None), ("footstep9", None), ("step99999999999999", None)],
)  # fmt: skip
def test_the_step_is_read_from_the_name_of_a_folder(name: str, step: int | None) -> None:
    assert step_of(name) == step


def test_state_dicts_with_a_number_in_their_name_are_steps(tmp_path: Path) -> None:
    for step in (0, 100, 20):
        torch.save({"w": torch.ones(2)}, tmp_path / f"model_{step}.pth")
    (tmp_path / "config.json").write_text("{}")
    found = find_series(tmp_path)
    assert found.layout == "state dicts"
    assert list(found.steps) == [0, 20, 100]
    assert found.steps[20].kind == "torch"
    assert found.steps[20].config == tmp_path / "config.json"


def test_shards_come_in_order_and_one_model_is_a_series_of_one_step(tmp_path: Path) -> None:
    for i in (2, 1):
        weights(tmp_path / f"model-0000{i}-of-00002.safetensors")
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors",
                            "b": "model-00002-of-00002.safetensors"}}  # fmt: skip
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    found = find_series(tmp_path)
    assert found.layout == "model"
    (files,) = found.steps.values()
    assert [path.name[:11] for path in files.weights] == ["model-00001", "model-00002"]


def test_revisions_in_the_cache_of_the_hub_are_steps(tmp_path: Path) -> None:
    for step, commit in ((0, "a" * 40), (512, "b" * 40)):
        weights(tmp_path / "snapshots" / commit / "model.safetensors")
        (tmp_path / "refs").mkdir(exist_ok=True)
        (tmp_path / "refs" / f"step{step}").write_text(commit)
    (tmp_path / "refs" / "main").write_text("b" * 40)
    found = find_series(tmp_path)
    assert (found.layout, list(found.steps)) == ("hub cache", [0, 512])


def test_a_git_lfs_pointer_is_not_taken_for_weights(tmp_path: Path) -> None:
    trainer_series(tmp_path)
    text = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n"
    (tmp_path / "checkpoint-50" / "model.safetensors").write_text(text)
    assert re.search(r"checkpoint-50/model.safetensors is a git-lfs pointer", refused(tmp_path))


def test_half_a_download_is_named(tmp_path: Path) -> None:
    trainer_series(tmp_path)
    whole = (tmp_path / "checkpoint-50" / "model.safetensors").read_bytes()
    (tmp_path / "checkpoint-50" / "model.safetensors").write_bytes(whole[:-10])
    assert "its tensors need 64 bytes and 54 are there; download it again" in refused(tmp_path)
    found = find_series(tmp_path, allow_broken=True)
    assert list(found.steps) == [5, 500]
    assert list(found.broken) == [50]


def test_a_shard_that_the_index_names_and_that_is_not_there_is_named(tmp_path: Path) -> None:
    weights(tmp_path / "step1" / "model-00001-of-00002.safetensors")
    assert "lacks model-00002-of-00002.safetensors, 1 of 2 shards" in refused(tmp_path)
    index = tmp_path / "step1" / "model.safetensors.index.json"
    index.write_text('{"weight_map": {"a": "model-00007-of-00007.safetensors"}}')
    assert "lacks model-00007-of-00007.safetensors" in refused(tmp_path)
    index.write_text('{"weight_map": {"a": "../../elsewhere.safetensors"}}')
    assert "outside of its folder" in refused(tmp_path)
    index.write_text("[1]")
    assert "is not a list of shards" in refused(tmp_path)


def test_a_file_of_torch_that_is_cut_off_is_named(tmp_path: Path) -> None:
    torch.save({"w": torch.ones(1000)}, tmp_path / "step_1.pth")
    content = (tmp_path / "step_1.pth").read_bytes()
    (tmp_path / "step_1.pth").write_bytes(content[:2000])
    assert "step_1.pth is cut off" in refused(tmp_path)


@pytest.mark.parametrize(
    ("file", "said"),
    [("weights.pkl", "only pickles"), ("model.safetensors.incomplete", "half a download"),
     ("adapter_model.safetensors", "an adapter"), ("README.md", "holds no weights"),
     (None, "is empty")],
)  # fmt: skip
def test_a_step_without_weights_says_what_is_there(
    file: str | None, said: str, tmp_path: Path
) -> None:
    trainer_series(tmp_path)
    (tmp_path / "checkpoint-7").mkdir()
    if file:
        (tmp_path / "checkpoint-7" / file).write_bytes(b"0")
    assert said in refused(tmp_path)
    assert "checkpoint-7" in refused(tmp_path)


def test_two_folders_of_one_step_are_refused(tmp_path: Path) -> None:
    weights(tmp_path / "stage2-ingredient1-step10" / "model.safetensors")
    weights(tmp_path / "stage2-ingredient2-step10" / "model.safetensors")
    assert "two checkpoints of step 10" in refused(tmp_path)


def test_what_is_not_a_series_is_said_to_be_none(tmp_path: Path) -> None:
    assert "is empty" in refused(tmp_path)
    assert "nothing is downloaded" in refused(tmp_path / "EleutherAI" / "pythia-70m")
    (tmp_path / "notes.txt").write_text("hello")
    assert "holds no weights; give a folder with a checkpoint for each step" in refused(tmp_path)
    assert "is a file" in refused(tmp_path / "notes.txt")
