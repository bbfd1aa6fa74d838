"""The screen equals path patching for small changes; what it leaves out counts as left out."""

from __future__ import annotations

import numpy as np
import pytest
from hand_wired import hand_wired, random_model

from analyses.catalog import CATALOG
from analyses.circuits.edge_choice import Effects, Rules, choose
from analyses.circuits.nodes_and_edges import candidate_edges
from analyses.circuits.path_patching import contrast_traces, path_outcomes
from analyses.circuits.screen import predicted_effects, screened
from analyses.questions.contrasts import draw_contrasts
from analyses.questions.examples import draw_examples
from circuits.patching.engine import PatchEngine

DISCOVERY = CATALOG["circuit_discovery"]
WIRED = hand_wired(n_layers=4, first_hop=1, second_hop=2)
EXAMPLES = draw_examples(WIRED.corpus, "train_inferred", 60)


@pytest.mark.parametrize("heads", [None, 2])
def test_for_a_small_change_of_the_tokens_the_prediction_is_the_effect(heads: int | None) -> None:
    model = random_model(WIRED.corpus, n_layers=3).double()
    engine = PatchEngine(model)
    contrasts = draw_contrasts(EXAMPLES, 0)
    clean, sources = contrast_traces(engine, EXAMPLES, contrasts)
    start = clean.resid[0]
    near = [engine.trace(start + 1e-5 * (source.resid[0] - start)) for source in sources]
    edges = candidate_edges(3, 3, heads)
    exact = path_outcomes(engine, EXAMPLES, contrasts, clean, near, edges, effect_only=True)[0]
    guess = predicted_effects(
        model, engine, EXAMPLES, contrasts, clean, near[: len(contrasts)], edges
    )
    exact = exact[..., 0]
    np.testing.assert_array_equal(np.isfinite(guess), np.isfinite(exact))
    scale = np.nanmax(np.abs(exact))
    assert scale > 1e-7
    np.testing.assert_allclose(guess, exact, atol=5e-3 * scale)


def test_a_screen_passes_the_best_edges_and_a_sample_of_the_others() -> None:
    predicted = np.full((50, 2, 100), np.nan)
    predicted[:, 0] = np.arange(100) / 100
    screen = screened(predicted, np.ones((50, 2)), 60, 0)
    assert screen.measured.sum() == 60
    assert screen.measured[60:].all()
    assert screen.sampled.sum() == 20
    assert not screen.sampled[60:].any()
    assert screened(predicted, np.ones((50, 2)), 100, 0).measured.all()


def test_tokens_that_do_not_lower_the_answer_do_not_crowd_out_those_that_do() -> None:
    predicted = np.zeros((50, 2, 100))
    predicted[:, 0] = np.arange(100) / 100
    predicted[:, 1] = -0.5 * np.arange(100)[::-1]
    total = np.ones((50, 2))
    total[:, 1] = np.tile([-1.0, 1.001], 25)  # its mean is .0005, and far from certain
    screen = screened(predicted, total, 60, 0)
    assert screen.measured[60:].all()
    none_lowers = screened(predicted, -(total**2), 60, 0)
    assert none_lowers.measured.sum() == 60


def test_with_a_narrow_screen_the_wired_circuit_is_still_found() -> None:
    whole = DISCOVERY.run(WIRED.model, EXAMPLES, DISCOVERY.options({"per_component": 100}))
    some = DISCOVERY.run(WIRED.model, EXAMPLES, DISCOVERY.options({"per_component": 2}))
    assert whole.measured.all()
    assert some.measured.sum() == 2 * (3 + 3 * 6 + 2) < whole.sizes["edge"]
    assert some.screen_sampled == 20
    assert np.isnan(some.effect.sel(edge=some.measured == 0)).all()
    np.testing.assert_array_equal(some.in_circuit, whole.in_circuit)
    assert some.screen_missed == 0


def test_what_a_screen_left_out_still_counts_as_a_failed_test() -> None:
    rng = np.random.default_rng(0)
    real = rng.normal(0.25, 1, (200, 1, 1))  # p is about .01 against a placebo of none
    effects = Effects(real, np.zeros_like(real), np.ones((200, 1)))
    alone = choose(effects, Rules(0.05, 0.0, "benjamini_hochberg"))
    among = choose(
        Effects(*(getattr(effects, k) for k in ("real", "placebo", "total")), untested=999),
        Rules(0.05, 0.0, "benjamini_hochberg"),
    )
    assert alone.kept.item()
    assert among.p_value.item() == pytest.approx(min(1, 1000 * alone.p_value.item()))
    assert not among.kept.item()
