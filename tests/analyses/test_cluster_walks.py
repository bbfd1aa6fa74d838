"""Walks as tasks: every block stored once, and the same numbers as in one process."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest
import xarray as xr
from tiny_runs import tiny_recipe

from analyses.cluster_walks import plan_walks, walk_block, walk_on_slurm
from analyses.walk import analyze
from circuits.runs.run import Run, open_run
from circuits.slurm_tasks import SlurmRequest
from train.loop import train

NAMES = ["logit_lens"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train(tiny_recipe(), tmp_path_factory.mktemp("runs") / "tiny", progress=False)


@pytest.fixture
def copy(run: Run, tmp_path: Path) -> Run:
    shutil.copytree(run.path, tmp_path / "copy", ignore=shutil.ignore_patterns("results"))
    return open_run(tmp_path / "copy")


def test_blocks_in_any_order_give_the_numbers_of_one_process(run: Run, copy: Run) -> None:
    tasks = plan_walks([copy], NAMES, block=2)
    assert [task.checkpoints for task in tasks] == [2, 2, 1]
    assert [walk_block(task) for task in reversed(tasks)] == [""] * 3
    for name in NAMES:
        here = analyze(run, name, n_jobs=1, progress=False)
        xr.testing.assert_equal(analyze(copy, name, progress=False), here)
    assert plan_walks([copy], NAMES) == []


def test_neighbouring_tasks_write_into_different_stores(copy: Run) -> None:
    tasks = plan_walks([copy], ["logit_lens", "attention"], block=2)
    assert [task.analysis for task in tasks] == ["logit_lens", "attention"] * 3
    assert [task.steps for task in tasks[::2]] == [(0, 10), (20, 30), (40,)]


def test_a_block_that_was_done_meanwhile_is_not_computed_again(
    copy: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    [task] = plan_walks([copy], NAMES[:1])
    assert walk_block(task) == ""
    monkeypatch.setattr("analyses.walk._one_step", lambda *given: pytest.fail("computed twice"))
    assert walk_block(task) == ""


def test_a_damaged_checkpoint_fails_its_own_block_with_a_sentence(copy: Run) -> None:
    first, *_, last = sorted((copy.path / "checkpoints").iterdir())
    last.write_bytes(last.read_bytes()[:100])
    one, other = plan_walks([copy], NAMES[:1], steps=[0, 40], block=1)
    assert walk_block(one) == ""
    assert "step_00000040" in walk_block(other)
    assert first.exists()


def test_tasks_in_processes_of_submitit_store_what_one_process_does(
    run: Run, copy: Run, tmp_path: Path
) -> None:
    tasks = plan_walks([copy], NAMES[:1], block=3)
    ids = walk_on_slurm(tasks, tmp_path / "jobs", SlurmRequest(), cluster="local")
    assert len(set(ids)) == 2
    begun = time.monotonic()
    while plan_walks([open_run(copy.path)], NAMES) and time.monotonic() - begun < 120:
        time.sleep(0.1)
    here = analyze(run, NAMES[0], n_jobs=1, progress=False)
    xr.testing.assert_equal(analyze(open_run(copy.path), NAMES[0], progress=False), here)
