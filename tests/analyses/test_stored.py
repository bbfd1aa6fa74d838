"""One door to stored results, which asks everybody the same."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hand_wired import hand_wired, save_as_run

from analyses import analyze, stored_result
from analyses.figures.run_figures import run_figures
from analyses.stored import changed_at, other_settings, reader, stored_results
from circuits.errors import HopscopeError
from circuits.runs.results import ResultStore
from circuits.runs.run import Run

ROOT = Path(__file__).parent.parent.parent
WIRED = hand_wired()


@pytest.fixture
def run(tmp_path: Path) -> Run:
    made = save_as_run(tmp_path / "run", WIRED.corpus, {0: WIRED.model, 50: WIRED.model})
    analyze(made, "logit_lens", progress=False, n_jobs=1)
    return made


def edit(run: Run, change: Callable[[dict[str, Any]], Any]) -> None:
    marker = run.results_dir / "logit_lens.json"
    table = json.loads(marker.read_text())
    change(table)
    marker.write_text(json.dumps(table))


def test_results_are_opened_in_one_place() -> None:
    """Whoever makes a `ResultStore`, or opens Zarr itself, walks past the checks of the door."""
    opening = set()
    for path in (p for room in ("analyses", "app", "train", "circuits") for p in room_of(room)):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
        names = {node.id for node in calls if isinstance(node, ast.Name)}
        names |= {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
        if names & {"ResultStore", "zarr"}:
            opening.add(str(path.relative_to(ROOT)))
    inside = {"circuits/runs/results.py", "circuits/runs/result_arrays.py"}
    assert opening == inside | {"analyses/stored.py"}


def room_of(name: str) -> list[Path]:
    return sorted((ROOT / name).rglob("*.py"))


OTHERS = {
    "another version": lambda table: table["settings"].update(version=0),
    "other options": lambda table: table["settings"]["options"].update(examples=20),
    "other splits": lambda table: table["settings"].update(splits=["id_test"]),
    "another schema": lambda table: table.update(schema=99),
}


@pytest.mark.parametrize("change", OTHERS.values(), ids=OTHERS.keys())
def test_a_result_that_is_not_what_was_asked_for_is_refused_with_the_remedy(
    run: Run, change: Callable[[dict[str, Any]], Any]
) -> None:
    edit(run, change)
    with pytest.raises(HopscopeError, match=r"other settings; run `hopscope analyze .* --again`"):
        stored_result(run, "logit_lens")
    found, refused = stored_results(run, ["logit_lens", "causal_tracing"])
    assert (found, list(refused)) == ({}, ["logit_lens"])


def test_what_is_stored_and_sound_is_given_out(run: Run) -> None:
    found, refused = stored_results(run)
    assert (list(found), refused) == (["logit_lens"], {})
    assert found["logit_lens"].step.values.tolist() == [0, 50]
    assert changed_at(run.path, "logit_lens") is not None
    assert changed_at(run.path, "causal_tracing") is None
    with pytest.raises(HopscopeError, match="unknown analysis"):
        stored_result(run, "logit_lense")


def test_a_damaged_list_of_options_hides_no_others(run: Run) -> None:
    analyze(run, "logit_lens", progress=False, n_jobs=1, examples=20, steps=[0])
    (run.results_dir / "logit_lens-00000000.json").write_text('{"settings": []')
    assert other_settings(run, "logit_lens") == ["--set examples=20"]


def test_a_reader_reads_each_result_once(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    loads = []
    load = ResultStore.load
    monkeypatch.setattr(ResultStore, "load", lambda store: loads.append(1) or load(store))
    read = reader(run)
    assert read("logit_lens") is read("logit_lens")
    assert read("causal_tracing") is None
    assert len(loads) == 1


def test_the_figures_of_a_run_are_named_without_reading_results(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads = []
    load = ResultStore.load
    monkeypatch.setattr(ResultStore, "load", lambda store: loads.append(1) or load(store))
    figures = run_figures(run)
    assert "logit_lens_mrr" in figures
    assert "causal_tracing_strength" not in figures
    assert loads == []
    figures["logit_lens_mrr"].make(None)
    figures["logit_lens_mrr"].make(0)
    assert len(loads) == 1
