"""Two processes that share the batches get the losses of one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tiny_runs import numbers, tiny_recipe

from circuits.recipe_toml import recipe_toml
from circuits.runs import open_run
from train.loop import train

ROOT = Path(__file__).resolve().parents[1]
TORCHRUN = Path(sys.executable).with_name("torchrun")


def test_torchrun_with_two_gloo_processes_gives_the_losses_of_one_with_the_same_global_batch(
    tmp_path: Path,
) -> None:
    recipe = tiny_recipe(training__steps=20)
    train(recipe, tmp_path / "one", progress=False)
    (tmp_path / "recipe.toml").write_text(recipe_toml(recipe))
    processes = [TORCHRUN, "--standalone", "--nproc-per-node", "2"]
    command = ["-m", "app.cli", "train", tmp_path / "recipe.toml", "--out", tmp_path / "two"]
    done = subprocess.run([*processes, *command], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("finished at step 20") == 1  # only the first process speaks
    assert "Warning" not in done.stderr
    one, two = numbers(tmp_path / "one"), numbers(tmp_path / "two")
    assert [row["step"] for row in one] == [row["step"] for row in two] == [0, 10, 20]
    for expected, row in zip(one, two, strict=True):
        for name, value in expected.items():
            if "loss" in name:
                assert row[name] == pytest.approx(value, abs=1e-5), name
    assert open_run(tmp_path / "two").manifest["processes"] == 2
