"""A finished run goes on to more steps; a new run begins with the weights of another one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from real_processes import stop_training_at
from tiny_runs import tiny_recipe
from typer.testing import CliRunner

from app.cli.main import cli
from circuits.errors import HopscopeError
from circuits.recipes.schema import load_recipe
from circuits.runs.run import Run, open_run
from train.longer import lengthen
from train.loop import train

STEPS = 20


def trained(path: Path, **settings: object) -> Run:
    recipe = tiny_recipe(**{"training__steps": STEPS, "checkpoints__dtype": "fp32", **settings})
    return train(recipe, path, progress=False)


def assert_equal_weights(one: Run, other: Run) -> None:
    for step in {*one.steps} & {*other.steps}:
        first, second = (run.model(step).state_dict() for run in (one, other))
        assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_run_that_was_continued_equals_one_of_that_length(tmp_path: Path) -> None:
    whole = trained(tmp_path / "whole", training__steps=2 * STEPS)
    run = trained(tmp_path / "run")
    result = CliRunner().invoke(
        cli, ["train", "--resume", str(run.path), "--set", f"training.steps={2 * STEPS}"]
    )
    assert result.exit_code == 0, result.exception
    longer = open_run(run.path)
    assert (longer.state, longer.last_step) == ("finished", 2 * STEPS)
    assert whole.steps[-1] in longer.steps
    assert_equal_weights(whole, longer)


def test_a_continued_run_keeps_what_it_was_and_records_the_change(tmp_path: Path) -> None:
    run = trained(tmp_path / "run")
    kept = {p: p.read_bytes() for p in run.path.rglob("*") if p.suffix in (".toml", ".json")}
    lengthen(run.path, [f"training.steps={3 * STEPS}"])
    waiting = open_run(run.path)
    assert waiting.state == "stopped"
    assert waiting.recipe == run.recipe.with_training(steps=3 * STEPS)
    assert waiting.manifest["continued"] == [{"from_step": STEPS, "steps": 3 * STEPS}]
    assert not waiting.recipe_changed
    changed = {p.name for p, content in kept.items() if p.read_bytes() != content}
    assert changed == {"manifest.json"}
    assert waiting.rows() == run.rows()


def test_a_rate_that_had_fallen_is_told_to_rise_again(tmp_path: Path) -> None:
    run = trained(tmp_path / "run", training__cooldown=5)
    told = lengthen(run.path, [f"training.steps={2 * STEPS}"])
    assert told is not None
    assert "rises again" in told
    assert told in open_run(run.path).manifest["notes"]


def test_a_run_stopped_before_its_cool_down_equals_one_of_that_length(tmp_path: Path) -> None:
    cooling = {"training__cooldown": 5, "checkpoints__dtype": "fp32"}
    whole = trained(tmp_path / "whole", training__steps=2 * STEPS, training__cooldown=5)
    run = stop_training_at(12, tiny_recipe(training__steps=STEPS, **cooling), tmp_path / "run")
    assert lengthen(run.path, [f"training.steps={2 * STEPS}"]) is None
    assert_equal_weights(whole, train(None, run.path, resume=True, progress=False))


def test_nothing_but_more_steps_is_taken_and_a_refusal_changes_nothing(tmp_path: Path) -> None:
    run = trained(tmp_path / "run")
    before = (run.path / "manifest.json").read_bytes()
    for settings, why in (
        ([f"training.steps={STEPS}"], "larger number than 20"),
        (["training.steps=5"], "larger number than 20, not 5"),
        (["training.steps=40", "training.lr=1"], r"training\.lr was given"),
        (["training.stps=40"], "steps"),
    ):
        with pytest.raises(HopscopeError, match=why):
            lengthen(run.path, settings)
    shutil.rmtree(run.path / "resume")
    with pytest.raises(HopscopeError, match=r"no resume state.*init_from=.*run@20"):
        lengthen(run.path, ["training.steps=40"])
    assert (run.path / "manifest.json").read_bytes() == before


def test_a_branch_begins_with_the_weights_of_the_other_run(tmp_path: Path) -> None:
    run = trained(tmp_path / "run")
    branch = trained(
        tmp_path / "branch", training__init_from=f"{run.path}@{STEPS}", training__lr=0.1
    )
    first, last = branch.model(0).state_dict(), run.model(STEPS).state_dict()
    assert all(torch.equal(first[name], last[name]) for name in last)
    at_start, at_end = branch.rows()[0], run.rows()[-1]
    assert at_start["accuracy/train_inferred"] == at_end["accuracy/train_inferred"]


def test_a_branch_of_another_vocabulary_or_width_is_refused_before_anything_is_made(
    tmp_path: Path,
) -> None:
    run = trained(tmp_path / "run")
    named = {"training__init_from": f"{run.path}@{STEPS}"}
    for settings, why in (
        ({"model__d_model": 8, "model__n_heads": 2}, "model of .* is not the recipe's"),
        ({"source__options__n_entities": 17}, "vocabulary of .* is not that"),
        ({"training__init_from": f"{run.path}@7"}, "no checkpoint of step 7"),
        ({"training__init_from": str(run.path)}, "RUN@STEP"),
    ):
        with pytest.raises(HopscopeError, match=why):
            trained(tmp_path / "branch", **{**named, **settings})
        assert not (tmp_path / "branch").exists()


def test_the_other_run_is_looked_for_beside_the_recipe(tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text('[training]\ninit_from = "mine@20"', encoding="utf-8")
    recipe = load_recipe(tmp_path / "r.toml")
    assert recipe.training.init_from == str(tmp_path / "mine@20")
    assert recipe.absolute() == recipe
