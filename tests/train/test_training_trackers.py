"""Progress, TensorBoard and W&B get what was measured."""

from __future__ import annotations

import json
import os
import signal
import struct
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from real_processes import start_training
from tiny_runs import tiny_recipe

from circuits.errors import HopscopeError
from circuits.runs.reading import read_metrics
from circuits.runs.run import Run, open_run
from train.loop import train

pytestmark = pytest.mark.slow_first


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


def killed_and_resumed(path: Path, **settings: Any) -> Run:
    """A run that was killed some evaluations after its only resume state, and then resumed."""
    recipe = tiny_recipe(
        training__steps=240, evaluation__every=4, checkpoints__resume_seconds=1000, **settings
    )
    offline = {"WANDB_MODE": "offline"}
    process = start_training(recipe, path, environment=offline)
    while len(read_metrics(path / "metrics.jsonl")) < 15:
        assert process.is_alive()
        time.sleep(0.001)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL, "it ended before it was killed"
    process = start_training(None, path, resume=True, environment=offline)
    process.join()
    assert process.exitcode == 0
    return open_run(path)


def test_tensorboard_shows_every_step_once_after_a_kill_and_a_resume(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = killed_and_resumed(tmp_path / "run", evaluation__tensorboard=True)
    events = EventAccumulator(str(run.path / "tensorboard"))
    events.Reload()
    shown = [(event.step, event.value) for event in events.Scalars("accuracy/id_test")]
    assert shown == [(r["step"], pytest.approx(r["accuracy/id_test"])) for r in run.rows()]


def test_wandb_has_one_run_with_every_step_once_after_a_kill_and_a_resume(tmp_path: Path) -> None:
    pytest.importorskip("wandb")
    run = killed_and_resumed(tmp_path / "run", evaluation__wandb=True)
    files = sorted(run.path.glob("wandb/offline-run-*/*.wandb"), key=os.path.getmtime)
    assert len(files) == 2
    assert {file.stem for file in files} == {f"run-{run.manifest['wandb_id']}"}
    newest = wandb_history(files[-1])
    assert newest == [(row["step"], row["accuracy/id_test"]) for row in run.rows()]


def wandb_history(path: Path) -> list[tuple[int, float]]:
    """Step and ID accuracy of all rows in W&B's file: protocol buffers in a LevelDB log.

    A log is 32 KiB blocks of records with a header of 7 bytes each (checksum, length, part), the
    first block beginning with 7 bytes of W&B's own; a record may be cut into parts.
    """
    from wandb.proto.wandb_internal_pb2 import Record

    content, at, record, rows = path.read_bytes(), 7, b"", []
    while at + 7 <= len(content):
        left = 32768 - at % 32768
        if left < 7:
            at += left
            continue
        length, part = struct.unpack("<HB", content[at + 4 : at + 7])
        record += content[at + 7 : at + 7 + length]
        at += 7 + length
        if part in (1, 4):  # whole, or the last part
            parsed, record = Record.FromString(record), b""
            items = {(i.key or ".".join(i.nested_key)): i.value_json for i in parsed.history.item}
            if "accuracy/id_test" in items:
                rows.append((parsed.history.step.num, json.loads(items["accuracy/id_test"])))
    return rows


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
