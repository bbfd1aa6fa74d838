"""Run folders: what is written is read back, and damage is one clear sentence."""

from __future__ import annotations

import dataclasses
import json
import shutil
import tomllib
from pathlib import Path
from typing import Any

import filelock
import numpy as np
import pytest
import torch
from tiny_runs import tiny_recipe

from analyses import analyze
from circuits.errors import HopscopeError
from circuits.recipes.schema import parse_recipe
from circuits.recipes.toml import recipe_toml
from circuits.runs.locking import LOCK
from circuits.runs.reading import read_metrics, state_steps
from circuits.runs.run import Run, open_run
from train.loop import train


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train(tiny_recipe(), tmp_path_factory.mktemp("runs") / "run", progress=False)


@pytest.fixture
def copied(finished: Run, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished.path, tmp_path / "run"))


def edit_manifest(path: Path, **changes: Any) -> None:
    manifest = json.loads((path / "manifest.json").read_text()) | changes
    (path / "manifest.json").write_text(json.dumps(manifest))


def test_a_run_gives_back_recipe_steps_and_metrics(finished: Run) -> None:
    assert finished.recipe == tiny_recipe()
    assert finished.steps == [0, 10, 20, 30, 40]
    assert finished.state == "finished"
    table = finished.metrics()
    assert table["step"].tolist() == finished.steps
    for column in ("accuracy/id_test", "loss/train_inferred", "norm/weights", "zero_loss_share"):
        assert table[column].tolist() == [row[column] for row in finished.rows()]
    assert finished.baselines["id_test"].keys() >= {"h_r2", "r1_r2", "majority"}
    assert state_steps(finished.path / "resume") == [40]  # with which it can be trained longer


def test_the_model_of_a_step_is_its_checkpoint(finished: Run) -> None:
    first, last = finished.model(0), finished.model()
    assert not last.training
    assert last.embed.W_E.dtype == torch.float32
    assert not torch.equal(first.embed.W_E, last.embed.W_E)
    queries = finished.queries("id_test")
    logits = last(queries.tokens)
    assert logits.shape == (len(queries), 3, len(finished.vocab))


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_stored_weights_give_the_recorded_numbers(
    tmp_path: Path, dtype: str, precision: str
) -> None:
    recipe = tiny_recipe(
        checkpoints__dtype=dtype,
        training__precision=precision,
        training__steps=120,
        training__lr=0.02,
        checkpoints__every=40,
        evaluation__every=40,
        evaluation__items=5000,
    )
    run = train(recipe, tmp_path / "run", progress=False)
    for row in run.rows():
        for split, queries in run.corpus.splits.items():
            logits = run.model(row["step"])(queries.tokens)[:, -1].detach()
            right = (logits.argmax(-1) == queries.answer).double().mean()
            assert row[f"accuracy/{split}"] == float(right)
            loss = torch.nn.functional.cross_entropy(logits, queries.answer)
            assert row[f"loss/{split}"] == pytest.approx(float(loss), abs=1e-5)


def test_an_unknown_step_names_those_there_are(finished: Run) -> None:
    with pytest.raises(HopscopeError, match=r"step 15; it has 0, 10, 20, 30, 40\."):
        finished.model(15)


@pytest.mark.parametrize("step", [20.7, 20.0, True, "20", [20], float("nan"), np.float64(20)])
def test_what_is_not_a_whole_number_is_not_a_step(finished: Run, step: Any) -> None:
    for take in (
        finished.model,
        finished.checkpoint_path,
        lambda step: finished.load_weights(finished.model(), step),
        lambda step: analyze(finished, "logit_lens", steps=[step], progress=False),
    ):
        with pytest.raises(HopscopeError, match=r"is not a whole number; .* 0, 10, 20, 30, 40\."):
            take(step)


def test_numpy_integers_are_steps_and_negative_ones_are_not(finished: Run) -> None:
    state = finished.model(np.int64(20)).state_dict()
    assert all(torch.equal(w, state[n]) for n, w in finished.model(20).state_dict().items())
    assert finished.checkpoint_path(np.array(20)).name == "step_00000020.safetensors"
    with pytest.raises(HopscopeError, match="no checkpoint of step -1; it has 0, 10"):
        finished.model(-1)


def test_files_that_the_manifest_does_not_list_are_not_steps(copied: Path) -> None:
    folder = copied / "checkpoints"
    shutil.copy(folder / "step_00000040.safetensors", folder / "step_00000099.safetensors")
    assert open_run(copied).steps[-1] == 40


def test_a_damaged_checkpoint_is_refused_and_others_still_open(copied: Path, finished: Run) -> None:
    path = copied / "checkpoints" / "step_00000040.safetensors"
    path.write_bytes(path.read_bytes()[:-10])
    run = open_run(copied)
    with pytest.raises(HopscopeError, match=r"step_00000040.*damaged"):
        run.model()
    assert torch.equal(run.model(30).embed.W_E, finished.model(30).embed.W_E)


def test_a_link_out_of_the_run_is_not_followed(copied: Path, tmp_path: Path) -> None:
    path = copied / "checkpoints" / "step_00000040.safetensors"
    path.rename(tmp_path / "elsewhere.safetensors")
    path.symlink_to(tmp_path / "elsewhere.safetensors")
    with pytest.raises(HopscopeError, match="leads out of the run folder"):
        open_run(copied).model()


def test_a_run_of_a_newer_format_is_refused_with_its_version(copied: Path) -> None:
    edit_manifest(copied, schema=99)
    with pytest.raises(HopscopeError, match="run format 99"):
        open_run(copied)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema": "1"}', '{"schema": 1}', "\x00"])
def test_a_broken_manifest_says_half_written_or_damaged(copied: Path, text: str) -> None:
    (copied / "manifest.json").write_text(text)
    with pytest.raises(HopscopeError, match="half-written or damaged"):
        open_run(copied)


def test_a_folder_without_manifest_is_half_written(copied: Path) -> None:
    (copied / "manifest.json").unlink()
    with pytest.raises(HopscopeError, match="written last"):
        open_run(copied)
    with pytest.raises(HopscopeError, match="not a run folder"):
        open_run(copied / "nowhere")


def test_a_line_being_written_is_not_read_and_a_broken_one_is_named(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 0}\n{"step": 1}\n{"st')
    assert [row["step"] for row in read_metrics(path)] == [0, 1]
    path.write_text('{"step": 0}\n{"st\n{"step": 2}\n')
    with pytest.raises(HopscopeError, match="line 2 is damaged"):
        read_metrics(path)
    assert read_metrics(tmp_path / "none.jsonl") == []


def test_training_means_that_somebody_holds_the_lock(copied: Path) -> None:
    edit_manifest(copied, state="training")
    assert open_run(copied).state == "stopped"
    with filelock.FileLock(copied / LOCK):
        assert open_run(copied).state == "training"


def test_an_existing_folder_is_never_overwritten(copied: Path) -> None:
    before = {path: path.read_bytes() for path in copied.rglob("*") if path.is_file()}
    with pytest.raises(HopscopeError, match="exists and is not empty"):
        train(tiny_recipe(), copied, progress=False)
    assert {path: path.read_bytes() for path in copied.rglob("*") if path.is_file()} == before


def test_a_recipe_survives_its_toml() -> None:
    recipe = tiny_recipe(
        source__path='a "quoted"\\path\n',
        source__options={"n_entities": 3, "nested": {"Käse": [1, 2.5, True]}, "float": 1e-7},
        checkpoints__steps=[1, 2],
        training__betas=[0.9, 0.98],
    )
    assert parse_recipe(tomllib.loads(recipe_toml(recipe)), "test") == recipe


def test_a_run_older_than_the_present_shortcuts_is_held_against_them_all_the_same() -> None:
    demo = open_run(Path(__file__).parents[3] / "assets" / "demo")
    older = {key: value for key, value in demo.manifest.items() if key != "diversity"}
    older["baselines"] = {"ood_test": {"majority": 0.5}}
    old = dataclasses.replace(demo, manifest=older)
    assert old.baselines["ood_test"]["one_fact"] == pytest.approx(38 / 156)
    for split, rates in demo.baselines.items():
        assert old.baselines[split] == pytest.approx(rates)
    assert old.diversity["id_test"]["bridges"]["count"] == 162
