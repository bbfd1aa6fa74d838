"""Runs beside each other on the dashboard, held against known answers."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from app.logic import run_curves as comparing
from app.logic import run_groups as grouping
from app.logic.compare_record import CompareRecord
from app.views.compare import _beside, by_value
from circuits.runs.run import Run

ASSETS = Path(__file__).parents[2] / "assets"


def test_runs_are_aligned_where_they_first_reach_an_accuracy() -> None:
    fast = comparing.RunCurve(np.array([0, 10, 20.0]), np.array([0.0, 0.5, 1.0]))
    slow = comparing.RunCurve(np.array([0, 100, 200.0]), np.array([0.0, 0.5, 0.9]))
    loss = comparing.RunCurve(np.array([0, 200.0]), np.array([4.0, 0.0]))
    axis = comparing.common_axis([{"ID accuracy": fast}, {"ID accuracy": slow}], "accuracy")
    assert axis[-1] == 100
    placed = comparing.on_axis({"ID accuracy": slow, "loss": loss}, axis, "accuracy")
    assert placed["loss"][50] == pytest.approx(2.0)
    assert np.isnan(placed["loss"][95])  # never reached


def test_bands_are_mean_and_range_over_seeds_where_all_have_a_value() -> None:
    mean, low, high = comparing.banded([np.array([0.0, np.nan, 1.0]), np.array([1.0, 0.5, np.nan])])
    assert (mean[0], low[0], high[0]) == (0.5, 0.0, 1.0)
    assert np.isnan([mean[1:], low[1:], high[1:]]).all()


def test_the_mean_of_runs_that_were_measured_at_other_steps_does_not_jump() -> None:
    """A constant 1 beside a constant 0: the mean is a half, wherever it was measured."""
    dense = comparing.RunCurve(np.array([0, 10, 20, 30, 40.0]), np.ones(5))
    sparse = comparing.RunCurve(np.array([0, 20, 30.0]), np.zeros(3))
    axis = comparing.common_axis([{"x": dense}, {"x": sparse}], "step")
    members = [comparing.on_axis({"x": c}, axis, "step")["x"] for c in (dense, sparse)]
    mean = comparing.banded(members)[0]
    np.testing.assert_array_equal(mean, [0.5, np.nan, 0.5, 0.5, np.nan])
    np.testing.assert_array_equal(comparing.between(axis, mean), [0.5, 0.5, 0.5, 0.5, np.nan])


def compared(
    grouped: dict[str, list[str]], placed: dict[str, dict[str, np.ndarray]]
) -> CompareRecord:
    recipes = grouping.recipe_table({}, {})
    return CompareRecord(tuple(placed), grouped, {}, placed, [0, 10], "step", [], recipes)


def test_each_panel_says_how_many_runs_its_means_are_over() -> None:
    placed = {
        "a": {"ID accuracy": np.array([0.0, 1.0]), "swap": np.array([0.0, 0.5])},
        "b": {"ID accuracy": np.array([0.2, 0.8])},
    }
    accuracy, swap = compared({"same recipe": ["a", "b"]}, placed).panels
    assert accuracy.hint.startswith("mean and range, n = 2 seeds")
    assert swap.hint == "not measured in b"  # and of a single run no mean
    (line,) = accuracy.lines
    assert line.name == "same recipe (n = 2)"
    assert line.values.tolist() == [0.1, 0.9]
    (alone,) = swap.lines
    assert alone.low is None


def test_compared_curves_are_exported_as_measured_and_sent_rounded() -> None:
    share = 0.00042 + 1 / 3e6
    record = compared({"a": ["a"]}, {"a": {"ID accuracy": np.array([share, 1.0])}})
    figure, _ = record.figures(step=10)
    assert figure.frame()["share"].tolist() == [share, 1.0]
    sent = json.loads(record.payload())["compared"]["panels"][0]["series"][0]
    assert sent["values"] == [0.00042033, 1.0]


def swept(phi: float, seed: int) -> Run:
    from tiny_runs import tiny_recipe

    return Run(Path(), tiny_recipe(augmentation__phi=phi, seed=seed), {"checkpoints": {}})


def test_the_runs_of_a_sweep_are_ordered_by_their_values() -> None:
    names = ["phi/phi=18_seed=0", "phi/phi=3.6_seed=1", "phi/phi=9_seed=0", "phi/phi=3.6_seed=0"]
    assert sorted(names, key=by_value) == [names[3], names[1], names[2], names[0]]


def test_a_sweep_is_opened_whole_below_the_runs_folder_and_as_it() -> None:
    sweep = ["phi=9_seed=1", "phi=18_seed=0", "phi=9_seed=0"]
    expected = ["phi=9_seed=0", "phi=9_seed=1", "phi=18_seed=0"]
    assert _beside("phi=9_seed=1", [*sweep, "demo"]) == expected
    below = [f"mine/{name}" for name in sweep]
    assert _beside(below[0], [*below, *sweep, "other"]) == [f"mine/{n}" for n in expected]
    assert _beside("one", ["two", "one", *sweep]) == ["one", "two"]


def test_levels_of_one_number_are_ordered_and_anything_else_is_not() -> None:
    def placed(runs: dict[str, Run]) -> dict[str, float]:
        return grouping.places(runs, grouping.groups(runs))

    seeds = {f"{phi}/{seed}": swept(phi, seed) for phi in (9.0, 3.0, 5.0) for seed in (0, 1)}
    assert placed(seeds) == {"phi 3.0": 0, "phi 5.0": 0.5, "phi 9.0": 1}
    singles = {name: run for name, run in seeds.items() if name.endswith("/0")}
    assert placed(singles) == {"9.0/0": 1, "3.0/0": 0, "5.0/0": 0.5}
    two = {name: run for name, run in seeds.items() if not name.startswith("5")}
    assert placed(two) == {}
    from tiny_runs import tiny_recipe

    other = Run(Path(), tiny_recipe(augmentation__phi=7.0, training__lr=0.1), {"checkpoints": {}})
    assert placed(singles | {"other": other}) == {}


def test_a_sweep_becomes_a_phase_diagram_of_means_over_seeds() -> None:
    from app.logic.phase_diagram import phase_diagrams, phase_figures

    runs = {"b": swept(4.0, 0), "a": swept(2.0, 0), "a2": swept(2.0, 1)}
    placed = {
        "b": {"ID accuracy": np.array([0.5, np.nan])},
        "a": {"ID accuracy": np.array([0.0, 1.0])},
        "a2": {"ID accuracy": np.array([0.2, 0.0])},
    }
    (diagram,) = phase_diagrams(runs, placed, [0, 10])
    assert (diagram.name, diagram.levels, diagram.n_runs) == ("phi", (2.0, 4.0), (2, 1))
    np.testing.assert_allclose(diagram.tables["ID accuracy"], [[0.1, 0.5], [0.5, np.nan]])
    (figure,) = phase_figures([diagram], [0, 10], by_step=True, step=10)
    assert figure.name == "compare_phase_phi_id_accuracy"
    assert (figure.rows, figure.columns, figure.cursor) == (("2", "4"), ("0", "10"), 1)
    assert list(grouping.groups(runs)) == ["phi 2.0", "phi 4.0"]


def test_runs_that_differ_by_their_seed_alone_have_no_phase_diagram() -> None:
    from app.logic.phase_diagram import phase_diagrams

    runs = {"a": swept(2.0, 0), "b": swept(2.0, 1)}
    nothing = {name: {"ID accuracy": np.zeros(2)} for name in runs}
    assert phase_diagrams(runs, nothing, [0, 10]) == []


def run_with(**settings: object) -> Run:
    from tiny_runs import tiny_recipe

    return Run(Path(), tiny_recipe(**settings), {"checkpoints": [{"step": 40, "sha256": ""}]})


def test_runs_that_differ_in_anything_but_the_seed_are_no_seeds_of_one_another() -> None:
    """They agree in the first three settings that differ between runs, and not in the fourth."""
    common = {"augmentation__phi": 3.0, "evaluation__items": 20, "model__d_model": 8}
    runs = {
        "plain": run_with(),
        "real": run_with(**common, training__steps=40, seed=0),
        "random": run_with(**common, training__steps=90, seed=1),
        "real again": run_with(**common, training__steps=40, seed=2),
    }
    found = grouping.groups(runs)
    assert sorted(map(sorted, found.values())) == [["plain"], ["random"], ["real", "real again"]]
    assert "real + 1 seed" in found
    table = grouping.recipe_table(runs, found).frame().set_index("setting")
    assert table.loc["training.steps", "real + 1 seed"] == "40"
    assert table.loc["training.steps", "random"] == "90"
    assert table.loc["seed", "real + 1 seed"] == "0, 2"
    assert len(table) == 2 + 4
    said = grouping.grouping_in_words(found, 4)
    assert said == "4 runs in 3 groups (2 seeds): recipes that differ in 4 settings"
    alike = {"a": ["1", "2"], "b": ["3", "4"], "c": ["5", "6"], "d": ["7", "8", "9"], "e": ["0"]}
    said = grouping.grouping_in_words(alike, 1)
    assert said.startswith("10 runs in 5 groups (3 times 2 seeds, 3 seeds): recipes")


def test_a_nested_option_of_the_source_keeps_runs_apart() -> None:
    few = run_with(source__options={"n_entities": 16, "n_relations": 6, "out_degree": 4})
    many = run_with(source__options={"n_entities": 20, "n_relations": 6, "out_degree": 4}, seed=1)
    assert grouping.groups({"few": few, "many": many}) == {"few": ["few"], "many": ["many"]}
    assert grouping.differing({"few": few, "many": many}) == ["source.options.n_entities"]


def test_a_copy_of_a_run_is_no_second_seed() -> None:
    runs = {"a": run_with(seed=0), "copy of a": run_with(seed=0), "b": run_with(seed=1)}
    assert sorted(map(sorted, grouping.groups(runs).values())) == [["a", "b"], ["copy of a"]]


def test_where_a_seed_ends_the_others_go_on_alone() -> None:
    short = np.array([0.0, 0.5, np.nan, np.nan])
    long = np.array([0.2, 0.7, 0.9, 1.0])
    curves = {"a": {"ID accuracy": short}, "b": {"ID accuracy": long}}
    recipes = grouping.recipe_table({}, {})
    record = CompareRecord(
        ("a", "b"), {"same recipe": ["a", "b"]}, {}, curves, [0, 10, 20, 30], "step", [], recipes
    )
    (line,) = record.panels[0].lines
    np.testing.assert_allclose(line.values, [0.1, 0.6, np.nan, np.nan])
    (rest,) = line.alone  # from the last common place on, so that it continues the mean's band
    np.testing.assert_array_equal(rest, [np.nan, 0.7, 0.9, 1.0])
    sent = json.loads(record.payload())["compared"]["panels"][0]["series"][0]
    assert sent["alone"] == [[None, 0.7, 0.9, 1.0]]
    drawn = record.figures(step=30)[0].frame()
    assert drawn[drawn["series"] == "same recipe (n = 2): a seed that goes on"]["share"].max() == 1


def test_no_phase_diagram_averages_over_other_settings() -> None:
    from app.logic.phase_diagram import phase_diagrams

    unlike = {"a": run_with(augmentation__phi=2.0, seed=0),
              "b": run_with(augmentation__phi=4.0, training__lr=0.01, seed=1)}  # fmt: skip
    accuracy = {name: {"ID accuracy": np.zeros(2)} for name in "abcd"}
    assert phase_diagrams(unlike, accuracy, [0, 10]) == []
    crossed = {
        f"{phi} {lr}": run_with(augmentation__phi=phi, training__lr=lr)
        for phi in (2.0, 4.0) for lr in (0.01, 0.1)
    }  # fmt: skip
    values = {name: {"ID accuracy": np.zeros(2)} for name in crossed}
    found = phase_diagrams(crossed, values, [0, 10])
    assert [(d.name, d.held) for d in found] == [
        ("phi", "lr 0.01"), ("phi", "lr 0.1"), ("lr", "phi 2.0"), ("lr", "phi 4.0"),
    ]  # fmt: skip


def test_a_single_run_has_the_interval_of_its_questions() -> None:
    record = compared({"a": ["a"]}, {"a": {"ID accuracy": np.array([0.0, 0.72])}})
    ends = (np.array([0.0, 0.69]), np.array([0.01, 0.75]))
    record = dataclasses.replace(
        record, intervals={"a": {"ID accuracy": ends}}, n_questions={"a": {"ID accuracy": 1000}}
    )
    (panel,) = record.panels
    assert panel.hint == "95% interval, n = 1,000 questions"
    assert panel.lines[0].low is not None
    assert panel.lines[0].low.tolist() == [0.0, 0.69]


def test_a_mean_reciprocal_rank_is_not_called_a_share() -> None:
    assert comparing.unit_of(comparing.READABLE["bridge"]) == "MRR"
    assert comparing.unit_of("ID accuracy") == "share"


def test_compare_shows_the_swap_of_the_tour_where_a_trivial_one_succeeds_more_often() -> None:
    """Writing the whole donor subject into the textbook run is made to succeed always."""
    from analyses.stored import stored_result
    from app.logic.comparing_runs import compare_runs
    from app.logic.tour import tour_of
    from circuits.runs.run import open_run

    run = open_run(ASSETS / "textbook")
    stored = stored_result(run, "bridge_patching")
    assert stored is not None
    there = stored["success"].sel(split="id_test", control="bridge", layer=1, position="relation_1")
    success = stored["success"].copy()
    success.loc[{"control": "bridge", "position": "subject"}] = 1.0
    success.loc[{"control": "bridge", "layer": 0}] = 1.0
    results = {"bridge_patching": stored.assign(success=success)}
    found = comparing.curves_of(run, results)
    swap = found[comparing.BRIDGE_SWAP]
    np.testing.assert_array_equal(swap.values, there.values)
    record = compare_runs({"textbook": run}, {"textbook": found}, "step")
    assert record is not None
    panel = next(p for p in record.panels if p.title == "Bridge swap")
    words = "share of answers that become those of the other bridge at S[1, relation 1]; "
    assert panel.hint == words + "95% interval, n = 300 questions"
    figure = next(f for f in record.figures(8500) if f.name == "compare_bridge_swap")
    assert figure.subtitle == f"textbook; {panel.hint}"
    assert figure.provenance["states"] == {"textbook": "S[1, relation 1]"}
    tour = tour_of(run, results)
    assert tour is not None
    (stop,) = (s for s in tour.sent["stops"] if s["title"] == "The bridge is used")
    assert "written at the first relation after 1 block, turns 53%" in stop["text"]


def test_a_chosen_layer_and_runs_without_a_result_are_said_in_the_figure() -> None:
    from analyses.bridge_swaps import SwapState

    placed = {
        "a": {"ID accuracy": np.array([0.0, 1.0]), "Bridge swap": np.array([0.0, 0.5])},
        "b": {"ID accuracy": np.array([0.2, 0.8]), "Bridge swap": np.array([0.0, 0.4])},
        "c": {"ID accuracy": np.array([0.2, 0.8])},
    }
    record = dataclasses.replace(
        compared({name: [name] for name in placed}, placed),
        swap_states={"a": SwapState(1, "relation_1", False), "b": SwapState(3, "relation_1", True)},
    )
    accuracy, swap = record.panels
    assert accuracy.hint == ""
    assert swap.hint == (
        "share of answers that become those of the other bridge at S[1, relation 1] in a and "
        "S[3, relation 1] in b, the best layer at the last checkpoint; not measured in c"
    )
