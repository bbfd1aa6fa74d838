"""The walk over checkpoints: incremental, resumable, the same however it is run."""

from __future__ import annotations

import json
from pathlib import Path

import joblib
import numpy as np
import pytest
import xarray as xr
from elsewhere import register_elsewhere
from hand_wired import hand_wired, random_model, save_as_run
from typer.testing import CliRunner

import analyses.walk as walk
from analyses import analyze, stored_result
from app.cli.main import cli
from circuits.errors import HopscopeError
from circuits.runs.run import Run, open_run

WIRED = hand_wired()


@pytest.fixture
def run(tmp_path: Path) -> Run:
    models = {0: WIRED.model, 50: WIRED.model, 100: WIRED.model}
    return save_as_run(tmp_path / "run", WIRED.corpus, models)


def quietly(run: Run, name: str = "causal_tracing", **options: object) -> xr.Dataset:
    return analyze(run, name, progress=False, n_jobs=1, examples=20, **options)  # type: ignore[arg-type]


def counting(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    done: list[int] = []
    one_step = walk._one_step

    def counted(*task):  # type: ignore[no-untyped-def]
        done.append(task[-1])
        return one_step(*task)

    monkeypatch.setattr(walk, "_one_step", counted)
    return done


def test_a_result_has_every_checkpoint_and_split(run: Run) -> None:
    found = quietly(run)
    assert found.strength.dims == ("step", "split", "layer", "position")
    assert found.step.values.tolist() == [0, 50, 100]
    assert found.split.values.tolist() == ["train_inferred", "id_test", "ood_test"]
    assert found.n.values.tolist() == [20, 20, len(WIRED.corpus.queries("ood_test"))]
    assert found.strength.sel(step=100, split="id_test", layer=1, position="relation_1") == 1
    assert found.strength.attrs["units"] == "share"
    assert json.loads(found.attrs["provenance"])["analysis"] == "causal_tracing"


def test_only_missing_steps_are_computed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    done = counting(monkeypatch)
    quietly(run, steps=[50])
    assert done == [50]
    quietly(run)
    assert done == [50, 0, 100]
    again = quietly(run)
    assert done == [50, 0, 100]
    assert again.step.values.tolist() == [0, 50, 100]
    [stored] = run.results_dir.glob("causal_tracing*.zarr")
    assert xr.open_zarr(stored).step.values.tolist() == [0, 50, 100]


def test_an_interrupted_walk_keeps_what_it_finished(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    one_step = walk._one_step

    def interrupted(*task):  # type: ignore[no-untyped-def]
        if task[-1] == 100:
            raise KeyboardInterrupt
        return one_step(*task)

    monkeypatch.setattr(walk, "_one_step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        quietly(run)
    stored = stored_result(run, "causal_tracing", examples=20)
    assert stored is not None
    assert stored.step.values.tolist() == [0, 50]
    monkeypatch.setattr(walk, "_one_step", one_step)
    assert quietly(run).sizes["step"] == 3


def test_other_options_are_another_result(run: Run) -> None:
    first, other = quietly(run), quietly(run, reference=True)
    assert first.attrs["options"] != other.attrs["options"]
    assert quietly(run).attrs["options"] == first.attrs["options"]
    assert len(list(run.results_dir.glob("causal_tracing*.zarr"))) == 2


def test_the_default_result_has_the_plain_name(run: Run) -> None:
    analyze(run, "logit_lens", progress=False, n_jobs=1, steps=[0])
    assert (run.results_dir / "logit_lens.zarr").is_dir()


def test_a_result_of_another_version_is_computed_anew_when_that_is_asked_for(run: Run) -> None:
    command = ["analyze", str(run.path), "logit_lens"]
    assert CliRunner().invoke(cli, command).exit_code == 0
    marker = run.results_dir / "logit_lens.json"
    table = json.loads(marker.read_text())
    table["settings"]["version"] = 0
    marker.write_text(json.dumps(table))
    refused = CliRunner().invoke(cli, command)
    assert isinstance(refused.exception, HopscopeError)
    assert str(refused.exception).endswith("logit_lens --again`.")
    assert CliRunner().invoke(cli, [*command, "--again"]).exit_code == 0
    assert json.loads(marker.read_text())["settings"]["version"] == 1
    stored = stored_result(run, "logit_lens")
    assert stored is not None
    assert stored.step.values.tolist() == run.steps


def test_computing_anew_computes_every_step(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    quietly(run)
    done = counting(monkeypatch)
    quietly(run)
    assert done == []
    quietly(run, again=True)
    assert done == [0, 50, 100]


def test_computing_named_steps_anew_keeps_the_others(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = quietly(run)
    done = counting(monkeypatch)
    quietly(run, steps=[50], again=True)
    assert done == [50]
    xr.testing.assert_identical(quietly(run), before)
    assert done == [50]
    assert not list(run.results_dir.glob(".*/*.zarr"))  # nothing is left lying about


def test_killed_while_replacing_a_step_the_others_are_still_there(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    quietly(run)

    def killed(*task):  # type: ignore[no-untyped-def]
        raise KeyboardInterrupt

    monkeypatch.setattr(walk, "_one_step", killed)
    with pytest.raises(KeyboardInterrupt):
        quietly(run, steps=[50], again=True)
    stored = stored_result(run, "causal_tracing", examples=20)
    assert stored is not None
    assert stored.step.values.tolist() == [0, 100]


def test_a_last_step_computed_anew_leaves_earlier_ones_of_a_costly_analysis(run: Run) -> None:
    for options in ({"steps": [0]}, {}, {"again": True}):
        quietly(run, "attribution", splits=["id_test"], **options)
    stored = stored_result(run, "attribution", splits=["id_test"], examples=20)
    assert stored is not None
    assert stored.step.values.tolist() == [0, 100]


def test_single_steps_of_another_version_are_refused_before_anything_is_deleted(run: Run) -> None:
    analyze(run, "logit_lens", progress=False, n_jobs=1)
    marker = run.results_dir / "logit_lens.json"
    old = marker.read_text().replace('"version": 1', '"version": 0')
    marker.write_text(old)
    command = ["analyze", str(run.path), "logit_lens", "--again", "--steps", "50"]
    refused = CliRunner().invoke(cli, command)
    assert isinstance(refused.exception, HopscopeError)
    assert str(refused.exception).endswith("name no steps, to compute all anew.")
    assert marker.read_text() == old


def test_parallel_equals_serial(run: Run, tmp_path: Path) -> None:
    twin = save_as_run(tmp_path / "twin", WIRED.corpus, {0: WIRED.model, 50: WIRED.model})
    serial = quietly(run, "bridge_patching", steps=[0, 50])
    with joblib.parallel_config(backend="threading"):
        parallel = analyze(twin, "bridge_patching", progress=False, n_jobs=2, examples=20)
    xr.testing.assert_equal(serial, parallel)


def test_workers_that_were_started_in_another_folder_find_the_run(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    backend = register_elsewhere(tmp_path / "elsewhere")
    with joblib.parallel_config(backend=backend):
        found = analyze("run", "logit_lens", progress=False, n_jobs=2, examples=20)
    assert found.step.values.tolist() == [0, 50, 100]


def test_examples_are_the_same_at_every_checkpoint_and_can_be_looked_up(run: Run) -> None:
    found = quietly(run)
    rows = found.example_row.sel(split="id_test").values
    assert (np.diff(rows) > 0).all()
    assert "step" not in found.example_row.dims
    padded = found.example_row.sel(split="ood_test").values
    assert (padded[len(WIRED.corpus.queries("ood_test")) :] == -1).all()
    assert (found.flip_example.sel(split="ood_test").values[:, padded == -1] == -1).all()


def test_a_run_that_is_still_training_is_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = {0: WIRED.model, 50: WIRED.model}
    folder = tmp_path / "run"
    run = save_as_run(folder, WIRED.corpus, {0: WIRED.model, 50: WIRED.model, 100: WIRED.model})
    manifest = json.loads((folder / "manifest.json").read_text())
    early = {**manifest, "checkpoints": manifest["checkpoints"][:2]}
    (folder / "manifest.json").write_text(json.dumps(early))
    monkeypatch.setattr(Run, "state", property(lambda run: states.pop(0)))
    states = ["training", "finished"]

    def training_goes_on(seconds: float) -> None:
        (folder / "manifest.json").write_text(json.dumps(manifest))

    monkeypatch.setattr(walk.time, "sleep", training_goes_on)
    run = open_run(folder)
    assert run.steps == sorted(models)
    found = analyze(run, "logit_lens", progress=False, n_jobs=1, examples=20, follow=True)
    assert found.step.values.tolist() == [0, 50, 100]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"name": "logit_lense"}, r"unknown analysis 'logit_lense'. Did you mean 'logit_lens'"),
        ({"steps": [7]}, r"no checkpoint of step 7; it has 0, 50, 100"),
        ({"splits": ["id"]}, r"unknown split 'id'"),
        ({"referense": True}, r"unknown option of causal_tracing 'referense'"),
        ({"corruptions": 0}, r"corruptions = 0 is refused"),
        ({"examples": 20, "target_layer": 5}, r"target_layer = 5 does not exist"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(run: Run, options: dict, sentence: str) -> None:
    name = options.pop("name", "causal_tracing")
    with pytest.raises(HopscopeError, match=sentence):
        analyze(run, name, progress=False, n_jobs=1, **options)


def test_a_split_that_is_too_small_is_left_out_unless_it_is_named(tmp_path: Path) -> None:
    few = dict(WIRED.corpus.splits)
    few["ood_test"] = few["ood_test"][:3]
    corpus = type(WIRED.corpus)(**{**vars(WIRED.corpus), "splits": few})
    run = save_as_run(tmp_path / "run", corpus, {0: WIRED.model})
    assert quietly(run).split.values.tolist() == ["train_inferred", "id_test"]
    with pytest.raises(HopscopeError, match="'ood_test' has 3 questions"):
        quietly(run, splits=["ood_test"])


def test_a_random_run_has_one_checkpoint_and_still_a_result(tmp_path: Path) -> None:
    run = save_as_run(tmp_path / "run", WIRED.corpus, {0: random_model(WIRED.corpus)})
    assert quietly(run, "logit_lens").sizes["step"] == 1


def test_the_command_runs_analyses_and_explains_them(run: Run) -> None:
    arguments = ["analyze", str(run.path), "logit_lens", "--steps", "0:50", "--jobs", "1"]
    done = CliRunner().invoke(cli, [*arguments, "--set", "examples=20"])
    assert done.exit_code == 0, done.output
    assert "logit_lens: 2 checkpoints" in done.output
    listed = CliRunner().invoke(cli, ["analyze", "--list"])
    assert "causal_tracing (composition)" in listed.output


def test_named_analyses_are_listed_with_every_option_explained() -> None:
    listed = CliRunner().invoke(cli, ["analyze", "--list", "causal_tracing", "mixing"]).output
    assert "--set target_layer=None: Trace to S[target_layer, last position]" in listed
    assert "mixing (composition)" in listed
    assert "logit_lens" not in listed
    refused = CliRunner().invoke(cli, ["analyze", "--list", "mixin"])
    assert "Did you mean 'mixing'" in str(refused.exception)


def test_the_command_refuses_before_it_computes(run: Run) -> None:
    refused = CliRunner().invoke(cli, ["analyze", str(run.path), "logit_lens", "tracing"])
    assert isinstance(refused.exception, HopscopeError)
    assert not run.results_dir.exists()


def test_an_option_that_is_named_like_an_argument_is_set_from_the_command_line(run: Run) -> None:
    words = ["analyze", str(run.path), "attribution", "--set", "steps=2", "--set", "examples=20"]
    told = CliRunner().invoke(cli, [*words, "--jobs", "1"])
    assert told.exit_code == 0, told.output
    found = stored_result(run, "attribution", steps=2, examples=20)
    assert found is not None
    assert json.loads(found.attrs["options"])["steps"] == 2
