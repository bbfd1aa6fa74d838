"""`hopscope train` and `hopscope sweep` as typed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import typer
from tiny_runs import tiny_recipe
from typer.testing import CliRunner

from app.cli.sweep import sweep_command
from app.cli.train import new_run_folder, train_command
from circuits.errors import HopscopeError
from circuits.recipes.toml import recipe_toml
from circuits.runs.run import open_run


@pytest.fixture
def cli() -> typer.Typer:
    app = typer.Typer()
    app.command("train")(train_command)
    app.command("sweep")(sweep_command)
    return app


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.toml"
    path.write_text(recipe_toml(tiny_recipe(training__steps=10)))
    return path


def test_a_recipe_is_trained_with_settings_and_summed_up(
    cli: typer.Typer, recipe: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    given = ["train", str(recipe), "--out", str(out), "--set", "training.steps=20"]
    result = CliRunner().invoke(cli, given)
    assert result.exit_code == 0, result.output
    assert open_run(out).steps == [0, 10, 20]
    assert "finished at step 20" in result.output
    run = open_run(out)
    bridges = run.diversity["id_test"]["bridges"]
    said = f"over bridges {run.rows()[-1]['macro_accuracy/id_test']:.3f} ({bridges['count']}, "
    assert said in result.output
    assert " the best shortcut, " in result.output
    assert f"next: hopscope analyze {out}" in result.output


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["train"], "either a recipe"),
        (["train", "RECIPE", "--resume", "x"], "either a recipe"),
        (["train", "--resume", "x", "--out", "y"], "leave out --out"),
        (["train", "--resume", "x", "--set", "training.steps=9"], "not a run folder"),
        (["train", "--resume", "nowhere"], "not a run folder"),
        (["train", "nowhere.toml"], "cannot be read"),
        (["train", "RECIPE", "--set", "training.stepz=3"], "Did you mean 'steps'"),
        (["sweep", "RECIPE", "--backend", "rays"], "Did you mean 'ray'"),
        (["sweep", "RECIPE", "--grid", "phi"], "section.key=a,b,c"),
    ],
)
def test_a_mistake_is_one_sentence(
    cli: typer.Typer, recipe: Path, given: list[str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(recipe.parent)
    result = CliRunner().invoke(cli, [str(recipe) if g == "RECIPE" else g for g in given])
    assert isinstance(result.exception, HopscopeError)
    assert said in str(result.exception)
    assert not (recipe.parent / "runs").exists()


def test_several_processes_need_one_named_folder(
    cli: typer.Typer, recipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    result = CliRunner().invoke(cli, ["train", str(recipe)])
    assert "give --out" in str(result.exception)


def test_a_sweep_prints_its_table(cli: typer.Typer, recipe: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    given = ["sweep", str(recipe), "--grid", "training.lr=0.01,0.02", "--out", str(out)]
    result = CliRunner().invoke(cli, [*given, "--jobs", "1"])
    assert result.exit_code == 0, result.output
    assert (out / "lr=0.01_seed=0" / "manifest.json").exists()
    assert "training.lr" in result.output


def test_two_runs_in_one_second_get_two_folders(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    first = new_run_folder(recipe)
    first.mkdir(parents=True)
    assert new_run_folder(recipe) != first
    shutil.rmtree(first)
