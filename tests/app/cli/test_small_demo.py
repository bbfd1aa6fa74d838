"""`hopscope app --demo`: a demo where none came with the installation."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from analyses.stored import stored_steps
from app.cli import demo
from app.cli.main import cli
from circuits.recipes.schema import load_recipe
from circuits.runs.run import open_run
from train.interrupts import StopRequest
from train.loop import train
from train.recipes import shipped

SHORT = ("training.steps=3", "training.cooldown=1", "training.warmup=1")
SHORT += ("splits.id_test_items=20", "evaluation.items=20", "checkpoints.dense_every=3")


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    commands: list[list[str]] = []
    monkeypatch.setattr("app.cli.app.served", lambda command: commands.append(command) or 0)
    return commands


def test_the_demo_is_trained_and_measured_once_then_shown(
    tmp_path: Path, served: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "SETTINGS", SHORT)
    monkeypatch.setattr(demo, "ANALYSES", ("logit_lens",))
    runs = tmp_path / "runs"
    first = CliRunner().invoke(cli, ["app", str(runs), "--demo"])
    assert first.exit_code == 0, first.output
    run = open_run(runs / "demo")
    assert stored_steps(run, "logit_lens") == run.steps == [0, 3]
    again = CliRunner().invoke(cli, ["app", str(runs), "--demo"])
    assert again.output == "Opening the dashboard at http://localhost:8501; Ctrl-C ends it.\n"
    assert [command[-1] for command in served] == [str(runs)] * 2


def test_a_stopped_demo_opens_nothing_and_goes_on_when_it_is_asked_for_again(
    tmp_path: Path, served: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "SETTINGS", SHORT)
    monkeypatch.setattr(demo, "ANALYSES", ("logit_lens",))
    runs = tmp_path / "runs"
    with monkeypatch.context() as patch:
        patch.setattr(StopRequest, "received", True)  # Ctrl-C at once
        first = CliRunner().invoke(cli, ["app", str(runs), "--demo"])
    assert (first.exit_code, served) == (130, [])
    assert "goes on from here" in first.output
    assert open_run(runs / "demo").state == "stopped"
    again = CliRunner().invoke(cli, ["app", str(runs), "--demo"])
    assert again.exit_code == 0
    run = open_run(runs / "demo")
    assert (run.state, stored_steps(run, "logit_lens")) == ("finished", [0, 3])
    assert len(served) == 1


def test_a_stopped_run_of_ones_own_that_is_called_demo_is_shown_and_not_trained_on(
    tmp_path: Path, served: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "runs/demo"
    with monkeypatch.context() as patch:
        patch.setattr(StopRequest, "received", True)
        train(load_recipe(shipped()["demo"], SHORT), own)
    shown = CliRunner().invoke(cli, ["app", str(own.parent), "--demo"])
    assert (shown.exit_code, len(served)) == (0, 1), shown.output
    run = open_run(own)
    assert (run.state, stored_steps(run, "logit_lens")) == ("stopped", [])


def test_the_small_demo_is_a_whole_recipe() -> None:
    assert load_recipe(shipped()["demo"], demo.SETTINGS).training.steps == 1500
