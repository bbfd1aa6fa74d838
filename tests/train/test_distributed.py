"""Two processes that share the batches get the losses of one."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest
from real_processes import start_group, stop_training_at
from tiny_runs import numbers, tiny_recipe

from circuits.recipes.toml import recipe_toml
from circuits.runs.run import open_run
from train.loop import train
from train.state import state_steps

pytestmark = pytest.mark.slow_first
ROOT = Path(__file__).resolve().parents[2]
TORCHRUN = Path(sys.executable).with_name("torchrun")


def torchrun(*command: object) -> subprocess.CompletedProcess[str]:
    processes = [TORCHRUN, "--standalone", "--nproc-per-node", "2"]
    return subprocess.run([*processes, *command], cwd=ROOT, capture_output=True, text=True)


def assert_equal_losses(one: Path, two: Path) -> None:
    for expected, row in zip(numbers(one), numbers(two), strict=True):
        assert expected["step"] == row["step"]
        for name, value in expected.items():
            if "loss" in name:
                assert row[name] == pytest.approx(value, abs=1e-5), (row["step"], name)


KILLING = """
import os, signal
from app.cli.main import main
from train.trainer import Trainer

advance = Trainer.advance

def advance_and_die(self):
    advance(self)
    if self.step == 14 and os.environ["RANK"] == "1":
        signal.raise_signal(signal.SIGKILL)

Trainer.advance = advance_and_die
main()
"""


def test_torchrun_with_two_gloo_processes_goes_on_after_a_kill_with_the_losses_of_one_process(
    tmp_path: Path,
) -> None:
    recipe = tiny_recipe(training__steps=30)
    train(recipe, tmp_path / "one", progress=False)
    (tmp_path / "recipe.toml").write_text(recipe_toml(recipe))
    (tmp_path / "killing.py").write_text(KILLING)
    path = tmp_path / "two"
    command = ["train", tmp_path / "recipe.toml", "--out", path]
    done = torchrun(tmp_path / "killing.py", *command)
    assert done.returncode != 0
    assert "app/cli/main.py" not in done.stderr  # none of our lines in a traceback
    assert f"continue from step 10 with: hopscope train --resume {path}" in done.stderr
    assert open_run(path).state == "stopped"
    done = torchrun("-m", "app.cli", "train", "--resume", path)
    assert done.returncode == 0, done.stderr
    assert "Going on from step 10." in done.stderr
    assert done.stdout.count("finished at step 30") == 1  # only the first process speaks
    assert "Warning" not in done.stderr
    assert [row["step"] for row in numbers(path)] == [0, 10, 20, 30]
    assert_equal_losses(tmp_path / "one", path)
    assert open_run(path).manifest["processes"] == 2


@pytest.mark.parametrize("stopped_in_group", [True, False])
def test_a_run_is_resumed_with_another_number_of_processes(
    tmp_path: Path, stopped_in_group: bool
) -> None:
    """Stopped between two evaluations, so that the losses since the last one count."""
    recipe = tiny_recipe(
        training__steps=30, evaluation__every=100, checkpoints__every=100, model__dropout=0.0
    )
    train(recipe, tmp_path / "one", progress=False)
    path = tmp_path / "two"
    if stopped_in_group:
        group = start_group(recipe, path, stop=(1, 13, signal.SIGTERM))
        assert [ended(process) for process in group] == [0, 0]
        assert (tmp_path / "two-0.txt").read_text().count("Stopped after step 20") == 1
        assert (tmp_path / "two-1.txt").read_text() == ""  # only the first one speaks
    else:
        stop_training_at(20, recipe, path)
    run = open_run(path)
    assert (run.state, run.steps) == ("stopped", [0])
    assert state_steps(path / "resume") == [20, 0]
    if stopped_in_group:
        run = train(None, path, resume=True, progress=False)
    else:
        assert [ended(p) for p in start_group(None, path, resume=True)] == [0, 0]
        run = open_run(path)
    assert run.state == "finished"
    assert "processes = " in " ".join(run.manifest["notes"])
    assert_equal_losses(tmp_path / "one", path)


@pytest.mark.parametrize("rank", [0, 1])
def test_whichever_process_is_killed_the_other_ends_with_a_sentence(
    tmp_path: Path, rank: int
) -> None:
    path = tmp_path / "run"
    group = start_group(tiny_recipe(), path, stop=(rank, 25, signal.SIGKILL))
    assert ended(group[rank]) == -signal.SIGKILL
    assert ended(group[1 - rank]) == 2
    said = (tmp_path / f"run-{1 - rank}.txt").read_text()
    assert re.search(r"process \d of 2 stops, .*continue from step \d+ with: hopscope", said)
    assert "Traceback" not in said
    assert open_run(path).state == "stopped"


def test_all_processes_end_where_the_first_one_refuses(tmp_path: Path) -> None:
    path = tmp_path / "run"
    path.mkdir()
    (path / "thesis.txt").write_text("precious")
    group = start_group(tiny_recipe(), path)
    assert [ended(process) for process in group] == [2, 2]
    assert "is not empty" in (tmp_path / "run-0.txt").read_text()
    assert "Nothing had been saved" in (tmp_path / "run-1.txt").read_text()
    assert (path / "thesis.txt").read_text() == "precious"


def test_processes_that_cannot_share_a_batch_say_so_and_leave_the_run(tmp_path: Path) -> None:
    recipe = tiny_recipe(training__batch_size=31)
    path = stop_training_at(12, recipe, tmp_path / "run").path
    assert [ended(p) for p in start_group(None, path, resume=True)] == [2, 2]
    assert "another number of processes" in (tmp_path / "run-0.txt").read_text()
    assert train(None, path, resume=True, progress=False).state == "finished"


def ended(process: ForkServerProcess) -> int | None:
    process.join(60)
    return process.exitcode
