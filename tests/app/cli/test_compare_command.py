"""`hopscope compare`: it says when runs are not seeds of one another."""

import json
import shutil
from pathlib import Path

from typer.testing import CliRunner

from app.cli.main import cli

ASSETS = Path(__file__).parents[3] / "assets"


def said(*runs: Path) -> str:
    done = CliRunner().invoke(cli, ["compare", *map(str, runs)])
    assert done.exit_code == 0, done.exception
    return done.stderr


def test_runs_of_different_recipes_are_not_called_seeds() -> None:
    told = said(ASSETS / "demo", ASSETS / "textbook")
    assert told.startswith("not seeds of one recipe: they differ in augmentation.phi, ")


def test_a_copy_is_no_second_seed_and_another_seed_is_one(tmp_path: Path) -> None:
    shutil.copytree(ASSETS / "demo", tmp_path / "copy")
    assert "the same seed is among them twice" in said(ASSETS / "demo", tmp_path / "copy")
    recipe, manifest = tmp_path / "copy" / "recipe.toml", tmp_path / "copy" / "manifest.json"
    recipe.write_text(recipe.read_text().replace("seed = 0", "seed = 1", 1))
    table = json.loads(manifest.read_text()) | {"seed": 1}
    manifest.write_text(json.dumps(table))
    assert said(ASSETS / "demo", tmp_path / "copy") == ""


def test_what_lies_beside_the_runs_of_a_sweep_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "sweep.zarr").mkdir()
    (tmp_path / "sweep.csv").touch()
    (tmp_path / "seed=0").symlink_to(ASSETS / "demo")
    everything = [str(path) for path in sorted(tmp_path.iterdir())]
    done = CliRunner().invoke(cli, ["analyze", *everything, "logit_lens"])
    assert (done.exit_code, done.exception) == (0, None)
    assert done.stdout.startswith("logit_lens: ")  # of one run, and nothing was missing
