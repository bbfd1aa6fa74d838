"""The page Circuit: what it computes, the script that repeats it, and bad input."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from analyses import stored_result
from analyses.circuits.saved_circuits import save_circuit
from app.instrument.bench_fields import Bench as BenchFields
from app.instrument.bench_fields import Edited
from app.logic.circuit_bench import Bench, script
from app.logic.circuit_record import bench_payload, checked_state, edited
from app.shell import folders
from circuits.runs.run import Run, open_run

DEMO = Path(__file__).parents[2] / "assets" / "demo"


@pytest.fixture(scope="module")
def run() -> Run:
    return open_run(DEMO)


@pytest.fixture(scope="module")
def bench(run: Run) -> Bench:
    return Bench.of(run, run.model(), 6000, "id_test", heads=False, how="mean")


def test_the_discovered_circuit_is_right_as_often_as_was_stored(run: Run, bench: Bench) -> None:
    stored = stored_result(run, "circuit_discovery")
    assert stored is not None
    now = stored.sel(step=6000, split="id_test", ablation="mean")
    found = bench.judged(bench.found)
    assert found.n == 300
    for variant, estimate in (
        ("restricted", found.restricted_accuracy),
        ("excluded", found.excluded_accuracy),
    ):
        assert estimate.value == pytest.approx(
            float(now["accuracy"].sel(variant=variant)), abs=5e-4
        )


def test_all_edges_are_the_whole_model_and_none_is_the_ablated_one(bench: Bench) -> None:
    every, none = bench.judged(range(30)), bench.judged(())
    assert every.restricted.value == pytest.approx(1, abs=1e-5)
    assert every.restricted_accuracy.value == every.full_accuracy.value
    assert none.restricted.value == 0
    assert none.excluded.value == pytest.approx(1, abs=1e-5)


def test_the_slider_shows_what_judging_each_size_gives(bench: Bench) -> None:
    table = bench.by_size
    assert table.sizes == tuple(range(31))
    for size in (0, 11, 30):
        one = bench.judged(bench.ranked[:size])
        expected = [one.restricted.value, one.restricted.low, one.restricted.high]
        np.testing.assert_allclose(table.faithfulness[size], expected, atol=1e-6)
        assert table.accuracy[size, 0] == one.restricted_accuracy.value
    shares = [abs(bench.circuit.candidates[i].share or 0) for i in bench.ranked]
    assert shares == sorted(shares, reverse=True)


def test_toggled_edges_leave_and_join_the_base_and_strangers_are_left_out(bench: Bench) -> None:
    first = min(bench.found)
    assert bench.kept(None, bench.found, [first, 10**6]) == bench.found - {first}
    assert bench.kept(2, bench.found, []) == set(bench.ranked[:2])


def test_the_script_prints_the_pages_numbers(bench: Bench) -> None:
    kept = bench.kept(None, bench.found, [min(bench.found)])
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(compile(script(bench, DEMO, 6000, kept), "script", "exec"), {})
    page = bench.judged(kept)
    lines = said.getvalue().splitlines()
    assert lines[0].startswith("Circuit(18 edges of 30")
    assert lines[1:] == [
        f"faithfulness {page.restricted.value}",
        f"right alone {page.restricted_accuracy.value}",
        f"right without {page.excluded_accuracy.value}",
        f"whole model {page.full_accuracy.value} of 300",
    ]


def test_the_page_is_sent_the_fields_that_it_reads(run: Run, bench: Bench) -> None:
    from test_instrument_js import misfits

    sent = json.loads(bench_payload({}, bench))["bench"]  # type: ignore[typeddict-item]
    assert misfits(sent, BenchFields) == []
    names = [sent["components"][edge["target"]]["name"] for edge in sent["edges"]]
    assert [edge["name"].split(">")[1] for edge in sent["edges"]] == names
    assert sent["components"][-1] == {"name": "output", "row": 5, "position": 2, "head": None}
    strongest = next(edge for edge in sent["edges"] if edge["id"] == bench.ranked[0])
    assert strongest["low"] < strongest["share"] < strongest["high"]
    state = checked_state({})
    answer = edited(3, "s", "b", bench.found, state, bench.judged(bench.found))
    assert misfits(json.loads(json.dumps(answer)), Edited) == []


def test_what_cannot_be_a_state_is_left_out() -> None:
    assert checked_state("nonsense") == {"size": None, "toggled": [], "notes": {}, "groups": {}}
    sent = {
        "size": -1, "toggled": [True, 2, "3", 2], "notes": {"a": "x" * 9999, "b": " "},
        "groups": {"g": [], "h": ["head.0.1[a]"], "": ["head.0.1[a]"]},
    }  # fmt: skip
    state = checked_state(sent)
    assert (state["size"], state["toggled"]) == (None, [2])
    assert [len(text) for text in state["notes"].values()] == [2000]
    assert state["groups"] == {"h": ["head.0.1[a]"]}


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A folder with a copy of the demo that may be written to."""
    st.cache_resource.clear()
    shutil.copytree(DEMO, tmp_path / "runs" / "mine", ignore=_not_needed)
    monkeypatch.setenv(folders.ENVIRONMENT, str(tmp_path / "runs"))
    monkeypatch.setattr(folders, "DEMOS", ())
    return open_run(tmp_path / "runs" / "mine")


def _not_needed(folder: str, names: list[str]) -> list[str]:
    if Path(folder).name == "checkpoints":
        return [name for name in names if "006000" not in name]
    results = Path(folder).name == "results"
    return [name for name in names if results and not name.startswith("circuit_discovery")]


def opened(**parameters: str) -> AppTest:
    app = AppTest.from_string("from app.views.circuit import page\npage()", default_timeout=60)
    for key, value in parameters.items():
        app.query_params[key] = value
    return app.run()


def test_a_circuit_is_saved_under_a_name_and_opened_by_the_address(mine: Run, bench: Bench) -> None:
    app = opened(toggled=str(min(bench.found)))
    assert not app.exception
    app.text_input[0].set_value("fewer")
    app.button[0].click().run()
    assert not app.exception
    assert "saved in the run folder" in app.success[0].value
    assert app.query_params["saved"] == "fewer"
    assert "toggled" not in app.query_params
    assert app.selectbox(key="circuit_saved").value == "fewer"
    kept = bench.found - {min(bench.found)}
    assert script(bench, mine.path.resolve(), 6000, kept).strip() == app.code[0].value


def test_a_saved_circuit_that_is_not_this_runs_is_refused_in_a_sentence(
    mine: Run, bench: Bench
) -> None:
    path = save_circuit(mine, "theirs", bench.circuit, 6000, "id_test")
    path.write_text(path.read_text().replace(mine.digest(6000), "0" * 64))
    for name, words in (
        ("theirs", "whose weights mine does not have"),
        ("none", "no saved circuit"),
    ):
        app = opened(saved=name)
        assert not app.exception
        assert words in app.warning[0].value.replace("\\", "")
        assert "saved" not in app.query_params


def test_a_run_without_a_measured_circuit_says_what_to_run(mine: Run) -> None:
    shutil.rmtree(mine.results_dir)
    app = opened()
    assert not app.exception
    assert "hopscope analyze" in app.info[0].value
    assert not app.error  # nothing is wrong with the run, and nothing to repair


def test_heads_that_were_not_told_apart_are_asked_for(mine: Run) -> None:
    app = opened(apart="1")
    assert not app.exception
    assert "heads=true" in app.info[0].value.replace("\\", "")


def test_an_edge_that_the_run_no_longer_has_is_named(mine: Run, bench: Bench) -> None:
    path = save_circuit(mine, "old", bench.circuit, 6000, "id_test")
    path.write_text(
        path.read_text().replace("mlp.1[relation_2]>output", "mlp.7[relation_2]>output")
    )
    assert "mlp.7" in opened(saved="old").error[0].value.replace("\\", "")
