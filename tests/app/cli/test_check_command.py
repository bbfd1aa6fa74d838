"""`hopscope check`: exit codes, the table, JSON, the figure and what a run keeps."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from analyses.figures import to_matplotlib, to_plotly
from analyses.figures.builders.series_check import neighbour_distances
from app.cli.main import cli
from app.instrument.payload import check_marks
from circuits import HopscopeError, open_run
from circuits.series import check_series
from circuits.series.record import CHECK, kept_check


@pytest.fixture(scope="module")
def wrong(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo with steps 1,500 and 3,000 exchanged, and step 6,000 under the name of step 100."""
    run = Path(shutil.copytree("assets/demo", tmp_path_factory.mktemp("runs") / "wrong"))
    files = {step: run / f"checkpoints/step_{step:08d}.safetensors" for step in (100, 1500, 3000)}
    shutil.copy(run / "checkpoints/step_00006000.safetensors", files[100])
    shutil.copy("assets/demo/checkpoints/step_00001500.safetensors", files[3000])
    shutil.copy("assets/demo/checkpoints/step_00003000.safetensors", files[1500])
    return run


def test_a_run_with_wrong_steps_ends_with_exit_code_1_and_keeps_what_was_found(
    wrong: Path, tmp_path: Path
) -> None:
    figures = tmp_path / "figures"
    done = CliRunner().invoke(cli, ["check", str(wrong), "--figures", str(figures)])
    assert done.exit_code == 1
    assert "step 100 serves the weights of step 6,000" in done.output
    assert "3 of 25 steps are flagged: 3 file hash, 1 identical, 1 place." in done.output
    assert (figures / "neighbour_distances.pdf").stat().st_size > 0
    kept = kept_check(wrong)
    assert kept == check_series(wrong)
    assert kept.flagged == (100, 1500, 3000)
    marks = check_marks(open_run(wrong))
    assert [mark["step"] for mark in marks] == [100, 1500, 3000]
    assert marks[0]["text"].endswith("differs; step 100 serves the weights of step 6,000")


def test_a_clean_run_ends_with_exit_code_0(tmp_path: Path) -> None:
    run = shutil.copytree("assets/demo", tmp_path / "demo")
    done = CliRunner().invoke(cli, ["check", str(run), "--json"])
    assert done.exit_code == 0
    assert json.loads(done.output)["ok"]
    assert check_marks(open_run(run)) == []
    (Path(run) / CHECK).write_text("{")
    assert check_marks(open_run(run)) == []
    with pytest.raises(HopscopeError, match="run `hopscope check` again"):
        kept_check(Path(run))


def test_a_folder_without_a_series_is_one_sentence(tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, ["check", str(tmp_path)])
    assert isinstance(done.exception, HopscopeError)
    assert str(done.exception).endswith("is empty; give a folder with a checkpoint for each step.")


def test_a_run_is_opened_with_a_check_only_if_nothing_is_wrong(wrong: Path) -> None:
    assert open_run("assets/demo", check=True).steps == open_run("assets/demo").steps
    with pytest.raises(HopscopeError, match=r"step 100 is not the file .* \(and 4 more\)"):
        open_run(wrong, check=True)


def test_both_renderers_draw_the_distances_with_the_flagged_steps(wrong: Path) -> None:
    check = check_series(wrong)
    spec = neighbour_distances(check)
    table = spec.frame()
    assert list(table["training step"]) == list(check.steps[1:])
    assert (table["low"] < table["distance from the step before"]).all()
    assert [event.label for event in spec.events] == ["step 100", "step 1,500", "step 3,000"]
    assert to_matplotlib(spec).axes
    assert "Distance of neighbouring steps" in to_plotly(spec).to_json()
