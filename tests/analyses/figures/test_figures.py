"""Figure specs hold exactly the numbers of the results that they are made from."""

from __future__ import annotations

import json

import numpy as np
import pytest
import synthetic_results as made

from analyses.figures import (
    FIGURES,
    circuit_dataset,
    figure,
    figures,
    frames,
    training_dataset,
)
from analyses.figures.specs.charts import CircuitDiagram, HeatMap, Lines, Panels
from circuits.errors import HopscopeError


@pytest.fixture(scope="module")
def results():
    tracing, lens = made.causal_tracing(), made.logit_lens()
    training = training_dataset(
        made.metrics(), made.BASELINES, made.COUNTS, made.GROK, made.PROVENANCE
    )
    return {
        "training": training,
        "causal_tracing": tracing,
        "logit_lens": lens,
        "bridge_patching": made.bridge_patching(),
        "circuit": circuit_dataset(tracing, lens),
    }


def test_a_figure_counts_the_examples_that_have_a_value(results):
    some = results["causal_tracing"].copy()
    some["n_valid"] = (("split", "position"), np.tile([300, 279, 300], (some.sizes["split"], 1)))
    spec = figure(some, "strength", step=4000, split="id_test")
    assert "n = 279 to 300" in spec.subtitle


def test_a_change_of_strength_is_shown_beside_the_change_of_accuracy(results):
    some = results["causal_tracing"].copy()
    right = np.linspace(0.5, 1, some.sizes["step"])[:, None].repeat(some.sizes["split"], 1)
    some["clean_accuracy"] = (("step", "split"), right)
    spec = figure(some, "strength_change", split="id_test")
    assert "right without patching: 50% to 100%" in spec.subtitle
    every = figure(some, "strength").subtitle
    assert "right without patching: 100%, 100%, 100%" in every


def test_a_heat_map_holds_the_results_numbers_with_layer_0_at_the_bottom(results):
    spec = figure(results["causal_tracing"], "strength", step=4000, split="id_test")
    assert isinstance(spec, HeatMap)
    np.testing.assert_allclose(spec.values, made.END, atol=0.005)
    assert spec.rows == ("0", "1", "2", "3", "4")
    assert spec.columns == ("subject", "relation 1", "relation 2")
    assert spec.limits == (0, 1)


def test_a_figure_without_a_split_shows_all_splits(results):
    spec = figure(results["causal_tracing"])
    assert [p.title for p in spec.panels] == ["Trained questions", "ID test", "OOD test"]


def test_the_table_behind_a_figure_has_one_row_per_observation(results):
    frame = figure(results["causal_tracing"], "strength", step=0).frame()
    assert len(frame) == 3 * 5 * 3
    assert list(frame.columns) == [
        "panel", "layer", "column", "share no longer right", "low", "high", "x", "y"
    ]  # fmt: skip


def test_n_and_step_stand_beside_the_numbers(results):
    spec = figure(results["causal_tracing"], "strength", step=2000, split="id_test")
    assert spec.subtitle == "ID test · step 2,000 · n = 300"


def test_provenance_says_run_seed_step_and_options(results):
    record = figure(results["causal_tracing"], "strength", step=2000).provenance
    assert record["analysis"] == "causal_tracing"
    assert record["options"] == {"n_examples": 300}
    assert record["selection"] == {"step": 2000}
    assert record["result"]["seed"] == 7


def test_the_change_is_the_end_minus_the_start_with_paired_intervals(results):
    spec = figure(results["causal_tracing"], "strength_change", start=0, split="train_inferred")
    change = spec.panels[0]
    np.testing.assert_allclose(change.values, made.END - made.START, atol=0.02)
    assert change.diverging
    assert change.limits == (-1, 1)
    assert np.all(change.low <= change.values)
    # The flips are nested, so a change of d has variance d(1 - d) and no more.
    d = change.values[2, 1]
    half = 1.96 * np.sqrt(d * (1 - d) / (made.N - 1))
    assert change.high[2, 1] - d == pytest.approx(half, rel=1e-3)


def test_equal_flips_give_a_change_of_exactly_zero(results):
    spec = figure(results["causal_tracing"], "strength_change", step=500, start=500)
    assert all((p.values == 0).all() and (p.low == 0).all() for p in spec.panels)


def test_examples_without_a_corruption_do_not_count():
    ds = made.causal_tracing()
    flips = ds["flip_example"].values
    flips[:, :, :100] = -1
    spec = figure(ds, "strength_change", split="id_test")
    change = flips[-1, 1, 100:, 2, 1] - flips[0, 1, 100:, 2, 1]
    half = 1.96 * change.std(ddof=1) / np.sqrt(200)
    panel = spec.panels[0]
    assert panel.high[2, 1] - panel.values[2, 1] == pytest.approx(half, rel=1e-4)


def test_tracing_to_a_middle_state_is_not_called_tracing_to_the_answer(results):
    some = results["causal_tracing"].copy()
    right = np.ones((some.sizes["step"], some.sizes["split"]))
    some["clean_accuracy"] = (("step", "split"), right)
    some.attrs = {**some.attrs, "options": json.dumps({"target_layer": 2})}
    for name in ("strength", "strength_over_training", "strength_change"):
        spec = figure(some, name)
        assert "S[2, relation 2]" in spec.title.replace("\N{NO-BREAK SPACE}", " ")
        assert "right" not in spec.subtitle
    assert "lens token" in figure(some, "strength", split="id_test").value_label
    some.attrs["options"] = json.dumps({"target_layer": made.DEPTH})  # the output itself
    assert figure(some, "strength").title == "Which states the answer depends on"


def test_a_question_with_fewer_corruptions_counts_with_its_own_number_of_them():
    """Half of the questions flip by their only corruption, the others by one of two."""
    ds = made.causal_tracing()
    n, shape = made.N, ds["flip_example"].shape
    flips = np.zeros(shape)
    flips[-1] = 1  # at the last step each question flips once
    drawn = np.where(np.arange(n) % 2, 1, 2)[None, :, None]
    ds["flip_example"] = (ds["flip_example"].dims, flips)
    ds["drawn_example"] = (
        ("split", "example", "position"),
        np.broadcast_to(drawn, (shape[1], n, shape[-1])),
    )
    panel = figure(ds, "strength_change", split="id_test").panels[0]
    changes = np.where(np.arange(n) % 2, 1.0, 0.5)
    half = 1.96 * changes.std(ddof=1) / np.sqrt(n)
    assert panel.high[2, 1] - panel.values[2, 1] == pytest.approx(half, rel=1e-4)


def test_each_lens_target_is_read_at_its_own_position(results):
    spec = figure(results["logit_lens"], "mrr_over_training")
    assert [p.title for p in spec.panels] == [
        "Bridge, read at relation 1",
        "Relation 2, read at relation 2",
        "Answer, read at relation 2",
    ]
    bridge = spec.panels[0].series[3]
    assert bridge.y[-1] == pytest.approx(made.BRIDGE[3, 1], abs=0.01)


def test_bridge_success_over_training_is_at_the_best_state_and_says_so(results):
    spec = figure(results["bridge_patching"], "success_over_training")
    assert spec.title.replace("\N{NO-BREAK SPACE}", " ").endswith("S[2, relation 1]")
    assert "the best layer at the last step" in spec.subtitle
    assert [s.y.max() > 0.5 for s in spec.series] == [True, False, False]


def test_accuracy_stands_beside_the_best_shortcut_of_each_test_split(results):
    spec = figure(results["training"], "accuracy")
    assert isinstance(spec, Lines)
    assert [s.label for s in spec.series] == ["Trained questions", "ID test", "OOD test"]
    assert [(r.label, r.value) for r in spec.references] == [
        ("ID test: shortcut by (subject, relation 2)", 0.39),
        ("OOD test: shortcut by (subject, relation 2)", 0.37),
    ]
    assert [(e.label, e.x) for e in spec.events] == [("memorized", 600), ("generalized", 2050)]


def test_accuracy_intervals_are_wilsons(results):
    ds = results["training"].sel(split="id_test", step=4000)
    share, n, z = float(ds.accuracy), 1000, 1.959964
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    assert float(ds.accuracy_low) == pytest.approx(centre - half, abs=1e-6)


def test_the_edge_into_a_state_is_as_wide_as_its_strength(results):
    spec = figure(results["circuit"], step=4000, split="id_test")
    assert isinstance(spec, CircuitDiagram)
    carried = {e.target: e.strength for e in spec.edges if e.kind == "carried"}
    for (layer, position), strength in carried.items():
        assert strength == pytest.approx(made.END[layer, position], abs=0.005)


def test_wrong_answers_that_no_patch_made_are_not_drawn_as_edges():
    ds = made.causal_tracing()
    wrong = 0.35  # without a patch; every patch adds to it what it makes wrong of the rest
    for variable in ("strength", "strength_low", "strength_high"):
        ds[variable] = wrong + (1 - wrong) * ds[variable]
    ds["clean_accuracy"] = (("step", "split"), np.full((len(made.STEPS), 3), 1 - wrong))
    spec = figure(circuit_dataset(ds), step=4000, split="id_test")
    carried = {e.target: e for e in spec.edges if e.kind == "carried"}
    assert not carried[4, 0].shown
    assert carried[2, 1].strength == pytest.approx((1 - wrong) * made.END[2, 1], abs=0.005)
    assert carried[4, 2].strength == pytest.approx(1 - wrong, abs=0.005)


def test_what_leaves_a_column_is_the_drop_of_strength_and_only_sure_drops_are_drawn(results):
    spec = figure(results["circuit"], step=4000, split="id_test")
    read = {e.source: e for e in spec.edges if e.kind == "read"}
    hop_two = read[2, 1]
    assert hop_two.strength == pytest.approx(0.70, abs=0.005)
    assert hop_two.target == (3, 2)
    assert hop_two.shown
    assert not read[0, 1].shown  # 0.92 to 0.92: formed for ID test up to 2 %
    assert read[0, 0].target is None  # relation 1 or relation 2: not told apart
    assert (4, 0) not in read


def test_nodes_name_what_the_lens_reads_best(results):
    spec = figure(results["circuit"], step=4000, split="id_test")
    reading = {(n.layer, n.position): n.reading for n in spec.nodes}
    assert reading[2, 1] == "bridge"
    assert reading[2, 2] == "relation_2"
    assert reading[4, 2] == "answer"
    assert reading[2, 0] is None


def test_the_circuit_can_be_drawn_from_tracing_alone():
    spec = figure(circuit_dataset(made.causal_tracing()))
    assert spec.targets == ()
    assert all(n.reading is None for n in spec.nodes)


def test_frames_give_every_step_on_one_scale(results):
    specs = frames(results["causal_tracing"], "strength", split="id_test")
    assert len(specs) == len(made.STEPS)
    assert {s.limits for s in specs} == {(0.0, 1.0)}


@pytest.mark.parametrize("analysis", ["training", "causal_tracing", "logit_lens", "circuit"])
def test_every_figure_becomes_json_without_nan(results, analysis):
    ds = results[analysis].copy(deep=True)
    for variable in ("strength", "mrr", "accuracy"):
        if variable in ds:
            ds[variable][0] = np.nan
    for name in figures(ds):
        for step in (0, 1000):
            text = json.dumps(figure(ds, name, step=step).to_json(), allow_nan=False)
            assert json.loads(text)["name"] == name


def test_a_not_measured_cell_is_null():
    ds = made.causal_tracing()
    ds["strength"][0, 0, 0, 0] = np.nan
    spec = figure(ds, "strength", step=0, split="train_inferred")
    assert spec.to_json()["values"][0][0] is None


def test_every_listed_figure_says_what_it_shows(results):
    for analysis, ds in results.items():
        assert list(figures(ds)) == list(FIGURES[analysis])
        assert all(about.endswith((".", "?")) for about in figures(ds).values())


def test_panels_are_told_apart_in_their_table(results):
    spec = figure(results["logit_lens"], "mrr")
    assert isinstance(spec, Panels)
    assert set(spec.frame()["panel"]) == {"Bridge", "Relation 2", "Answer"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "strenght"}, "strength"),
        ({"step": 501}, "the nearest is 500"),
        ({"split": "id"}, "Allowed: id_test"),
        ({"name": "strength", "colour": "red"}, "Allowed: split"),
    ],
)
def test_a_wrong_choice_names_the_right_ones(results, arguments, message):
    with pytest.raises(HopscopeError, match=message):
        figure(results["causal_tracing"], **arguments)


def test_a_dataset_of_unknown_origin_is_refused():
    with pytest.raises(HopscopeError, match="analysis"):
        figure(made.causal_tracing().drop_attrs())


def test_a_circuit_of_results_without_common_steps_is_refused():
    early = made.logit_lens().isel(step=[0])
    late = made.causal_tracing().isel(step=[1])
    with pytest.raises(HopscopeError, match="no step and split in common"):
        circuit_dataset(late, early)
