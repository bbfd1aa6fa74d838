"""Discovery finds the hand-wired circuit and nothing else, and nothing in a random model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr
from drawn_numbers import assert_both_renderers_draw, numbers_of
from hand_wired import hand_wired, random_model

from analyses import stored_result
from analyses.catalog import CATALOG
from analyses.circuits.ablations import draw_donors
from analyses.circuits.discovery import edge_variables
from analyses.figures import figure
from analyses.figures.specs.charts import CircuitDiagram
from analyses.joining import joined_splits, joined_steps
from analyses.questions.contrasts import draw_contrasts
from analyses.questions.corruptions import FactTable
from analyses.questions.examples import Examples, draw_examples
from circuits.circuit.edge_choice import Effects, Rules, choose, choose_resampled
from circuits.runs.run import open_run

DISCOVERY = CATALOG["circuit_discovery"]
WIRED = hand_wired(n_layers=4, first_hop=1, second_hop=2)
WIRED_EDGES = {
    "embed[subject]>attn.1[relation_1]",
    "attn.1[relation_1]>mlp.1[relation_1]",
    "embed[relation_1]>mlp.1[relation_1]",
    "mlp.1[relation_1]>attn.2[relation_2]",
    "attn.2[relation_2]>mlp.2[relation_2]",
    "embed[relation_2]>mlp.2[relation_2]",
    "mlp.2[relation_2]>output",
}


def wired_examples(split: str = "train_inferred", n: int = 60) -> Examples:
    return draw_examples(WIRED.corpus, split, n)


def discover(examples: Examples, model: torch.nn.Module = WIRED.model, **options: object):
    return DISCOVERY.run(model, examples, DISCOVERY.options(options))


def found_edges(ds) -> set[str]:
    return set(ds.edge.values[ds.in_circuit.values == 1].tolist())


@pytest.mark.parametrize("split", ["train_inferred", "id_test", "ood_test"])
def test_exactly_the_wired_circuit_is_found(split: str) -> None:
    ds = discover(wired_examples(split))
    assert found_edges(ds) == WIRED_EDGES
    strength = dict(zip(ds.edge.values, ds.strength.values, strict=True))
    for name, value in strength.items():
        assert value == pytest.approx(float(name in WIRED_EDGES), abs=1e-4), name


def test_the_wired_circuit_is_faithful_complete_and_stable() -> None:
    ds = discover(wired_examples())
    assert (ds.accuracy.sel(variant="restricted") == 1).all()
    assert (ds.accuracy.sel(variant="excluded") < 0.2).all()
    np.testing.assert_allclose(
        ds.loss.sel(variant="restricted", ablation="interchange"), ds.full_loss, atol=2e-3
    )
    assert ds.stability == ds.stability_low == 1
    assert ds.n_edges == 7


def test_each_edge_says_whose_token_it_carries() -> None:
    ds = discover(wired_examples())
    kept = ds.kept.sel(edge="mlp.1[relation_1]>attn.2[relation_2]")  # the bridge
    assert kept.sel(corrupted=["subject", "relation_1"]).values.tolist() == [1, 1]
    assert kept.sel(corrupted="relation_2") == 0
    assert ds.kept.sel(edge="embed[relation_2]>mlp.2[relation_2]").values.tolist() == [0, 0, 1]


def test_a_placebo_that_leads_to_the_same_answer_does_nothing_to_the_wired_model() -> None:
    ds = discover(wired_examples(n=100))
    assert (ds.n_placebo > 0).all()
    np.testing.assert_allclose(np.nan_to_num(ds.placebo), 0, atol=1e-4)


def test_with_heads_only_the_working_heads_are_in_the_circuit() -> None:
    names = found_edges(discover(wired_examples(), heads=True))
    expected = {n.replace("attn.1", "head.1.1").replace("attn.2", "head.2.1") for n in WIRED_EDGES}
    assert names == expected


@pytest.mark.parametrize("correction", ["benjamini_hochberg", "holm"])
def test_no_circuit_is_found_in_random_models(correction: str) -> None:
    examples = wired_examples(n=80)
    for seed in range(4):
        ds = discover(examples, random_model(WIRED.corpus, seed), correction=correction)
        assert ds.n_edges == 0
        assert np.isnan(ds.stability)
        # with nothing kept the model knows nothing, with all kept it is the whole model
        np.testing.assert_allclose(
            ds.accuracy.sel(variant="excluded"), [ds.full_accuracy] * 2, atol=1e-3
        )


def test_with_a_narrow_screen_the_wired_circuit_is_still_found() -> None:
    whole = DISCOVERY.run(WIRED.model, wired_examples(), DISCOVERY.options({"per_component": 100}))
    some = DISCOVERY.run(WIRED.model, wired_examples(), DISCOVERY.options({"per_component": 2}))
    assert whole.measured.all()
    assert some.measured.sum() == 2 * (3 + 3 * 6 + 2) < whole.sizes["edge"]
    assert some.screen_sampled == 20
    assert np.isnan(some.effect.sel(edge=some.measured == 0)).all()
    np.testing.assert_array_equal(some.in_circuit, whole.in_circuit)
    assert some.screen_missed == 0


def test_placebo_tokens_lead_to_the_same_answer_by_another_token() -> None:
    examples = wired_examples(n=100)
    queries, table = examples.queries, FactTable.of(WIRED.corpus.graph)
    first = WIRED.corpus.vocab.first_relation
    for contrast in draw_contrasts(examples, 0):
        rows = contrast.placebo_valid
        tokens = contrast.placebo[rows]
        assert rows.any()
        changed = (tokens != queries.token_ids[rows]).sum(0)
        assert changed[contrast.position] == rows.sum() == changed.sum()
        answers = table.follow(tokens[:, 0], [tokens[:, 1] - first, tokens[:, 2] - first])
        np.testing.assert_array_equal(answers, queries.answer_ids[rows])


def test_donors_share_no_token_with_the_question_where_that_is_possible() -> None:
    queries = wired_examples(n=100).queries
    donors = draw_donors(queries, 0)
    assert (queries.token_ids != queries.token_ids[donors]).all()
    assert (queries.answer_ids != queries.answer_ids[donors]).all()


def test_resamples_keep_what_their_own_questions_show() -> None:
    ds = discover(wired_examples(), resamples=40)
    kept = ds.strength_resample.values != 0
    assert kept.shape == (40, ds.sizes["edge"])
    np.testing.assert_allclose(kept.mean(0), ds.edge_frequency, atol=1e-3)
    np.testing.assert_array_equal(ds.full_right_example, 1)


def test_the_loss_of_every_question_is_kept_and_makes_up_the_mean() -> None:
    ds = discover(wired_examples(), random_model(WIRED.corpus, n_layers=4))
    for name in ("loss", "full_loss"):
        single = ds[f"{name}_example"].astype(float)
        error = abs(single.mean("example") - ds[name].astype(float))
        assert (error <= 0.05 * single.std("example") + 2e-3).all()


def test_what_a_resample_kept_is_never_zero_though_the_token_is_uncertain() -> None:
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 1, (100, 1))
    total = 0.15 + (noise - noise.mean()) / noise.std()  # one and a half standard errors above 0
    real = np.stack([np.full((100, 1), -1.0), np.zeros((100, 1))], -1) + 0.01 * noise[..., None]
    effects, rules = Effects(real, np.zeros_like(real), total), Rules(0.01, 0.5, "holm")
    found, resampled = choose(effects, rules), choose_resampled(effects, rules, 200, 0)
    kept = edge_variables(effects, found, resampled)["strength_resample"][1]
    assert not found.in_circuit.any()
    assert 0 < resampled.in_circuit[:, 0].mean() < 1
    np.testing.assert_array_equal(kept != 0, resampled.in_circuit)


def walked() -> xr.Dataset:
    """The result of two checkpoints, as the walk stores it: random weights, then the wired ones."""
    examples = wired_examples()
    models = {0: random_model(WIRED.corpus, n_layers=4), 100: WIRED.model}
    return joined_steps(
        [
            joined_splits(
                {"train_inferred": (discover(examples, model), examples)},
                step,
                {"analysis": "circuit_discovery"},
            )
            for step, model in models.items()
        ]
    )


def test_the_drawn_graph_has_exactly_the_wired_edges() -> None:
    spec = figure(walked(), "found_circuit", step=100)
    assert isinstance(spec, CircuitDiagram)
    drawn = {(edge.source, edge.target) for edge in spec.edges if edge.shown}
    # rows: tokens, then attention and MLP of each block; the hops are in blocks 1 and 2
    assert drawn == {
        ((0, 0), (3, 1)), ((3, 1), (4, 1)), ((0, 1), (4, 1)), ((4, 1), (5, 2)),
        ((5, 2), (6, 2)), ((0, 2), (6, 2)), ((6, 2), None),
    }  # fmt: skip
    labels = {(node.layer, node.position): node.label for node in spec.nodes if node.label}
    assert labels[4, 1] == "h · r1"
    assert labels[6, 2] == "h · r1 · r2"


@pytest.mark.parametrize(("value", "low", "high"), [(0.2, -0.1, 0.4), (-0.2, -0.4, 0.1)])
def test_an_interval_that_holds_zero_still_does_in_the_graph(
    value: float, low: float, high: float
) -> None:
    ds = walked()
    for end, part in (("", value), ("_low", low), ("_high", high)):
        ds[f"strength{end}"] = ds[f"strength{end}"] * 0 + part
    spec = figure(ds, "found_circuit", step=100)
    assert isinstance(spec, CircuitDiagram)
    edge = next(edge for edge in spec.edges if edge.shown)
    assert (edge.sign * value, edge.strength) == pytest.approx((0.2, 0.2), rel=1e-3)
    assert (edge.low, edge.high) == pytest.approx(
        (-0.1, 0.4), rel=1e-3
    )  # along the edge's own sign


def test_a_step_without_a_circuit_draws_no_edge() -> None:
    spec = figure(walked(), "found_circuit", step=0)
    assert isinstance(spec, CircuitDiagram)
    assert not any(edge.shown for edge in spec.edges)


@pytest.mark.parametrize("name", ["found_circuit", "faithfulness", "edges_over_training"])
def test_every_figure_can_be_drawn_by_both_renderers(name: str) -> None:
    spec = figure(walked(), name)
    assert len(numbers_of(spec)) > 0 or any(edge.shown for edge in spec.edges)
    assert_both_renderers_draw(spec)


def test_what_the_demo_has_stored_is_what_is_computed_today() -> None:
    run = open_run(Path(__file__).parents[3] / "assets" / "demo")
    stored = stored_result(run, "circuit_discovery")
    assert stored is not None
    step, split = run.steps[-1], "id_test"
    with torch.no_grad():
        now = discover(draw_examples(run.corpus, split), run.model(step))
    old = stored.sel(step=step, split=split)
    assert found_edges(old) == found_edges(now)
    for name, variable in now.data_vars.items():
        before = old[name].transpose(*variable.dims).values
        np.testing.assert_allclose(
            before.astype(float), variable.values.astype(float), rtol=2e-3, atol=1e-4, err_msg=name
        )
