"""Sweeps through submitit: real processes of its local executor, and the script for sbatch."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from tiny_runs import numbers, tiny_recipe
from typer.testing import CliRunner

from app.cli.main import cli
from circuits.errors import HopscopeError
from circuits.recipes.toml import recipe_toml
from circuits.runs.reading import read_metrics
from circuits.runs.run import open_run
from circuits.slurm_tasks import SlurmRequest
from train.loop import train
from train.sweeps import sweep_status
from train.sweeps.slurm import submit_sweep

STEPS = 700


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    made = tiny_recipe(training__steps=STEPS, evaluation__every=100, checkpoints__every=500)
    path = tmp_path / "tiny.toml"
    path.write_text(recipe_toml(made), encoding="utf-8")
    return path


def wait_until(done: Any, why: str) -> None:
    begun = time.monotonic()
    while time.monotonic() - begun < 120:
        if done():
            return
        time.sleep(0.05)
    raise AssertionError(why)


def tasks_in(folder: Path) -> list[int]:
    """Processes of submitit that train, not those that watch over them."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().split(b"\0")
        except OSError:
            continue
        if b"submitit.core._submit" in words and str(folder).encode() in b" ".join(words):
            found.append(int(entry.parent.name))
    return found


@pytest.mark.slow_first
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="finds its processes in /proc")
def test_a_task_that_is_preempted_saves_is_handed_in_again_and_ends_like_one_that_was_not(
    recipe: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    done = submit_sweep(recipe, [], out=out, request=SlurmRequest(), cluster="local")
    run = out / "seed=0"
    assert list(done.jobs) == ["seed=0"]

    def trains() -> bool:
        rows = read_metrics(run / "metrics.jsonl") if (run / "metrics.jsonl").exists() else []
        return bool(rows) and rows[-1]["step"] >= 100

    wait_until(trains, "the task never trained")
    assert sweep_status(out).state.tolist() == ["running"]
    waiting = submit_sweep(recipe, [], out=out, request=SlurmRequest(), cluster="local")
    assert (waiting.jobs, waiting.waiting) == ({}, 1)  # not trained twice
    [task] = tasks_in(out)
    os.kill(task, signal.SIGUSR2)
    wait_until(lambda: sweep_status(out).state.tolist() == ["finished"], "it was not resumed")
    notes = open_run(run).manifest["notes"]
    assert any(note.startswith("Going on from step") for note in notes)
    straight = train(open_run(run).recipe, tmp_path / "straight", progress=False)
    assert numbers(run) == numbers(straight.path)
    assert open_run(run)._digests == straight._digests


def test_what_is_handed_in_to_sbatch_is_one_array_with_what_was_asked_for(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands = tmp_path / "bin"
    commands.mkdir()
    script = f'#!/bin/sh\ncp "$1" {tmp_path}/script.sh\necho "Submitted batch job 71"\n'
    for name, content in (("sbatch", script), ("srun", "#!/bin/sh\n")):
        (commands / name).write_text(content)
        (commands / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{commands}:{os.environ['PATH']}")
    out = tmp_path / "out"
    asked = ["--partition", "long", "--time", "1-12", "--slurm", "account=ours", "--jobs", "2"]
    command = ["sweep", str(recipe), "--seeds", "3", "--out", str(out), "--backend", "slurm"]
    result = CliRunner().invoke(cli, [*command, *asked], catch_exceptions=False)
    assert "handed in 3 runs as Slurm jobs 71_0 to 71_2" in result.output
    lines = (tmp_path / "script.sh").read_text().splitlines()
    for line in (
        "#SBATCH --array=0-2%2",
        "#SBATCH --partition=long",
        "#SBATCH --time=2160",
        "#SBATCH --account=ours",
        "#SBATCH --cpus-per-task=1",
        "#SBATCH --signal=USR2@90",
    ):
        assert line in lines
    result = CliRunner().invoke(cli, ["sweep", "--status", str(out)])
    assert result.exit_code == 0
    assert "3 runs: 3 pending" in result.output
    assert "71_2" in result.output
    again = CliRunner().invoke(cli, [*command, *asked])
    assert "3 runs were handed in before" in again.output


def test_a_machine_without_slurm_is_told_before_anything_is_written(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HopscopeError, match="sbatch and srun"):
        submit_sweep(recipe, [], out=tmp_path / "out", request=SlurmRequest())
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("wrong", ["", "soon", "0", "1:2:3:4", "-5"])
def test_a_time_that_is_none_is_refused(wrong: str) -> None:
    with pytest.raises(HopscopeError, match="--time"):
        _ = SlurmRequest(time=wrong).minutes


@pytest.mark.parametrize(
    ("given", "minutes"),
    [("90", 90), ("1:30", 2), ("4:00:00", 240), ("2-0", 2880), ("1-1:1:1", 1502)],
)
def test_times_are_read_as_sbatch_reads_them(given: str, minutes: int) -> None:
    assert SlurmRequest(time=given).minutes == minutes
