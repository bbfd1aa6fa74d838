"""Runs at an S3 server: trained, killed, resumed, read while they grow, analyzed and compared."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import real_processes
import xarray as xr
from s3_server import BUCKET, Machine, put
from tiny_runs import numbers, tiny_recipe
from typer.testing import CliRunner

from circuits.errors import HopscopeError
from circuits.recipes.schema import Recipe
from circuits.remote.bucket import Bucket
from circuits.runs.reading import MANIFEST, checkpoint_name
from circuits.runs.results import ResultStore
from circuits.runs.run import Run, open_run
from train.loop import train

pytestmark = pytest.mark.slow_first


@pytest.fixture
def url(request: pytest.FixtureRequest) -> str:
    return f"s3://{BUCKET}/{request.node.name[:40]}"


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train(tiny_recipe(), tmp_path_factory.mktemp("local") / "tiny", progress=False)


def digests(run: Run) -> list[str]:
    return [run.digest(step) for step in run.steps]


def test_a_run_trained_into_a_bucket_equals_a_local_one_and_its_manifest_comes_last(
    s3: Any, machine: Machine, url: str, local: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    write = Bucket.write

    def checked(self: Bucket, contents: dict[str, bytes]) -> None:
        if MANIFEST in contents:
            rows = json.loads(contents[MANIFEST])["checkpoints"]
            for row in rows:
                key = f"{url[5:]}/checkpoints/{checkpoint_name(row['step'])}"
                assert hashlib.sha256(s3.cat_file(key)).hexdigest() == row["sha256"]
            seen.append(len(rows))
        write(self, contents)

    monkeypatch.setattr(Bucket, "write", checked)
    train(tiny_recipe(), url, progress=False)
    assert seen[-1] == 5
    machine("second")
    run = open_run(url)
    assert (run.state, digests(run)) == ("finished", digests(local))
    assert numbers(run.path) == numbers(local.path)
    assert not any((run.path / "checkpoints").glob("*"))  # copied when they are loaded
    ours, theirs = run.model(20).state_dict(), local.model(20).state_dict()
    assert all(ours[name].equal(theirs[name]) for name in theirs)
    with pytest.raises(HopscopeError, match="exists and is not empty"):
        train(tiny_recipe(), url, progress=False)


def started(function: Callable[..., None], *given: Any, cache: Path) -> Any:
    """A process that is another machine: with the server's environment and its own mirrors."""
    environment = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    environment["HOPSCOPE_CACHE"] = str(cache)
    process = real_processes._CONTEXT.Process(
        target=function, args=(environment, *given), daemon=True
    )
    process.start()
    return process


def _train_slowly(environment: dict[str, str], recipe: Recipe, url: str) -> None:
    import torch

    from train.trainer import Trainer

    os.environ |= environment
    torch.set_num_threads(1)
    advance = Trainer.advance

    def advance_and_rest(self: Trainer) -> None:
        advance(self)
        time.sleep(0.1)

    Trainer.advance = advance_and_rest  # type: ignore[method-assign]
    train(recipe, url, progress=False)


def test_a_killed_run_is_read_while_it_grows_and_resumed_elsewhere_as_if_never_stopped(
    machine: Machine, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = tiny_recipe(training__steps=80, evaluation__every=10, checkpoints__every=20)
    trainer = started(_train_slowly, recipe, url, cache=tmp_path / "first")
    machine("reader")
    last, run, begun = -1, None, time.monotonic()
    while last < 20:
        assert trainer.is_alive()
        assert time.monotonic() - begun < 120
        time.sleep(0.5)
        try:
            run = open_run(url)
        except HopscopeError as error:
            told = str(error)
            if "not a run folder" in told or "it has no manifest" in told:
                continue  # not yet a run
            raise
        assert not run.steps or run.model(run.steps[-1]) is not None  # whole, by its SHA-256
        assert run.rows()[-1]["step"] >= last
        last = run.rows()[-1]["step"]
    assert run is not None
    assert run.state == "training"
    trainer.kill()
    trainer.join()
    machine("second")
    with pytest.raises(HopscopeError, match=r"being trained by process \d+ on .* free in \d+ s"):
        train(None, url, resume=True, progress=False)
    monkeypatch.setattr("circuits.remote.locks.LASTS_S", 0.0)
    monkeypatch.setattr("circuits.runs.remote.LASTS_S", 0.0)
    run = train(None, url, resume=True, progress=False)
    assert any(note.startswith("Going on from step") for note in run.manifest["notes"])
    whole = train(recipe, tmp_path / "whole", progress=False)
    machine("third")
    run = open_run(url)
    assert (run.state, digests(run)) == ("finished", digests(whole))
    assert numbers(run.path) == numbers(whole.path)


def test_what_the_killed_machine_had_not_sent_is_dropped_once_another_went_on(
    machine: Machine, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = train(tiny_recipe(training__steps=20), url, progress=False)
    stray = run.path / "resume" / "state_00000030.json"  # of steps that were never sent
    stray.write_text("{}")
    machine("second")
    done = CliRunner()
    from app.cli.main import cli
    from circuits.runs.remote_arguments import mirrored

    with mirrored(["train", "--resume", url, "--set", "training.steps=40"]) as arguments:
        assert done.invoke(cli, arguments).exit_code == 0
    machine("first")
    run = open_run(url)
    assert not stray.exists()
    assert (run.state, run.last_step) == ("finished", 40)


def rows(steps: range, generation: float) -> xr.Dataset:
    values = np.full(len(steps), generation)
    return xr.Dataset(
        {"first": ("step", values), "second": ("step", values)}, {"step": list(steps)}
    )


def _write_results(environment: dict[str, str], url: str, ready: Any) -> None:
    """Append, replace, and put into another order; the values say in which round."""
    os.environ |= environment
    run = open_run(url)
    store = ResultStore(run.results_dir, "growing", {"version": 1})
    for generation in range(3):
        store.delete()
        for start in (20, 10, 0):
            store.append(rows(range(start, start + 10), float(generation)))
            ready.set()
        store.put_in_order()


def test_a_reader_never_mixes_two_states_of_results_that_another_process_writes(
    machine: Machine, s3: Any, url: str, local: Run, tmp_path: Path
) -> None:
    put(s3, local.path, url)
    ready = real_processes._CONTEXT.Event()
    writer = started(_write_results, url, ready, cache=tmp_path / "writer")
    assert ready.wait(120)
    seen = set()
    while True:
        time.sleep(0.5)
        alive = writer.is_alive()
        run = open_run(url)
        store = ResultStore(run.results_dir, "growing", {"version": 1})
        if store.steps():
            try:
                found = store.load()
            except HopscopeError as error:
                if "holds no result" not in str(error):
                    raise
                continue  # it was deleted just now
            values = {*found.first.values.tolist(), *found.second.values.tolist()}
            assert len(values) == 1, found
            seen |= values
        if not alive:
            break
    assert writer.exitcode == 0
    assert 2.0 in seen
    assert store.steps() == list(range(30))


def test_a_listing_shows_what_others_put_since_the_last_one(s3: Any, url: str) -> None:
    s3.pipe_file(f"{url[5:]}/a/0", b"0")
    assert list(Bucket(url).listing()) == ["a/0"]
    s3.pipe_file(f"{url[5:]}/a/1", b"1")  # by another client: a kept listing would not know
    assert list(Bucket(url).listing()) == ["a/0", "a/1"]
