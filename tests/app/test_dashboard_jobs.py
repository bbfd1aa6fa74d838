"""Runs found, trainings started and measured, libraries imported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from app.background import jobs
from app.shell import folders
from circuits.errors import HopscopeError


def test_runs_are_found_one_folder_down_and_never_through_links(
    tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr(folders, "DEMOS", ())
    root = tmp_path / "runs"
    for name in ("one", "sweep/two", "a/b/too_deep"):
        (root / name).mkdir(parents=True)
        (root / name / "manifest.json").write_text("{}")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "manifest.json").write_text("{}")
    (root / "link").symlink_to(tmp_path / "outside")
    monkeypatch.setenv(folders.ENVIRONMENT, str(root))
    assert sorted(folders.find_runs().paths) == ["one", "sweep/two"]


def test_a_run_with_the_name_of_a_demo_is_shown_beside_it(tmp_path: Path, monkeypatch) -> None:
    for folder in ("runs/demo", "assets/demo"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "manifest.json").write_text("{}")
    monkeypatch.setattr(folders, "DEMOS", (tmp_path / "assets" / "demo",))
    monkeypatch.setenv(folders.ENVIRONMENT, str(tmp_path / "runs"))
    found = folders.find_runs().paths
    assert found == {
        "demo": tmp_path / "runs" / "demo", "demo (shipped)": tmp_path / "assets" / "demo",
    }  # fmt: skip


def test_a_process_number_that_was_reused_is_not_taken_for_the_training(tmp_path: Path) -> None:
    out = tmp_path / "run"
    job = {"pid": os.getpid(), "started": "Thu Jan  1 00:00:00 1970"}
    (tmp_path / ".run.job.json").write_text(json.dumps(job))
    assert not jobs.is_running(out)
    with pytest.raises(HopscopeError, match="not started from here"):
        jobs.stop(out)


def test_a_run_is_not_started_twice(tmp_path: Path) -> None:
    out = tmp_path / "run"
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(30)"]) as process:
        started = jobs._started(process.pid)
        (tmp_path / ".run.job.json").write_text(
            json.dumps({"pid": process.pid, "started": started})
        )
        with pytest.raises(HopscopeError, match="being trained already"):
            jobs.start(Path("recipe.toml"), out, [])
        jobs.stop(out)
        process.wait(10)
    assert not jobs.is_running(out)


def test_models_are_asked_on_one_thread() -> None:
    from app.shell.opened import one_thread

    one_thread()
    assert torch.get_num_threads() == 1


def test_measuring_ends_when_the_training_has_ended_and_every_checkpoint_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tiny_runs import tiny_recipe

    from app.background import measuring
    from train.loop import train

    out = tmp_path / "run"
    answers = iter([True, True, True, False])
    monkeypatch.setattr(measuring, "REST_SECONDS", 0.0)
    monkeypatch.setattr(measuring, "is_running", lambda path: next(answers))
    slept: list[float] = []

    def rest(seconds: float) -> None:
        slept.append(seconds)
        if not out.exists():  # "prepared" while the measuring waits
            train(tiny_recipe(training__steps=10), out, progress=False)

    monkeypatch.setattr(measuring, "sleep", rest)
    run = measuring.measure(out)
    assert run.steps == [0, 10]
    assert len(slept) == 2  # once for the folder, once because it was still being trained
    for name in ("logit_lens", "causal_tracing", "bridge_patching"):
        stored = json.loads((out / "results" / f"{name}.json").read_text())
        assert stored["steps"] == [0, 10]


def test_measuring_a_run_that_will_never_come_is_refused(tmp_path: Path) -> None:
    from app.background.measuring import measure

    with pytest.raises(HopscopeError, match="not a run folder"):
        measure(tmp_path / "nothing")


def test_two_sessions_never_see_half_of_a_module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from concurrent.futures import ThreadPoolExecutor

    from app.shell.importing import is_loaded, load

    wait = "import time; time.sleep(0.05)\n"
    (tmp_path / "circle_a.py").write_text(f"{wait}import circle_b\n{wait}name = 'a'\n")
    (tmp_path / "circle_b.py").write_text(f"{wait}import circle_a\n{wait}name = 'b'\n")
    monkeypatch.syspath_prepend(tmp_path)
    with ThreadPoolExecutor(2) as threads:
        found = threads.map(lambda name: load(name).name, ("circle_a", "circle_b"))
        assert list(found) == ["a", "b"]
    assert is_loaded("circle_a")
