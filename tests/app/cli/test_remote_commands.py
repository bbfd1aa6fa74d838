"""Commands and pages with runs at an S3 server: the same words and bytes as with local folders."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from s3_server import BUCKET, Machine, put
from tiny_runs import tiny_recipe

from analyses.walk import analyze
from app.cli.main import main
from circuits.recipes.toml import recipe_toml
from circuits.runs.run import Run, open_run
from train.loop import train

RUNS = f"s3://{BUCKET}/commands"


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Trained and not analyzed."""
    return train(tiny_recipe(), tmp_path_factory.mktemp("local") / "a", progress=False)


@pytest.fixture
def say(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run the command as a shell does: its exit code, and what it said."""

    def run(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["hopscope", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        told = capsys.readouterr()
        return int(ended.value.code or 0), told.out + told.err

    return run


def files_of(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*.*")}


def test_analyze_export_and_the_list_of_runs_work_on_a_url_as_on_a_folder(
    s3: Any, machine: Machine, local: Run, say: Any, tmp_path: Path
) -> None:
    for name in "ab":
        put(s3, local.path, f"{RUNS}/{name}")
    code, told = say("analyze", f"{RUNS}/a", "logit_lens", "--jobs", "1")
    assert code == 0, told
    code, told = say("runs", RUNS)
    assert code == 0, told
    assert [line.split()[0] for line in told.splitlines()[1:3]] == ["a", "b"]
    code, told = say("runs", RUNS, "--remove", "a")  # nothing is asked: there is no answer here
    assert (code, told.count("Delete")) == (2, 0)
    assert f"{RUNS}/a is in a bucket" in told
    machine("second")
    code, told = say("export", f"{RUNS}/a", "logit_lens", "--format", "svg", "--out", f"{RUNS}/svg")
    assert code == 0, told
    assert str(tmp_path) not in told
    shutil.copytree(local.path, tmp_path / "a")
    analyze(tmp_path / "a", "logit_lens", n_jobs=1, progress=False)
    code, told = say("export", str(tmp_path / "a"), "logit_lens", "--format", "svg",
                     "--out", str(tmp_path / "svg"))  # fmt: skip
    assert code == 0, told
    keys = s3.find(f"{RUNS[5:]}/svg")
    there = {key.removeprefix(f"{RUNS[5:]}/svg/"): s3.cat_file(key) for key in keys}
    assert there == files_of(tmp_path / "svg")
    assert len(there) >= 3


def test_the_dashboard_finds_and_compares_runs_in_a_bucket(
    s3: Any, machine: Machine, local: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    from app.logic.comparing_runs import compare_runs
    from app.logic.run_curves import Alignment, curves_of
    from app.shell.folders import find_runs
    from app.shell.opened import opened, stamp

    url = f"s3://{BUCKET}/pages"
    put(s3, local.path, f"{url}/a")
    put(s3, local.path, f"{url}/b")
    monkeypatch.setenv("HOPSCOPE_RUNS", url)
    found = find_runs()
    assert found.problems == []
    assert set(found.paths) >= {"a", "b"}
    runs = {name: opened(stamp(found.paths[name])) for name in "ab"}
    assert runs["a"].model(40).cfg == local.model(40).cfg
    curves = {name: curves_of(run, {}) for name, run in runs.items()}
    record = compare_runs(runs, curves, next(iter(Alignment.__args__)))
    assert record is not None


def test_a_sweep_into_a_bucket_equals_a_local_one_and_is_read_from_another_machine(
    machine: Machine, tmp_path: Path
) -> None:
    from train.sweeps import sweep, sweep_dataset, sweep_status

    recipe, url = tmp_path / "tiny.toml", f"s3://{BUCKET}/sweep"
    recipe.write_text(recipe_toml(tiny_recipe(training__steps=20)))
    table = sweep(recipe, [], out=Path(url), seeds=2, n_jobs=1, progress=False)
    assert table["error"].tolist() == ["", ""]
    assert table["run"].tolist() == [f"{url}/seed=0", f"{url}/seed=1"]
    here = train(tiny_recipe(training__steps=20, seed=1), tmp_path / "alone", progress=False)
    machine("second")
    assert sweep_status(url)["state"].tolist() == ["finished", "finished"]
    assert sweep_dataset(url).sizes["step"] == 3
    run = open_run(f"{url}/seed=1")
    assert [run.digest(step) for step in run.steps] == [here.digest(step) for step in here.steps]


@pytest.mark.parametrize(
    ("change", "address", "told"),
    [
        ({"AWS_ACCESS_KEY_ID": None}, f"s3://{BUCKET}/x", "set AWS_ACCESS_KEY_ID"),
        ({}, "s3://no-such-bucket/x", "check the address"),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, f"s3://{BUCKET}/x", "check the network"),
        ({}, "oci://bucket/x", "is not installed"),
    ],
)
def test_a_bucket_that_cannot_be_used_is_one_sentence_before_anything_starts(
    machine: Machine,
    say: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: dict[str, str | None],
    address: str,
    told: str,
) -> None:
    from s3fs import S3FileSystem

    S3FileSystem.clear_instance_cache()
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "tests")
    for name, value in change.items():
        monkeypatch.delenv(name) if value is None else monkeypatch.setenv(name, value)
    monkeypatch.setattr("train.loop.train", lambda *given, **named: pytest.fail("it started"))
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(recipe_toml(tiny_recipe()))
    code, said = say("train", str(recipe), "--out", address)
    S3FileSystem.clear_instance_cache()
    assert code == 2
    assert said.startswith(f"hopscope: {address} ")
    assert told in said
    assert len(said.splitlines()) == 1
