"""`hopscope runs`, recipes by name and the version: what is printed, and what is asked first."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli.main import cli
from circuits import __version__
from circuits.errors import HopscopeError
from circuits.runs.notes import Notes, write_notes
from circuits.runs.run import open_run
from train.recipes import recipe_file, shipped

ASSETS = Path(__file__).parents[3] / "assets"


def said(*arguments: str, answer: str | None = None) -> str:
    done = CliRunner().invoke(cli, list(arguments), input=answer)
    assert done.exit_code == 0, done.exception
    return done.stdout


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    shutil.copytree(ASSETS / "demo", tmp_path / "demo", ignore=shutil.ignore_patterns("results"))
    return tmp_path


def test_a_run_is_a_line_with_its_accuracies() -> None:
    head, first, second, total = said("runs", str(ASSETS), "--sort", "name").splitlines()
    assert head.split() == ["run", "state", "step", "train", "ID", "OOD", "size", "created"]
    assert first.split()[:6] == ["demo", "finished", "6,000", "1.000", "0.978", "0.276"]
    assert second.split()[0] == "textbook"
    assert total.startswith("2 runs, ")


def test_tags_are_listed_and_choose_runs(runs: Path) -> None:
    write_notes(runs / "demo", Notes(("paper", "seed 0")))
    head, first, _ = said("runs", str(runs), "--tag", "paper").splitlines()
    assert head.endswith("tags")
    assert first.endswith("paper, seed 0")
    refused = CliRunner().invoke(cli, ["runs", str(runs), "--tag", "papr"])
    assert isinstance(refused.exception, HopscopeError)
    assert "paper" in str(refused.exception)


def test_a_filter_keeps_runs_with_these_letters() -> None:
    lines = said("runs", str(ASSETS), "--filter", "TEXT").splitlines()
    assert [line.split()[0] for line in lines] == ["run", "textbook", "1"]
    assert said("runs", str(ASSETS), "--filter", "stopped") == "No run was found.\n"


def test_json_has_the_numbers_unrounded() -> None:
    rows = json.loads(said("runs", str(ASSETS), "--json", "--sort", "name"))
    last = open_run(ASSETS / "demo").rows()[-1]
    assert rows[0]["accuracy"]["ood_test"] == last["accuracy/ood_test"]


def test_nothing_is_removed_without_a_yes(runs: Path) -> None:
    assert "demo was kept" in said("runs", str(runs), "--remove", "demo", answer="n\n")
    assert open_run(runs / "demo").steps
    assert "freed" in said("runs", str(runs), "--remove", "demo", answer="y\n")
    assert list(runs.iterdir()) == []


def test_a_run_that_is_not_there_is_named_before_any_is_removed(runs: Path) -> None:
    arguments = ["runs", str(runs), "--remove", "demo", "--remove", "dmo", "--yes"]
    done = CliRunner().invoke(cli, arguments)
    assert isinstance(done.exception, HopscopeError)
    assert "dmo" in str(done.exception)
    assert open_run(runs / "demo").steps


def test_a_run_that_cannot_be_removed_is_named_before_any_is_asked_for(runs: Path) -> None:
    shutil.copytree(runs / "demo", runs / "theirs")
    (runs / "theirs" / "thesis.tex").write_text("mine")
    arguments = ["runs", str(runs), "--remove", "demo", "--remove", "theirs"]
    done = CliRunner().invoke(cli, arguments, input="y\ny\n")
    assert "thesis.tex" in str(done.exception)
    assert done.output == ""
    assert open_run(runs / "demo").steps


def test_the_version_is_printed_alone() -> None:
    assert said("--version") == f"hopscope {__version__}\n"


def test_a_recipe_that_ships_goes_by_its_name_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    small = ["training.steps=2", "evaluation.items=20", "model.d_model=8", "model.d_mlp=8"]
    settings = [part for setting in small for part in ("--set", setting)]
    assert "finished at step 2" in said("train", "demo", "--out", "mine", *settings)
    assert open_run(tmp_path / "mine").recipe.source.name == "geonames"


def test_a_file_of_that_name_comes_before_the_recipe_that_ships(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert recipe_file("demo") == shipped()["demo"]
    (tmp_path / "textbook").mkdir()
    assert recipe_file("textbook") == shipped()["textbook"]  # not the folder of that name
    (tmp_path / "demo").write_text("seed = 3")
    assert recipe_file("demo") == Path("demo")


def test_an_unknown_recipe_names_the_nearest() -> None:
    with pytest.raises(HopscopeError, match="textbook"):
        recipe_file("textbok")
