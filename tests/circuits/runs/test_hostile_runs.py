"""Runs from strangers, and what people do to a folder: a sentence each time, nothing lost."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from real_processes import stop_training_at
from tiny_runs import numbers, tiny_recipe

from circuits.errors import HopscopeError
from circuits.runs.checkpoints import load_checkpoint
from circuits.runs.reading import file_sha256, read_metrics
from circuits.runs.run import open_run
from circuits.runs.writer import RunWriter
from train.loop import train
from train.session import Session
from train.state import state_steps
from train.trainer import Trainer


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stopped at step 32 of 40: checkpoints of 0, 10, 20 and 30, states of 30 and 32."""
    return stop_training_at(32, tiny_recipe(), tmp_path_factory.mktemp("runs") / "run").path


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(tiny_recipe(), tmp_path_factory.mktemp("runs") / "whole", progress=False).path


@pytest.fixture
def stopped(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "elsewhere"))


def edit(path: Path, change: Callable[[Any], None]) -> None:
    table = json.loads(path.read_text())
    change(table)
    path.write_text(json.dumps(table))


def content(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def resume(path: Path) -> str:
    """Resume to the end; what was noted."""
    return " ".join(train(None, path, resume=True, progress=False).manifest["notes"])


def test_a_copied_run_goes_on_where_it_is(stopped: Path, original: Path, whole: Path) -> None:
    before = content(original)
    resume(stopped)
    assert numbers(stopped) == numbers(whole)
    assert content(original) == before


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("step", -1, "steps of 0 to"),
        ("step", 10**30, "steps of 0 to"),
        ("step", True, "steps of 0 to"),
        ("step", 20, "step 20 twice"),
        ("sha256", None, "SHA-256"),
    ],
)
def test_an_absurd_checkpoint_in_the_manifest_is_refused(
    stopped: Path, key: str, value: object, said: str
) -> None:
    edit(stopped / "manifest.json", lambda m: m["checkpoints"][1].update({key: value}))
    with pytest.raises(HopscopeError, match=f"damaged run.*{said}"):
        open_run(stopped)


@pytest.mark.parametrize("number", ["NaN", "-Infinity", "1e400"])
def test_numbers_that_are_none_are_refused_in_manifest_and_metrics(
    stopped: Path, number: str
) -> None:
    metrics, manifest = stopped / "metrics.jsonl", stopped / "manifest.json"
    with metrics.open("a") as file:
        file.write(f'{{"step": 31, "accuracy/id_test": {number}}}\n')
    with pytest.raises(HopscopeError, match="line 5 is damaged"):
        train(None, stopped, resume=True, progress=False)
    text = manifest.read_text()
    manifest.write_text(text.replace('"seed"', f'"seconds": {number}, "seed"'))
    with pytest.raises(HopscopeError, match="not JSON"):
        open_run(stopped)


@pytest.mark.parametrize("row", ['{"step": 10}', '{"step": -1}', '{"step": 40, "x": "y"}', "[40]"])
def test_an_evaluation_out_of_order_or_without_numbers_is_refused(stopped: Path, row: str) -> None:
    with (stopped / "metrics.jsonl").open("a") as file:
        file.write(row + "\n")
    with pytest.raises(HopscopeError, match="line 5 is damaged; delete that line"):
        read_metrics(stopped / "metrics.jsonl")


def test_a_manifest_nested_without_end_is_refused(stopped: Path) -> None:
    (stopped / "manifest.json").write_text("[" * 200_000)
    with pytest.raises(HopscopeError, match="not JSON"):
        open_run(stopped)


@pytest.mark.parametrize("field", ["d_model", "d_vocab", "n_layers", "n_ctx", "d_mlp", "n_passes"])
def test_nothing_is_allocated_because_a_manifest_claims_it(stopped: Path, field: str) -> None:
    edit(stopped / "manifest.json", lambda m: m["model"].update({field: 10**12}))
    with pytest.raises(HopscopeError, match=r"1,000|checkpoint of step 30 has 4,"):
        open_run(stopped).model()


def test_a_manifest_with_another_model_is_not_resumed(stopped: Path) -> None:
    edit(stopped / "manifest.json", lambda m: m["model"].update({"d_mlp": 10**12}))
    before = content(stopped)
    with pytest.raises(HopscopeError, match="not of one run"):
        train(None, stopped, resume=True, progress=False)
    assert content(stopped) == before


@pytest.mark.parametrize("name", ["resume", "checkpoints", "metrics.jsonl", ".lock", "results"])
def test_a_link_out_of_the_run_is_neither_read_nor_written(
    stopped: Path, tmp_path: Path, name: str
) -> None:
    target = tmp_path / "precious"
    if name in ("metrics.jsonl", ".lock"):
        target.write_text("")
    else:
        target.mkdir()
        (target / "state_of_my_thesis").write_text("nearly done")
    inside = stopped / name
    if inside.is_dir():
        shutil.rmtree(inside)
    inside.unlink(missing_ok=True)
    inside.symlink_to(target)
    before = content(tmp_path)
    with pytest.raises(HopscopeError, match="link out of the run folder"):
        train(None, stopped, resume=True, progress=False)
    assert content(tmp_path) == before


def test_a_pipe_or_device_in_a_run_is_not_waited_for(stopped: Path) -> None:
    checkpoint = stopped / "checkpoints" / "step_00000030.safetensors"
    checkpoint.unlink()
    os.mkfifo(checkpoint)
    assert file_sha256(checkpoint) is None
    with pytest.raises(HopscopeError, match="not a regular file"):
        load_checkpoint(checkpoint)
    assert open_run(stopped).damaged_steps() == [30]
    (stopped / "metrics.jsonl").unlink()
    os.mkfifo(stopped / "metrics.jsonl")
    with pytest.raises(HopscopeError, match="neither a file nor a folder"):
        open_run(stopped)


def test_a_recipe_changed_since_the_start_is_refused_and_put_back_goes_on(
    stopped: Path, whole: Path
) -> None:
    text = (stopped / "recipe.toml").read_text()
    (stopped / "recipe.toml").write_text(text.replace("lr = 0.001", "lr = 0.01"))
    before = content(stopped)
    with pytest.raises(HopscopeError, match=r"recipe\.toml was changed.*put it back"):
        train(None, stopped, resume=True, progress=False)
    assert content(stopped) == before
    (stopped / "recipe.toml").write_text(text)
    resume(stopped)
    assert numbers(stopped) == numbers(whole)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("step", 7, "counts are wrong"),
        ("losses_count", -1, "counts are wrong"),
        ("seconds", "long", "time or plan"),
        ("plan", 3, "time or plan"),
        ("plan", {}, "does not fit"),
        ("checkpoints", 3, "not a list"),
    ],
)
def test_a_resume_state_with_absurd_numbers_is_passed_over(
    stopped: Path, whole: Path, name: str, value: object, said: str
) -> None:
    edit(stopped / "resume" / "state_00000032.json", lambda state: state.update({name: value}))
    notes = resume(stopped)
    assert said in notes
    assert "Going on from step 30." in notes
    assert numbers(stopped) == numbers(whole)


def test_a_copy_made_while_training_lacks_no_evaluation_after_resuming(
    stopped: Path, whole: Path
) -> None:
    """The metrics were copied first, at step 20, and the states last."""
    lines = (stopped / "metrics.jsonl").read_text().splitlines(keepends=True)
    (stopped / "metrics.jsonl").write_text("".join(lines[:3]))
    with pytest.raises(HopscopeError, match=r"up to the resume state of step 30 are missing"):
        resume(stopped)
    (stopped / "metrics.jsonl").write_text("".join(lines))
    resume(stopped)
    assert numbers(stopped) == numbers(whole)


def test_a_checkpoint_that_a_copied_manifest_does_not_list_yet_is_said(stopped: Path) -> None:
    edit(stopped / "manifest.json", lambda m: m["checkpoints"].pop())
    notes = resume(stopped)
    assert "step 30 is damaged and is left out" in notes
    assert open_run(stopped).steps == [0, 10, 20, 40]


def test_with_lost_resume_states_it_does_not_say_that_it_had_only_begun(tmp_path: Path) -> None:
    recipe = tiny_recipe(checkpoints__every=40)
    path = stop_training_at(32, recipe, tmp_path / "run").path
    assert open_run(path).steps == [0]
    shutil.rmtree(path / "resume")
    before = content(path)["metrics.jsonl"]
    with pytest.raises(HopscopeError, match="cannot be resumed: it has no resume state"):
        train(None, path, resume=True, progress=False)
    assert content(path)["metrics.jsonl"] == before


def test_a_folder_moved_away_while_training_is_said_and_nothing_is_made_in_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, advance = tmp_path / "run", Trainer.advance

    def advance_and_move(self: Trainer) -> None:
        advance(self)
        if self.step == 15:
            path.rename(tmp_path / "moved")

    monkeypatch.setattr(Trainer, "advance", advance_and_move)
    with pytest.raises(HopscopeError, match=r"moved or deleted.*Put it back"):
        train(tiny_recipe(), path, progress=False)
    monkeypatch.undo()
    assert not path.exists()
    resume(tmp_path / "moved")
    assert open_run(tmp_path / "moved").state == "finished"


def test_a_tracker_that_cannot_write_ends_with_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Session) -> dict[str, Any]:
        raise OSError(28, "No space left on device", str(tmp_path / "run" / "tensorboard"))

    monkeypatch.setattr(Session, "_measure", full)
    with pytest.raises(HopscopeError, match=r"tensorboard cannot be written.*Nothing had been"):
        train(tiny_recipe(), tmp_path / "run", progress=False)


def test_the_same_command_begins_again_what_was_killed_before_its_first_manifest(
    tmp_path: Path, whole: Path
) -> None:
    path = tmp_path / "run"
    shutil.copytree(whole, path)
    (path / "manifest.json").unlink()
    with pytest.raises(HopscopeError, match="not empty"):  # that had been trained
        train(tiny_recipe(), path, progress=False)
    for trained in (*path.glob("checkpoints/step_000000[1-9]*"), *path.glob("resume/*")):
        trained.unlink()
    (path / "checkpoints" / ".step_00000010.safetensors.a1b2c3d4").touch()
    train(tiny_recipe(), path, progress=False)
    assert numbers(path) == numbers(whole)
    assert not list((path / "checkpoints").glob(".*"))


def test_a_folder_with_a_recipe_of_the_users_own_is_not_taken_for_that(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text("# mine")
    with pytest.raises(HopscopeError, match="not empty"):
        train(tiny_recipe(), tmp_path, progress=False)
    assert content(tmp_path) == {"recipe.toml": b"# mine"}


def test_after_a_refusal_the_folder_is_free_for_another_process(stopped: Path) -> None:
    shutil.rmtree(stopped / "resume")
    (stopped / "resume").write_text("a file in its place")
    run = open_run(stopped)
    with pytest.raises(HopscopeError, match="cannot be written"):
        RunWriter.reopen(run)
    (stopped / "resume").unlink()
    with RunWriter.reopen(run) as writer:
        assert writer.steps == [0, 10, 20, 30]
    assert state_steps(stopped / "resume") == []
