"""Exported figures are computed anew; what no longer matches is named with the reason."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from hand_wired import hand_wired, save_as_run
from typer.testing import CliRunner

from analyses import analyze, export
from analyses.figures.run_figures import run_figures, selected
from analyses.figures.verify import verify
from app.cli.main import cli
from circuits.errors import HopscopeError
from circuits.runs.run import Run, open_run


@pytest.fixture(scope="module")
def original(tmp_path_factory) -> Run:
    wired = hand_wired()
    run = save_as_run(tmp_path_factory.mktemp("runs") / "wired", wired.corpus, {0: wired.model})
    analyze(run, "causal_tracing", examples=20, n_jobs=1, progress=False)
    analyze(run, "causal_tracing", n_jobs=1, progress=False)
    return run


@pytest.fixture
def run(original, tmp_path) -> Run:
    """A copy with a figure of its accuracy and one of its tracing."""
    shutil.copytree(original.path, tmp_path / "wired")
    run = open_run(tmp_path / "wired")
    drawn = run_figures(run)
    tracing = drawn["causal_tracing_strength"]
    export(selected(run, tracing, 0, split="id_test"), run.figures_dir / "tracing.csv")
    export(drawn["training_accuracy"].make(None), run.figures_dir / "accuracy.csv")
    return run


def statuses(run: Run) -> dict[str, tuple[str, str]]:
    return {one.name: (one.status, one.why) for one in verify(run, run.figures_dir)}


def test_what_nobody_touched_matches(run) -> None:
    assert statuses(run) == {"tracing": ("matches", ""), "accuracy": ("matches", "")}


def test_other_weights_are_named_although_the_stored_numbers_agree(run) -> None:
    manifest = run.path / "manifest.json"
    table = json.loads(manifest.read_text())
    table["checkpoints"][0]["sha256"] = "0" * 64
    manifest.write_text(json.dumps(table))
    assert statuses(open_run(run.path))["tracing"] == ("differs", "the run has other weights")


def record_with(path: Path, change) -> None:
    record = json.loads(path.read_text())
    change(record["provenance"])
    path.write_text(json.dumps(record))


def test_another_version_and_another_option_are_named(run) -> None:
    def older(provenance) -> None:
        provenance["result"]["version"] = -1
        provenance["options"]["examples"] = 7

    record_with(run.figures_dir / "tracing.json", older)
    status, why = statuses(run)["tracing"]
    assert status == "differs"
    assert "the version of the analysis was -1 and is" in why
    assert "the option examples was 7 and is 300" in why


def test_a_file_changed_by_hand_is_named(run) -> None:
    (run.figures_dir / "accuracy.csv").write_text("better")
    assert statuses(run)["accuracy"] == (
        "differs", "accuracy.csv was changed or deleted since it was exported",
    )  # fmt: skip


def test_other_metrics_are_found(run) -> None:
    lines = (run.path / "metrics.jsonl").read_text().replace("1.0", "0.5")
    (run.path / "metrics.jsonl").write_text(lines)
    assert statuses(open_run(run.path))["accuracy"] == (
        "differs", "the stored result has other numbers",
    )  # fmt: skip


def test_a_figure_of_another_run_is_not_checked(run) -> None:
    spec = run_figures(run)["training_loss"].make(None)
    request = {**spec.provenance["request"], "run": "another"}
    moved = replace(spec, provenance={**spec.provenance, "request": request})
    export(moved, run.figures_dir / "loss.csv")
    assert statuses(run)["loss"] == ("not checked", "it is of the run another")


def test_the_command_says_what_differs_and_fails(run) -> None:
    good = CliRunner().invoke(cli, ["export", "--verify", str(run.figures_dir)])
    assert (good.exit_code, good.output.splitlines()[-1]) == (0, "none of 2 differs")
    (run.figures_dir / "accuracy.csv").unlink()
    bad = CliRunner().invoke(cli, ["export", str(run.path), "--verify", str(run.figures_dir)])
    assert (bad.exit_code, bad.output.splitlines()[-1]) == (1, "1 of 2 no longer match")


def test_a_folder_without_exports_is_refused_in_a_sentence(run, tmp_path) -> None:
    with pytest.raises(HopscopeError, match="holds no exported figure"):
        verify(run, tmp_path)
    lost = CliRunner().invoke(cli, ["export", "--verify", str(tmp_path)])
    assert "name the run: hopscope export RUN --verify" in str(lost.exception)
