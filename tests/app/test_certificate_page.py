"""The Formation page shows what a stored certificate says, and how to get one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import streamlit as st
from hand_wired import random_corpus, save_as_run
from streamlit.testing.v1 import AppTest
from tiny_runs import tiny_recipe
from typer.testing import CliRunner
from wired_answerers import composer

from app.cli.main import cli
from app.logic.certificate_record import certificate_record
from app.shell import folders
from circuits.runs.run import open_run
from train.loop import train

CORPUS = random_corpus(20, 8)
RUNNER = CliRunner()


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs of a model that composes; one of them is certified, by the command."""
    root = tmp_path_factory.mktemp("runs")
    for name in ("certified", "other"):
        save_as_run(root / name, CORPUS, {0: composer(CORPUS), 10: composer(CORPUS)})
    result = RUNNER.invoke(cli, ["certify", str(root / "certified")])
    assert result.exit_code == 0, result.output
    assert "COMPOSES THROUGH THE BRIDGE (CERTIFIED)" in result.output
    for title in ("Trained questions known: pass", "Answers follow the bridge: pass"):
        assert title in result.output
    assert "rule: " in result.output
    return root


def shown(root: Path, monkeypatch: pytest.MonkeyPatch, run: str) -> AppTest:
    st.cache_resource.clear()
    monkeypatch.setenv(folders.ENVIRONMENT, str(root))
    monkeypatch.setattr(folders, "DEMOS", ())
    app = AppTest.from_string("from app.views.formation import page\npage()", default_timeout=60)
    app.query_params["run"] = run
    app.run()
    assert not app.exception
    return app


def test_a_certified_run_shows_its_verdict_and_criteria(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (card,) = shown(root, monkeypatch, "certified").expander
    assert "composes through the bridge" in card.label
    _, _, *rows = next(m.value for m in card.markdown if m.value.startswith("| ")).splitlines()
    assert len(rows) == 6
    assert all("| ✓ pass" in row for row in rows)


def test_a_run_without_a_certificate_says_how_to_get_one(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = shown(root, monkeypatch, "other")
    assert not app.expander
    assert any("hopscope certify" in caption.value for caption in app.caption)


def test_the_certificate_nearest_to_the_timelines_step_is_shown(root: Path) -> None:
    found = certificate_record(open_run(root / "certified"), "certified", 0)
    assert found.heading.startswith("Step 10:")


def test_the_command_prints_json_and_refuses_a_step_that_does_not_exist(root: Path) -> None:
    result = RUNNER.invoke(cli, ["certify", str(root / "certified"), "--json"])
    assert json.loads(result.output)["verdict"].endswith("(certified)")
    refused = RUNNER.invoke(cli, ["certify", str(root / "certified"), "--step", "7"])
    assert refused.exit_code != 0
    assert "no checkpoint of step 7" in str(refused.exception)


def test_a_run_of_three_hops_is_told_why_there_is_no_certificate(tmp_path: Path) -> None:
    few = {"training__steps": 1, "checkpoints__every": 1, "augmentation__phi": 0.5}
    run = train(tiny_recipe(splits__hops=3, **few), tmp_path / "three", progress=False)
    said = certificate_record(run, "three", 0).missing
    assert "the questions of" in said
    assert "have 3; choose a run with splits.hops = 2." in said
    refused = RUNNER.invoke(cli, ["certify", str(run.path)])
    assert "splits.hops = 2" in str(refused.exception)
