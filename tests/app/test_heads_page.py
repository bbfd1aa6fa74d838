"""The page Heads: maps of heads and a head's pattern are the stored numbers, also on a slice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hand_wired import WORKING_HEAD, hand_wired, save_as_run

from analyses import Slice, analyze, figure, stored_result
from analyses.figures.builders.heads import minus
from analyses.figures.builders.pick import Measured
from analyses.figures.specs.charts import HeatMap, Panels
from analyses.slices.properties import SplitQuestions
from app.instrument.heads import MOST_CELLS, heads_payload
from app.instrument.payload import timeline_payload
from app.shell import folders
from circuits.runs.run import Run


@pytest.fixture(scope="module")
def wired(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Head 0 of block 0 and of block 1 attend to one position each."""
    made = hand_wired(n_layers=2, first_hop=0, second_hop=1)
    folder = tmp_path_factory.mktemp("runs") / "small"
    run = save_as_run(folder, made.corpus, {0: made.model, 100: made.model})
    for name in ("logit_lens", "attention", "component_patching"):
        analyze(run, name, n_jobs=1, progress=False)
    analyze(run, "attention", n_jobs=1, progress=False, keep_examples=True)
    return run


@pytest.fixture
def opened(wired: Run, monkeypatch: pytest.MonkeyPatch) -> Any:
    import streamlit as st
    from streamlit.testing.v1 import AppTest

    st.cache_resource.clear()
    monkeypatch.setenv(folders.ENVIRONMENT, str(wired.path.parent))
    monkeypatch.setattr(folders, "DEMOS", ())

    def at(**parameters: str) -> AppTest:
        app = AppTest.from_string("from app.views.heads import page\npage()", default_timeout=60)
        for name, value in parameters.items():
            app.query_params[name] = value
        return app.run()

    return at


def sent(run: Run) -> Any:
    attention, patching = (stored_result(run, n) for n in ("attention", "component_patching"))
    assert attention is not None
    return json.loads(heads_payload(timeline_payload(run, {}), attention, patching))


def test_the_map_shows_the_heads_that_are_wired_to_attend(wired: Run) -> None:
    ds = stored_result(wired, "attention")
    spec = figure(ds, "head_map", query="relation_2", key="relation_1")
    assert isinstance(spec, HeatMap)
    assert spec.values[1, WORKING_HEAD] == pytest.approx(1)
    assert spec.values[0, WORKING_HEAD] < 0.5
    assert spec.title == "Attention from relation 2 to relation 1"


def test_the_pattern_is_that_of_the_head_which_attends_most_and_none_looks_ahead(
    wired: Run,
) -> None:
    spec = figure(stored_result(wired, "attention"), "head_pattern")
    assert isinstance(spec, HeatMap)
    assert spec.title == f"What head 1.{WORKING_HEAD} attends to"
    at = {name: spec.rows.index(name) for name in spec.rows}
    assert spec.values[at["relation 2"], spec.columns.index("relation 1")] == pytest.approx(1)
    assert np.isnan(spec.values[at["subject"], 1:]).all()
    assert at["subject"] == 2  # rows are named from below: the first position stands on top


def test_a_difference_of_splits_has_the_interval_of_independent_means() -> None:
    one = Measured(np.array([0.6]), np.array([0.5]), np.array([0.7]))
    other = Measured(np.array([0.2]), np.array([0.2 - 0.075]), np.array([0.2 + 0.075]))
    found = minus(one, other)
    assert found.value == pytest.approx([0.4])
    assert (found.low, found.high) == (pytest.approx([0.275]), pytest.approx([0.525]))


def test_what_is_sent_are_the_stored_numbers_in_thousandths(wired: Run) -> None:
    ds = stored_result(wired, "attention").sel(split="id_test").transpose("step", ...)
    payload = sent(wired)
    pattern = payload["heads"]["splits"]["id_test"]["pattern"]
    ordered = ds["pattern"].transpose("step", "layer", "head", "query", "key").values
    assert pattern["value"]["shape"] == list(ordered.shape)
    assert np.allclose(np.array(pattern["value"]["values"]) / 1000, ordered.ravel(), atol=6e-4)
    names = [score["name"] for score in payload["heads"]["scores"]]
    assert names[:3] == ["attention", "score_bridge", "score_answer"]
    assert "patched_subject" in names
    assert set(payload["measures"]) == set(payload["heads"]["splits"])


def test_patterns_of_a_large_model_are_sent_without_intervals(
    wired: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert MOST_CELLS >= 100_000
    monkeypatch.setattr("app.instrument.heads.MOST_CELLS", 10)
    pattern = sent(wired)["heads"]["splits"]["id_test"]["pattern"]
    assert set(pattern) == {"value", "n"}


def test_the_page_exports_the_map_and_the_head_that_the_address_names(opened: Any) -> None:
    from app.shell import frame

    exported: list[Any] = []
    kept, frame.export_popover = frame.export_popover, lambda *given: exported.extend(given[-1])
    try:
        app = opened(head="1.0", pair="1-0", against="train_inferred")
    finally:
        frame.export_popover = kept
    assert not app.error
    assert not app.exception
    shown, pattern = exported
    assert shown.title == "Attention from relation 1 to subject"
    assert "minus trained questions" in shown.subtitle
    assert pattern.title == "What head 1.0 attends to"


@pytest.mark.parametrize("nonsense", ["9.9", "../etc"])
def test_a_head_that_is_not_there_is_not_shown(opened: Any, nonsense: str) -> None:
    app = opened(head=nonsense, pair=nonsense, score=nonsense, against=nonsense)
    assert not app.error
    assert not app.exception


def test_on_a_slice_attention_is_the_mean_over_its_questions(opened: Any, wired: Run) -> None:
    from app.shell.opened import stamp
    from app.views.heads import _results

    relation = str(SplitQuestions(wired, "id_test").names("relation_1")[0])
    chosen = Slice(relation_1=relation)
    assert not opened(slice=str(chosen)).error
    cut, patching, about = _results(stamp(wired.path), str(chosen))
    assert patching is None
    assert "stored of all questions together" in about
    whole = stored_result(wired, "attention", keep_examples=True)
    assert whole is not None
    one = whole.sel(split="id_test")
    mine = np.isin(one["example_row"], SplitQuestions(wired, "id_test").rows(chosen))
    assert 0 < mine.sum() < mine.size
    mean = one["pattern_example"].isel(example=mine).mean("example")
    found = cut["pattern"].sel(split="id_test").transpose(*mean.dims)
    assert np.allclose(found, mean, atol=2e-3)


def test_a_run_without_attention_says_which_command_measures_it(
    opened: Any, wired: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    shutil.copytree(wired.path, tmp_path / "bare")
    for left in (tmp_path / "bare" / "results").glob("attention*"):
        shutil.rmtree(left) if left.is_dir() else left.unlink()
    monkeypatch.setenv(folders.ENVIRONMENT, str(tmp_path))
    assert "attention component" in opened().info[0].value
    on_slice = opened(slice="right=yes").info[0].value
    assert "keep" in on_slice


def test_a_panel_of_effects_is_made_for_every_replaced_token(wired: Run) -> None:
    ds = stored_result(wired, "component_patching")
    spec = figure(ds, "head_effects", position="relation_1")
    assert isinstance(spec, Panels)
    found = ds["head_effect"].isel(step=-1, head_component=0)
    one = found.sel(split="id_test", corrupted="subject", position="relation_1")
    drawn = next(panel for panel in spec.panels if panel.name == "subject")
    assert isinstance(drawn, HeatMap)
    assert np.allclose(drawn.values, one.transpose("layer", "head"), equal_nan=True)
