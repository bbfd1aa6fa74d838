"""Sweeps: every combination once, started again without training anything twice."""

from __future__ import annotations

import importlib.util
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from elsewhere import register_elsewhere
from joblib.externals.loky.process_executor import TerminatedWorkerError
from tiny_runs import tiny_recipe
from typer.testing import CliRunner

import train.loop
from app.cli.main import cli
from circuits.corpus.build import build_corpus
from circuits.errors import HopscopeError
from circuits.recipes.schema import Recipe
from circuits.recipes.toml import recipe_toml
from circuits.runs.run import Run, open_run
from circuits.runs.writer import RunWriter
from train.sweeps import parse_axis, plan_sweep, sweep


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.toml"
    path.write_text(recipe_toml(tiny_recipe(training__steps=10)))
    return path


def test_an_axis_is_split_at_commas_outside_brackets() -> None:
    assert parse_axis("augmentation.phi=3.6,9,18") == ("augmentation.phi", ["3.6", "9", "18"])
    assert parse_axis("augmentation.modes=[],['densify', 'true_facts']") == (
        "augmentation.modes",
        ["[]", "['densify', 'true_facts']"],
    )
    for wrong in ("phi", "=1", "phi=", "phi=1,,2"):
        with pytest.raises(HopscopeError, match=r"section\.key=a,b,c"):
            parse_axis(wrong)


def test_every_combination_gets_every_seed(recipe: Path, tmp_path: Path) -> None:
    runs = plan_sweep(
        recipe,
        ["training.lr=0.1,0.2", "model.n_layers=1,2"],
        out=tmp_path / "out",
        seeds=3,
        overrides=["training.steps=5"],
    )
    assert len(runs) == 12
    assert len({run.path for run in runs}) == 12
    assert runs[0].path.name == "lr=0.1_n_layers=1_seed=0"
    assert runs[-1].recipe.training.lr == 0.2
    assert runs[-1].recipe.seed == 2
    assert all(run.recipe.training.steps == 5 for run in runs)


def test_a_wrong_key_or_no_seed_is_refused_before_training(recipe: Path, tmp_path: Path) -> None:
    with pytest.raises(HopscopeError, match="Did you mean 'lr'"):
        sweep(recipe, ["training.l=1"], out=tmp_path / "out")
    with pytest.raises(HopscopeError, match="at least one"):
        sweep(recipe, [], out=tmp_path / "out", seeds=0)
    assert not (tmp_path / "out").exists()


def test_a_sweep_started_again_keeps_what_is_finished(recipe: Path, tmp_path: Path) -> None:
    def go() -> list[dict[str, object]]:
        table = sweep(
            recipe, ["training.lr=0.001,0.01"], out=tmp_path / "out", n_jobs=1, progress=False
        )
        return table.to_dict("records")

    first = go()
    assert [row["training.lr"] for row in first] == ["0.001", "0.01"]
    assert all(row["error"] == "" and row["step"] == 10 for row in first)
    created = [open_run(str(row["run"])).manifest["created"] for row in first]
    assert [row["accuracy/id_test"] for row in go()] == [row["accuracy/id_test"] for row in first]
    assert [open_run(str(row["run"])).manifest["created"] for row in first] == created
    assert (tmp_path / "out" / "sweep.csv").read_text().startswith("training.lr,seed,run,error,")


def test_workers_that_were_started_in_another_folder_train_into_the_one_that_was_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = [f"e{i}\tr{j}\te{(i * 7 + j * 3 + 1) % 30}" for i in range(30) for j in range(4)]
    (tmp_path / "facts.tsv").write_text("\n".join(facts))
    source = {"name": "triples", "path": "facts.tsv", "options": {}}
    recipe = recipe_toml(tiny_recipe(training__steps=10, source=source))
    (tmp_path / "tiny.toml").write_text(recipe)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    backend: Any = register_elsewhere(tmp_path / "elsewhere")
    table = sweep(Path("tiny.toml"), [], out=Path("out"), backend=backend, n_jobs=2, progress=False)
    assert table["error"].tolist() == [""]
    assert open_run(tmp_path / "out" / "seed=0").state == "finished"
    assert (tmp_path / "out" / "sweep.csv").is_file()
    assert not list((tmp_path / "elsewhere").iterdir())


def test_a_run_that_is_not_in_its_folder_afterwards_is_an_error(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the workers' disk is another one, though the path is the same."""
    trained = train.loop.train

    def onto_another_disk(given: Recipe, path: Path, **how: Any) -> Run:
        return trained(given, tmp_path / "other" / path.name, **how)

    monkeypatch.setattr(train.loop, "train", onto_another_disk)
    command = ["sweep", str(recipe), "--out", str(tmp_path / "out"), "--jobs", "1"]
    result = CliRunner().invoke(cli, command)
    assert result.exit_code == 1
    assert "1 of 1 runs did not finish" in result.output
    assert "share" in (tmp_path / "out" / "sweep.csv").read_text()


def test_one_failing_run_does_not_end_the_sweep(recipe: Path, tmp_path: Path) -> None:
    table = sweep(recipe, ["model.n_heads=2,3"], out=tmp_path / "out", n_jobs=1, progress=False)
    assert table["error"][0] == ""
    assert "not divisible" in table["error"][1]


def test_the_command_says_how_many_failed_and_tries_only_those_again(
    recipe: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    given = ["--grid", "training.lr=0.001,1e30", "--set", "training.warmup=0", "--out", str(out)]
    command = ["sweep", str(recipe), *given, "--jobs", "1"]
    created = []
    for _ in range(2):
        result = CliRunner().invoke(cli, command)
        assert result.exit_code == 1
        assert "1 of 2 runs did not finish" in result.output
        assert "training.lr" in result.output  # the table of both, with the remedy
        created.append(open_run(out / "lr=0.001_seed=0").manifest["created"])
    assert created[0] == created[1]
    assert open_run(out / "lr=1e30_seed=0").state == "stopped"


def test_a_sweep_goes_on_with_a_run_that_was_killed_before_its_first_manifest(
    recipe: Path, tmp_path: Path
) -> None:
    [run] = plan_sweep(recipe, [], out=tmp_path / "out", seeds=1, overrides=[])
    with pytest.raises(KeyboardInterrupt), begun(run.recipe, run.path):
        raise KeyboardInterrupt
    assert not (run.path / "manifest.json").exists()
    table = sweep(recipe, [], out=tmp_path / "out", n_jobs=1, progress=False)
    assert table["error"].tolist() == [""]


def begun(recipe: Recipe, path: Path) -> RunWriter:
    return RunWriter.create(path, recipe, build_corpus(recipe), {})


def test_a_killed_worker_ends_the_sweep_with_a_sentence(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*args: object, **kwargs: object) -> None:
        raise TerminatedWorkerError("a worker was killed")

    monkeypatch.setattr("train.sweeps.run.joblib.Parallel", lambda **kwargs: killed)
    with pytest.raises(HopscopeError, match=r"was killed.*fewer --jobs.*is kept"):
        sweep(recipe, [], out=tmp_path / "out", n_jobs=2)


def test_a_defect_in_one_run_leaves_the_others(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train.loop.train

    def sometimes_broken(given: Recipe, *args: object, **kwargs: object) -> Run:
        if given.seed == 0:
            raise RuntimeError("a defect of ours")
        return whole(given, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(train.loop, "train", sometimes_broken)
    table = sweep(recipe, [], out=tmp_path / "out", seeds=2, n_jobs=1, progress=False)
    assert table["error"].tolist() == ["RuntimeError: a defect of ours", ""]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_sweep_that_is_told_to_stop_saves_its_run_and_begins_no_other(
    tmp_path: Path, number: signal.Signals
) -> None:
    recipe, out = tmp_path / "long.toml", tmp_path / "out"
    recipe.write_text(recipe_toml(tiny_recipe(training__steps=1_000_000)))
    options = ["--seeds", "3", "--jobs", "1", "--pack", "off", "--out", str(out)]
    command = [sys.executable, "-m", "app.cli", "sweep", str(recipe), *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    first = out / "seed=0"
    while not (first / "metrics.jsonl").exists():
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1, said
    assert "3 of 3 runs did not finish" in said
    assert open_run(first).state == "stopped"
    assert sorted(path.name for path in out.iterdir()) == [".sweep", "seed=0", "sweep.csv"]


def test_values_that_share_a_folder_are_refused(recipe: Path, tmp_path: Path) -> None:
    with pytest.raises(HopscopeError, match="every value of --grid once"):
        sweep(recipe, ["training.lr=0.1,0.1"], out=tmp_path / "out")


def test_one_recipe_under_two_names_is_refused(recipe: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(HopscopeError, match=r"lr=0.001_seed=0 and lr=1e-3_seed=0 are one and the"):
        sweep(recipe, ["training.lr=0.001,1e-3"], out=out)
    with pytest.raises(HopscopeError, match="seeds by --seeds"):
        sweep(recipe, ["seed=0,1"], out=out)
    with pytest.raises(HopscopeError, match="1,000,000 runs and a sweep at most 20,000"):
        sweep(recipe, [f"training.lr={','.join(str(i) for i in range(1, 1001))}"] * 2, out=out)
    assert not out.exists()


def test_a_sweep_into_a_file_is_refused(recipe: Path) -> None:
    with pytest.raises(HopscopeError, match="cannot be written"):
        sweep(recipe, [], out=recipe)


@pytest.mark.skipif(importlib.util.find_spec("ray") is not None, reason="Ray is installed here")
def test_a_missing_ray_is_said_with_the_remedy(recipe: Path, tmp_path: Path) -> None:
    with pytest.raises(HopscopeError, match=r"hopscope\[ray\]"):
        sweep(recipe, [], out=tmp_path / "out", backend="ray", n_jobs=1)
