"""Formation dates what is known to happen: circuits that appear, vanish, and lead accuracy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr
from drawn_numbers import assert_both_renderers_draw
from hand_wired import hand_wired, random_model, save_as_run

from analyses.catalog import CATALOG
from analyses.circuits.agreement import circuit_agreement
from analyses.circuits.route_ablation import bridge_edges, shortcut_edges
from analyses.figures import figure, to_matplotlib, to_plotly
from analyses.over_training.dating import (
    Timing,
    bounds,
    circuit_curve,
    differences,
    edge_steps,
    memorized_between,
    phases,
    spoken,
    timing,
)
from analyses.over_training.formation import formation
from analyses.questions.examples import draw_examples
from analyses.walk import analyze
from circuits.circuit.nodes_and_edges import candidate_edges
from circuits.errors import HopscopeError

WIRED = hand_wired()
ROUTE = CATALOG["route_ablation"]
STEPS = np.array([0, 100, 200, 300, 400])


def test_a_curve_is_timed_at_a_tenth_half_and_nine_tenths_of_its_way() -> None:
    found = timing(np.arange(0, 1001, 10), np.linspace(0.2, 0.8, 101))
    assert (found.start, found.halfway, found.done) == (100, 500, 900)
    falling = timing(STEPS, np.array([1.0, 1.0, 0.2, 0.1, 0.0]))
    assert (falling.start, falling.halfway, falling.done) == (200, 200, 300)


def test_a_curve_that_does_not_change_is_not_timed() -> None:
    assert np.isnan(timing(STEPS, np.array([0.5, 0.9, 0.1, 0.5, 0.52])).halfway)


def test_edges_appear_when_they_last_and_vanish_after_their_last_step() -> None:
    kept = np.array([[0, 1, 0], [1, 0, 0], [1, 1, 0], [1, 1, 0], [1, 0, 1]], bool)
    appears, vanishes = edge_steps(STEPS, kept)
    np.testing.assert_array_equal(appears, [100, 200, np.nan])
    np.testing.assert_array_equal(vanishes, [np.nan, 400, np.nan])


def test_phases_follow_the_stated_rules() -> None:
    circuit = timing(STEPS, np.array([0, 0, 0.5, 1, 1]))
    gone = np.array([100, 300, 400, np.nan])
    found = phases(circuit, True, gone, {"memorization_step": 200})
    assert found.tolist() == [[0, 200], [200, 300], [300, 400]]
    assert np.isnan(phases(Timing.none(), False, np.array([np.nan]), {})).all()


def test_a_date_is_bounded_by_steps_of_its_resamples() -> None:
    again = np.array([[100.0, 200.0]] * 90 + [[300.0, np.nan]] * 10)
    low, high = bounds(again, np.array([100.0, 200.0]))
    assert low.tolist() == [100, 200]
    assert high.tolist() == [300, np.inf]  # a tenth of the resamples never get there
    assert np.isnan(bounds(again, np.array([np.nan, 200]))[1][0])


def test_a_lag_has_no_end_where_only_the_later_event_fails_to_happen() -> None:
    lags = differences(np.array([300.0, np.nan, np.nan]), np.array([100.0, 100.0, np.nan]))
    assert lags.tolist() == [200, np.inf]


def test_a_lag_between_events_that_never_happen_has_no_interval() -> None:
    never = np.full(20, np.nan)
    low, high = bounds(differences(never, never), np.array(np.nan))
    assert np.isnan(low)
    assert np.isnan(high)


def test_memorization_lies_between_the_steps_at_which_its_level_can_and_must_be_reached() -> None:
    steps, accuracy = np.arange(0, 500, 100), np.array([0.5, 0.985, 0.99, 0.994, 1.0])
    # of 1,000: 985 leaves .9753 to .9909 open, 994 leaves .9870 to .9973, 1,000 is above .9962
    assert memorized_between(steps, accuracy, 1000) == (100, 400)
    assert memorized_between(steps, np.full(5, 0.99), 1000) == (0, np.inf)


def test_dates_are_spoken_with_their_intervals() -> None:
    assert spoken(1200, 1000, np.inf) == "1,200 [1,000, ...]"
    assert spoken(1200, np.nan, np.nan) == "1,200"


def test_the_circuit_curve_is_the_mean_strength_of_the_last_circuit() -> None:
    strength = np.array([[0.1, 0.9, 0.5], [1.0, 0.2, 0.5]])
    kept = np.array([[0, 1, 1], [1, 0, 1]], bool)
    np.testing.assert_allclose(circuit_curve(strength, kept), [0.25, 0.75])


def test_a_run_whose_circuit_is_there_from_step_200_on_forms_it_at_step_200(tmp_path: Path) -> None:
    model = WIRED.model
    blank = hand_wired().model
    with torch.no_grad():
        for parameter in blank.parameters():
            parameter.zero_()
    run = save_as_run(
        tmp_path / "run", WIRED.corpus, {0: blank, 100: blank, 200: model, 300: model}
    )
    for name in ("circuit_discovery", "route_ablation", "bridge_patching"):
        analyze(run, name, progress=False, examples=300)
    ds = formation(run)
    for curve in ("accuracy", "circuit", "route", "swap"):
        assert ds.value.sel(curve=curve).values.round(2).tolist()[2:] == [1, 1], curve
        assert ds.halfway.sel(curve=curve) == 200, curve
    assert ds.lag == ds.lag_low == ds.lag_high == 0
    # every resample of the questions says the same, and says how many it was drawn from
    n = len(WIRED.corpus.queries("id_test"))
    assert ds.n == n
    assert ds.curve_n.sel(curve=["accuracy", "circuit", "route"]).values.tolist() == [n] * 3
    assert ds.halfway_low.sel(curve="circuit") == ds.halfway_high.sel(curve="circuit") == 200
    assert ds.phase_start.sel(phase="circuit_formation") == 200
    assert ds.phase_end_high.sel(phase="circuit_formation") == 200
    here = np.isfinite(ds.appears.values)
    np.testing.assert_array_equal(ds.appears_low.values[here], 200)
    np.testing.assert_array_equal(ds.appears_high.values[here], 200)
    assert "[200, 200]" in figure(ds).subtitle
    assert len(figure(ds, "edge_steps").rows) == 7
    assert np.isfinite(ds.appears.values).sum() == 7
    assert set(ds.appears.values[np.isfinite(ds.appears.values)]) == {200}
    assert np.isnan(ds.vanishes).all()
    assert_both_renderers_draw(figure(ds))
    assert_both_renderers_draw(figure(ds, "edge_steps"))


def test_a_run_that_forms_no_circuit_has_no_dates_and_figures_that_say_so(tmp_path: Path) -> None:
    models = {step: random_model(WIRED.corpus) for step in (0, 100)}
    run = save_as_run(tmp_path / "run", WIRED.corpus, models)
    analyze(run, "circuit_discovery", progress=False)
    ds = formation(run)
    for name in ("appears", "lag", "lag_low", "lag_high"):
        assert np.isnan(ds[name]).all(), name
    spec = figure(ds, "edge_steps")
    assert spec.rows == ("no edge appears",)
    labels = [text.get_text() for text in to_matplotlib(spec).axes[0].get_yticklabels()]
    assert labels == list(to_plotly(spec).layout.yaxis.ticktext) == ["no edge appears"]
    assert_both_renderers_draw(figure(ds))


def test_a_run_without_circuits_says_what_to_run(tmp_path: Path) -> None:
    run = save_as_run(tmp_path / "run", WIRED.corpus, {0: WIRED.model})
    with pytest.raises(HopscopeError, match="circuit_discovery"):
        formation(run)


def test_the_wired_model_needs_its_bridge_and_no_shortcut() -> None:
    examples = draw_examples(WIRED.corpus, "train_inferred", 60)
    ds = ROUTE.run(WIRED.model, examples, ROUTE.options({}))
    assert (ds.accuracy.sel(variant="restricted") == 1).all()
    assert (ds.accuracy.sel(variant="excluded") < 0.3).all()


def test_a_named_circuit_is_kept_alone() -> None:
    examples = draw_examples(WIRED.corpus, "train_inferred", 60)
    only = ROUTE.options({"circuit": ("mlp.1[relation_2]>output",)})
    ds = ROUTE.run(WIRED.model, examples, only)
    assert (ds.accuracy.sel(variant="restricted") < 0.3).all()
    with pytest.raises(HopscopeError, match="edge"):
        ROUTE.run(WIRED.model, examples, ROUTE.options({"circuit": ("nonsense",)}))


def test_shortcuts_and_bridges_are_told_apart_by_position() -> None:
    edges = candidate_edges(2, 3)
    names = ("h", "r1", "r2")
    assert {e.name(names) for e in shortcut_edges(edges)} == {
        "embed[h]>attn.0[r2]", "embed[r1]>attn.0[r2]", "embed[h]>attn.1[r2]",
        "embed[r1]>attn.1[r2]", "attn.0[h]>attn.1[r2]", "mlp.0[h]>attn.1[r2]",
    }  # fmt: skip
    assert {e.name(names) for e in bridge_edges(edges)} == {
        "attn.0[r1]>attn.1[r2]", "mlp.0[r1]>attn.1[r2]",
    }  # fmt: skip


def found_circuit(kept: list[int], strength: list[float]) -> xr.Dataset:
    return xr.Dataset(
        {
            "in_circuit": (("step", "split", "edge"), np.array([[kept]], np.int8)),
            "strength": (("step", "split", "edge"), np.array([[strength]], np.float16)),
        },
        {"step": [100], "split": ["id_test"], "edge": list("abcd")},
    )


def test_equal_circuits_agree_fully_and_disjoint_ones_not_at_all() -> None:
    one = found_circuit([1, 1, 0, 0], [0.9, 0.8, 0.1, 0.0])
    other = found_circuit([0, 0, 1, 1], [0.0, 0.1, 0.8, 0.9])
    same = circuit_agreement([one, one, one], ["a", "b", "c"])
    assert same["mean"].values == pytest.approx([1, 1])
    assert same["mean_low"].values == pytest.approx([1, 1])
    mixed = circuit_agreement([one, other], ["a", "b"])
    assert mixed["mean"].values == pytest.approx([0, -1])
    assert np.isnan(mixed["mean_low"]).all()
    assert mixed.edge_share.values.tolist() == [0.5] * 4


def test_half_shared_circuits_have_the_jaccard_index_that_one_counts() -> None:
    one = found_circuit([1, 1, 0, 0], [0.9, 0.8, 0.1, 0.0])
    other = found_circuit([1, 0, 1, 0], [0.9, 0.1, 0.8, 0.0])
    ds = circuit_agreement([one, other, one], ["a", "b", "c"])
    assert ds["pair"].sel(measure="jaccard", run="a", other="b") == pytest.approx(1 / 3)
    assert ds["mean"].sel(measure="jaccard") == pytest.approx((1 / 3 + 1 / 3 + 1) / 3)
    assert ds["mean_low"].sel(measure="jaccard") < ds["mean"].sel(measure="jaccard")


def test_a_single_run_and_other_models_are_refused() -> None:
    one = found_circuit([1, 1, 0, 0], [0.9, 0.8, 0.1, 0.0])
    with pytest.raises(HopscopeError, match="two runs"):
        circuit_agreement([one], ["a"])
    with pytest.raises(HopscopeError, match="other edges"):
        circuit_agreement([one, one.assign_coords(edge=list("wxyz"))], ["a", "b"])
    with pytest.raises(HopscopeError, match="step 7"):
        circuit_agreement([one, one], ["a", "b"], step=7)
