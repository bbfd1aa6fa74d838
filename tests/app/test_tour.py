"""The guided tour says what a run's results say, whatever that is."""

from __future__ import annotations

import json
import re
from types import SimpleNamespace
from typing import Any

import pytest
import xarray as xr
from dashboard_browser import ROOT

from analyses.stored import stored_results
from app.instrument.payload import formation_payload
from app.logic.tour import LEAST_STOPS, STOPS, _missing, tour_of
from circuits.runs.run import Run, open_run

NEEDED = ("logit_lens", "bridge_patching", "circuit_discovery")


@pytest.fixture(scope="module")
def textbook() -> tuple[Run, dict[str, xr.Dataset]]:
    run = open_run(ROOT / "assets" / "textbook")
    return run, stored_results(run, NEEDED)[0]


def stops(run: Run, datasets: dict[str, xr.Dataset]) -> dict[str, Any]:
    tour = tour_of(run, datasets)
    assert tour is not None
    return {stop["title"]: stop for stop in tour.sent["stops"]}


def test_the_textbook_run_has_all_seven_stops_in_the_order_of_training(textbook: Any) -> None:
    tour = tour_of(*textbook)
    assert tour is not None
    steps = [stop["step"] for stop in tour.sent["stops"]]
    assert len(steps) == len(STOPS) == 7
    assert steps == sorted(steps)
    assert tour.missing == ""
    sent = json.loads(formation_payload(*textbook, tour=tour.sent))
    assert sent["tour"]["stops"] == tour.sent["stops"]


def test_the_numbers_of_a_stop_are_those_of_the_metrics_at_its_step(textbook: Any) -> None:
    run, _ = textbook
    stop = stops(*textbook)["Memorized"]
    row = run.metrics().set_index("step").loc[stop["step"]]
    said = [f"{row[f'accuracy/{split}']:.0%} (" for split in ("train_inferred", "id_test")]
    assert all(number in stop["text"] for number in said)
    bridge = textbook[1]["bridge_patching"].sel(split="id_test", control="bridge")
    swap = stops(*textbook)["The bridge is used"]
    at = bridge["success"].sel(step=swap["step"]).isel(layer=1, position=1)
    assert f"{float(at):.0%} (" in swap["text"]


def test_the_sentences_turn_with_the_results(textbook: Any) -> None:
    run, datasets = textbook
    bridge = datasets["bridge_patching"]
    weak = bridge.assign({name: bridge[name] * 0.1 for name in ("success", "success_high")})
    found = stops(run, {**datasets, "bridge_patching": weak})
    assert "The bridge is hardly used" in found
    assert re.search("turns only 10%", found["The bridge is hardly used"]["text"])
    circuit = datasets["circuit_discovery"]
    poor = circuit.assign(accuracy=circuit["accuracy"] * 0.5)
    assert "The circuit is not all" in stops(run, {**datasets, "circuit_discovery": poor})


def test_tour_and_timeline_say_the_same_of_the_step_of_memorizing(textbook: Any) -> None:
    """Measured at 700 while training, between the checkpoints 400 and 800."""
    said = "emorized by step 700; first checkpoint after it: 800"
    found = stops(*textbook)
    assert found["Memorized"]["step"] == 800
    assert said in found["Memorized"]["text"]
    assert found["Plateau"]["text"].startswith(f"{found['Plateau']['step'] - 700:,} steps after")
    phases = json.loads(formation_payload(*textbook))["phases"]
    (mark,) = (phase for phase in phases if phase["name"] == "memorized")
    assert mark["step"] == 700
    assert f"{mark['name']} {mark['text'].partition('right ')[2]}".endswith(said)


def test_the_tour_names_the_layer_that_was_chosen_and_no_trivial_swap(textbook: Any) -> None:
    run, datasets = textbook
    bridge = datasets["bridge_patching"]
    deeper = bridge.reindex(layer=[0, 1, 2, 3], fill_value=0)
    success = deeper["success"].copy()
    success.loc[{"layer": 2}] = success.sel(layer=1)
    success.loc[{"layer": 1}] = 0.0
    success.loc[{"layer": 0}] = 1.0
    found = stops(run, {**datasets, "bridge_patching": deeper.assign(success=success)})
    said = "at the first relation after 2 blocks, the layer at which this works best, turns"
    assert said in found["The bridge is used"]["text"]
    one_block = bridge.isel(layer=[0, 1])
    told = stops(run, {**datasets, "bridge_patching": one_block})["No state between the hops"]
    assert "model of one block" in told["text"]


def test_a_run_without_a_plateau_is_said_to_have_none() -> None:
    run = open_run(ROOT / "assets" / "demo")
    found = stops(run, stored_results(run, NEEDED)[0])
    assert "47%" in found["No plateau"]["text"]
    assert "in part" in found["The verdict"]["text"]


def test_a_tour_without_results_is_a_sentence_with_the_command_that_makes_them(
    textbook: Any,
) -> None:
    run, _ = textbook
    tour = tour_of(run, {})
    assert tour is not None
    assert f"`hopscope analyze {run.path} {' '.join(NEEDED)}`" in tour.missing
    assert len(tour.sent["stops"]) == LEAST_STOPS
    assert tour.missing.startswith("4 of the tour's 7 stops")
    assert " makes 3 more. " in tour.missing  # the certificate is stored


@pytest.mark.parametrize(("task", "hops"), [("comparison", 2), ("composition", 3)])
def test_only_a_run_of_two_hops_has_a_tour(task: str, hops: int) -> None:
    recipe = SimpleNamespace(splits=SimpleNamespace(hops=hops))
    run: Any = SimpleNamespace(corpus=SimpleNamespace(task=task), steps=[0, 10], recipe=recipe)
    assert tour_of(run, {}) is None


def test_the_tour_names_no_command_that_refuses_the_run(textbook: Any) -> None:
    run, _ = textbook
    bridged: Any = SimpleNamespace(
        **{name: getattr(run, name) for name in ("corpus", "steps", "recipe", "metrics", "path")},
        bridged=True,
    )
    missing = _missing(bridged, dict.fromkeys(["decoded", "swapped", "alone"]))
    assert "bridge_patching" in missing
    assert "circuit_discovery" not in missing  # only of Hopscope's own model
    assert " makes 2 more. " in missing
