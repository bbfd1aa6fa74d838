"""A run that was killed and resumed equals one that was left alone, bit for bit."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import time
from collections.abc import Iterator
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import filelock
import pytest
import torch
from real_processes import start_training, stop_training_at
from tiny_runs import numbers, tiny_recipe

from app.cli.train import summary
from circuits.errors import HopscopeError
from circuits.recipes.schema import Recipe
from circuits.runs.locking import LOCK
from circuits.runs.reading import read_metrics, state_steps
from circuits.runs.run import open_run
from train.loop import train

pytestmark = pytest.mark.slow_first


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def long_recipe(**settings: object) -> Recipe:
    """Some tenths of a second, with everything in it that has a state."""
    return tiny_recipe(
        training__steps=150,
        training__grokfast=True,
        model__dropout=0.1,
        checkpoints__schedule="adaptive",
        checkpoints__every=25,
        checkpoints__adaptive_delta=0.05,
        evaluation__every=5,
        **settings,
    )


def assert_equal_runs(a: Path, b: Path) -> None:
    assert numbers(a) == numbers(b)
    first, second = open_run(a), open_run(b)
    assert first.manifest["checkpoints"] == second.manifest["checkpoints"]
    assert first.grok == second.grok
    for row in second.manifest["checkpoints"]:
        second.model(row["step"])  # the files are what the manifest says


@pytest.fixture(scope="module")
def long_whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of `long_recipe()` that was left alone."""
    torch.set_num_threads(1)
    return train(long_recipe(), tmp_path_factory.mktemp("long") / "whole", progress=False).path


@pytest.fixture(scope="module")
def tiny_whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of `tiny_recipe()` that was left alone."""
    torch.set_num_threads(1)
    return train(tiny_recipe(), tmp_path_factory.mktemp("tiny") / "whole", progress=False).path


def test_killed_at_random_moments_it_ends_as_if_never_killed(tmp_path: Path) -> None:
    recipe = long_recipe(checkpoints__dtype="fp32")
    train(recipe, tmp_path / "whole", progress=False)
    path, draw = tmp_path / "killed", random.Random(1)
    for _ in range(3):
        process = start_again(recipe, path)
        wait_for_rows(path, rows_of(path) + draw.randint(1, 3), process)
        time.sleep(draw.uniform(0, 0.005))
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL, "it ended before it was killed"
    last = start_again(recipe, path)
    last.join()
    assert last.exitcode == 0
    assert_equal_runs(tmp_path / "whole", path)
    assert state_steps(path / "resume") == [recipe.training.steps]
    assert not list(path.glob("**/.*.*.*"))  # no half-written file is left


def start_again(recipe: Recipe, path: Path) -> ForkServerProcess:
    """Resume the run, or begin it if it was killed before there was one."""
    if (path / "manifest.json").exists():
        return start_training(None, path, resume=True)
    shutil.rmtree(path, ignore_errors=True)
    return start_training(recipe, path)


def rows_of(path: Path) -> int:
    return len(read_metrics(path / "metrics.jsonl"))


def wait_for_rows(path: Path, count: int, process: ForkServerProcess) -> None:
    """Return once so many evaluations are written (or the process is gone)."""
    while rows_of(path) < count and process.is_alive():
        time.sleep(0.001)


def test_a_polite_request_to_stop_saves_first_and_loses_nothing(
    long_whole: Path, tmp_path: Path
) -> None:
    stop_training_at(13, long_recipe(), tmp_path / "run")
    run = open_run(tmp_path / "run")
    assert run.state == "stopped"
    assert state_steps(run.path / "resume")[0] == 13
    train(None, run.path, resume=True, progress=False)
    assert_equal_runs(long_whole, run.path)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_a_real_process_saves_says_how_to_resume_and_loses_nothing(
    long_whole: Path, tmp_path: Path, number: signal.Signals
) -> None:
    recipe = long_recipe()
    process = start_training(recipe, tmp_path / "run", said=tmp_path / "said")
    wait_for_rows(tmp_path / "run", 4, process)
    assert process.pid is not None
    os.kill(process.pid, number)
    process.join()
    assert process.exitcode == 0
    assert f"hopscope train --resume {tmp_path / 'run'}" in (tmp_path / "said").read_text()
    run = open_run(tmp_path / "run")
    assert run.state == "stopped"
    assert run.rows()[-1]["step"] < recipe.training.steps
    train(None, run.path, resume=True, progress=False)
    assert_equal_runs(long_whole, run.path)


def test_a_run_that_had_reached_its_goal_is_finished_and_left_as_it_is(tmp_path: Path) -> None:
    recipe = tiny_recipe(evaluation__stop_at_id_accuracy=0.001, training__lr=0.02)
    run = train(recipe, tmp_path / "run", progress=False)
    assert run.steps[-1] < recipe.training.steps
    assert state_steps(run.path / "resume") == [run.last_step]
    before = {path: path.stat().st_mtime_ns for path in run.path.rglob("*")}
    with pytest.raises(HopscopeError, match=r"stop_at_id_accuracy = 0\.001 .* nothing to resume"):
        train(None, run.path, resume=True, progress=False)
    assert {path: path.stat().st_mtime_ns for path in run.path.rglob("*")} == before


def test_a_finished_run_whose_recipe_was_edited_says_how_far_it_was_trained(tmp_path: Path) -> None:
    run = train(tiny_recipe(), tmp_path / "run", progress=False)
    recipe = run.path / "recipe.toml"
    recipe.write_text(recipe.read_text().replace("steps = 40", "steps = 80"))
    with pytest.raises(HopscopeError, match=r"after 40 steps.*was changed.*new folder"):
        train(None, run.path, resume=True, progress=False)


def test_a_stopped_run_is_summed_up_where_it_stopped(tmp_path: Path) -> None:
    recipe = tiny_recipe(evaluation__every=40, checkpoints__every=40)
    run = stop_training_at(12, recipe, tmp_path / "run")
    assert run.last_step == 12
    lines = summary(run)
    assert lines[0] == f"{run.path}: stopped at step 12, 1 checkpoint"
    assert lines[1] == "  as evaluated at step 0:"


@pytest.fixture
def stopped(tmp_path: Path) -> Path:
    return stop_training_at(32, tiny_recipe(), tmp_path / "run").path


def test_a_damaged_newest_state_falls_back_to_the_one_before(
    stopped: Path, tiny_whole: Path
) -> None:
    newest, before = state_steps(stopped / "resume")
    assert (newest, before) == (32, 30)
    path = stopped / "resume" / f"state_{newest:08d}.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    run = train(None, stopped, resume=True, progress=False)
    assert "resume state of step 32 is damaged" in " ".join(run.manifest["notes"])
    assert "Going on from step 30" in " ".join(run.manifest["notes"])
    assert_equal_runs(tiny_whole, stopped)


def test_a_damaged_newest_checkpoint_is_trained_again(tiny_whole: Path, tmp_path: Path) -> None:
    path = stop_training_at(30, tiny_recipe(), tmp_path / "run").path
    assert state_steps(path / "resume") == [30, 20]
    (path / "checkpoints" / "step_00000030.safetensors").write_bytes(b"")
    run = train(None, path, resume=True, progress=False)
    assert "step 30 is damaged and is trained again" in " ".join(run.manifest["notes"])
    assert_equal_runs(tiny_whole, path)


def test_a_checkpoint_lost_long_ago_is_left_out_and_said(stopped: Path) -> None:
    (stopped / "checkpoints" / "step_00000010.safetensors").unlink()
    run = train(None, stopped, resume=True, progress=False)
    assert run.steps == [0, 20, 30, 40]
    assert "step 10 is damaged and is left out" in " ".join(run.manifest["notes"])


def test_without_a_usable_state_it_says_why(stopped: Path) -> None:
    for path in (stopped / "resume").glob("*.json"):
        path.write_text("{}")
    with pytest.raises(HopscopeError, match=r"cannot be resumed.*step 32 is damaged"):
        train(None, stopped, resume=True, progress=False)
    shutil.rmtree(stopped / "resume")
    with pytest.raises(HopscopeError, match="has no resume state"):
        train(None, stopped, resume=True, progress=False)


def test_a_run_that_had_only_begun_starts_again(tmp_path: Path) -> None:
    recipe = tiny_recipe(model__dropout=0.1)
    train(recipe, tmp_path / "whole", progress=False)
    run = stop_training_at(1, recipe, tmp_path / "run")
    assert run.steps == [0]
    shutil.rmtree(run.path / "resume")  # as if killed before the first state was written
    run = train(None, run.path, resume=True, progress=False)
    assert "starts again from step 0" in " ".join(run.manifest["notes"])
    assert_equal_runs(tmp_path / "whole", run.path)


def test_going_on_in_other_circumstances_is_said(
    stopped: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    begun = open_run(stopped).manifest["kernels"]
    other = {"compiled": "pytorch", "pytorch": "compiled"}[begun]
    monkeypatch.setattr("train.trainer.kernels_in_use", lambda *given: other)
    train(None, stopped, resume=True)
    assert f"Resumed with kernels = {other} after kernels = {begun}" in capsys.readouterr().err


def test_a_second_process_is_refused(stopped: Path) -> None:
    before = json.loads((stopped / "manifest.json").read_text())
    with (
        filelock.FileLock(stopped / LOCK),
        pytest.raises(HopscopeError, match="another process is training"),
    ):
        train(None, stopped, resume=True, progress=False)
    assert json.loads((stopped / "manifest.json").read_text()) == before


def test_a_finished_run_or_another_recipe_is_not_resumed(stopped: Path) -> None:
    with pytest.raises(HopscopeError, match="another recipe"):
        train(tiny_recipe(seed=9), stopped, resume=True, progress=False)
    train(tiny_recipe(), stopped, resume=True, progress=False)
    with pytest.raises(HopscopeError, match="is finished"):
        train(None, stopped, resume=True, progress=False)
