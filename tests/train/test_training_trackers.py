"""Progress, TensorBoard and W&B get what was measured."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest
from tiny_runs import tiny_recipe

from circuits.errors import HopscopeError
from train.loop import train
from train.trackers import trackers


def test_tensorboard_holds_every_evaluation(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    recipe = tiny_recipe(training__steps=20, evaluation__tensorboard=True)
    run = train(recipe, tmp_path / "run", progress=False)
    events = EventAccumulator(str(run.path / "tensorboard"))
    events.Reload()
    scalars = events.Scalars("accuracy/id_test")
    assert [event.step for event in scalars] == [row["step"] for row in run.rows()]
    expected = [row["accuracy/id_test"] for row in run.rows()]
    assert [event.value for event in scalars] == pytest.approx(expected)


def test_wandb_offline_writes_into_the_run_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    recipe = tiny_recipe(evaluation__wandb=True)
    with trackers(recipe, tmp_path) as report:
        report({"step": 0, "loss/id_test": 1.5})
        report({"step": 10, "loss/id_test": 0.5})
    stored = list(tmp_path.glob("wandb/offline-run-*/*.wandb"))
    assert len(stored) == 1
    deadline = time.monotonic() + 10  # the service writes in a process of its own
    while b"loss/id_test" not in stored[0].read_bytes() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert b"loss/id_test" in stored[0].read_bytes()


def test_a_tracker_that_is_not_installed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(HopscopeError, match="pip install wandb"):
        train(tiny_recipe(evaluation__wandb=True), tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


def test_outside_a_terminal_progress_is_a_line_per_evaluation(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(tiny_recipe(training__steps=20), tmp_path / "run")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert lines[0].startswith("step 0/20")
    assert "ID accuracy" in lines[2]
    assert "steps/s" in lines[2]
