"""What a sweep's folder tells: how far it is, everything it measured, and what it would cost."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tiny_runs import tiny_recipe
from typer.testing import CliRunner

from app.cli.main import cli
from circuits.errors import HopscopeError
from circuits.recipes.toml import recipe_toml
from circuits.runs.locking import LOCK
from circuits.runs.run import open_run
from train.loop import train
from train.sweeps import plan_sweep, sweep, sweep_dataset, sweep_status
from train.sweeps.collect import write_dataset
from train.sweeps.estimate import Estimate, estimate_sweep


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recipe") / "tiny.toml"
    path.write_text(recipe_toml(tiny_recipe(training__steps=10)))
    return path


@pytest.fixture(scope="module")
def swept(recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two learning rates and two depths, of which the second cannot be, by two seeds."""
    out = tmp_path_factory.mktemp("swept")
    grid = ["training.lr=0.001,0.01", "model.n_heads=2,3"]
    sweep(recipe, grid, out=out, seeds=2, n_jobs=1, progress=False)
    return out


def test_the_status_is_read_from_the_folder(swept: Path) -> None:
    found = sweep_status(swept)
    assert found.state.tolist() == ["finished", "finished", "failed", "failed"] * 2
    assert found.step.tolist() == [10, 10, 0, 0] * 2
    assert found["training.lr"].tolist() == ["0.001"] * 4 + ["0.01"] * 4
    assert found.error.str.contains("not divisible").tolist() == [False, False, True, True] * 2


def test_runs_that_did_not_begin_or_were_cut_off_are_told_apart(
    recipe: Path, tmp_path: Path
) -> None:
    sweep(recipe, [], out=tmp_path, seeds=3, n_jobs=1, progress=False)
    cut_off, never = tmp_path / "seed=1", tmp_path / "seed=2"
    manifest = json.loads((cut_off / "manifest.json").read_text())
    (cut_off / "manifest.json").write_text(json.dumps(manifest | {"state": "training"}))
    never.rename(tmp_path / "elsewhere")
    for name in ("seed=1", "seed=2"):
        (tmp_path / ".sweep" / "rows" / f"{name}.json").unlink()
    assert sweep_status(tmp_path).state.tolist() == ["finished", "stopped", "pending"]
    import filelock

    with filelock.FileLock(cut_off / LOCK):
        assert sweep_status(tmp_path).state.tolist() == ["finished", "running", "pending"]


def test_the_dataset_holds_each_run_s_numbers_at_its_place_in_the_grid(swept: Path) -> None:
    found = sweep_dataset(swept)
    assert dict(found.sizes) == {"lr": 2, "n_heads": 2, "seed": 2, "step": 2}
    assert found.lr.values.tolist() == [0.001, 0.01]
    for rate in ("0.001", "0.01"):
        for seed in (0, 1):
            run = open_run(swept / f"lr={rate}_n_heads=2_seed={seed}")
            cell = found.sel(lr=float(rate), n_heads=2, seed=seed)
            for row in run.rows():
                assert float(cell.accuracy_id_test.sel(step=row["step"])) == row["accuracy/id_test"]
                assert float(cell.loss_id_test.sel(step=row["step"])) == row["loss/id_test"]
    assert np.isnan(found.accuracy_id_test.sel(n_heads=3)).all()  # these could not be trained
    assert np.isnan(found.grok_step).all()


def test_settings_that_are_words_are_labels_and_stored_without_a_warning(
    recipe: Path, tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    import xarray as xr

    grid = ["model.act_fn=relu,gelu_new"]
    sweep(recipe, grid, out=tmp_path, n_jobs=1, progress=False)
    recwarn.clear()
    kept = xr.open_zarr(write_dataset(tmp_path), consolidated=False)
    assert kept.act_fn.values.tolist() == ["relu", "gelu_new"]
    assert float(kept.accuracy_id_test.sel(act_fn="relu", seed=0, step=10)) >= 0
    assert [str(warning.message) for warning in recwarn] == []


def test_the_command_tells_the_status_and_keeps_the_dataset(recipe: Path, tmp_path: Path) -> None:
    import xarray as xr

    out = tmp_path / "out"
    grid = ["--grid", "model.n_layers=1,2", "--analyze", "logit_lens"]
    result = CliRunner().invoke(
        cli, ["sweep", str(recipe), *grid, "--jobs", "1", "--out", str(out)]
    )
    assert result.exit_code == 0, result.output
    assert str(out / "sweep.zarr") in result.output
    kept = xr.open_zarr(out / "sweep.zarr", consolidated=False)
    assert kept.accuracy_id_test.dims == ("n_layers", "seed", "step")
    for layers in (1, 2):
        run = open_run(out / f"n_layers={layers}_seed=0")
        assert (run.path / "results" / "logit_lens.zarr").is_dir()
    told = CliRunner().invoke(cli, ["sweep", "--status", str(out)])
    assert told.exit_code == 0
    assert "2 runs: 2 finished" in told.output


def test_an_analysis_that_does_not_fit_is_refused_before_training(
    recipe: Path, tmp_path: Path
) -> None:
    command = ["sweep", str(recipe), "--out", str(tmp_path / "out"), "--analyze", "comparison_lens"]
    with pytest.raises(HopscopeError, match="this run's task is composition"):
        CliRunner().invoke(cli, command, catch_exceptions=False)
    assert not (tmp_path / "out").exists()


def test_an_estimate_counts_runs_steps_and_checkpoints(tmp_path: Path) -> None:
    made = tiny_recipe(training__steps=200, checkpoints__every=10)
    (tmp_path / "tiny.toml").write_text(recipe_toml(made))

    def estimated(*overrides: str, seeds: int) -> Estimate:
        given = {"out": tmp_path / "out", "overrides": list(overrides), "seeds": seeds}
        return estimate_sweep(plan_sweep(tmp_path / "tiny.toml", [], **given), 1, 1)

    run = train(made, tmp_path / "whole", progress=False)
    files = [*run.path.glob("checkpoints/*"), *run.path.glob("resume/*")]
    three = estimated(seeds=3)
    assert three.disk == pytest.approx(3 * sum(f.stat().st_size for f in files), rel=0.01)
    long = estimated("training.steps=1000000", seeds=3)
    assert long.seconds > 100 * three.seconds
    assert not (tmp_path / "out").exists()


def test_a_folder_without_a_sweep_and_an_enormous_grid_are_refused(
    recipe: Path, tmp_path: Path
) -> None:
    with pytest.raises(HopscopeError, match="not the folder of a sweep"):
        sweep_status(tmp_path)
    axis = "training.lr=" + ",".join(f"0.{i:04d}" for i in range(1, 1001))
    with pytest.raises(HopscopeError, match="1,000,000 runs"):
        plan_sweep(
            recipe, [axis, axis.replace("lr", "warmup")], out=tmp_path, seeds=1, overrides=[]
        )


@pytest.mark.parametrize(
    ("options", "wrong"),
    [
        (["--backend", "slrum"], "Did you mean 'slurm'"),
        (["--partition", "long"], "belongs to --backend slurm"),
        (["--address", "auto", "--backend", "slurm"], "belongs to --backend ray"),
        (["--backend", "slurm", "--slurm", "mem"], "option=value"),
        (["--status", "out"], "either a recipe"),
    ],
)
def test_options_of_another_backend_are_refused(
    recipe: Path, options: list[str], wrong: str
) -> None:
    with pytest.raises(HopscopeError, match=wrong):
        CliRunner().invoke(cli, ["sweep", str(recipe), *options], catch_exceptions=False)
