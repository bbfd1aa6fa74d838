"""Which edges are kept: those that do more than their placebos, and enough."""

from __future__ import annotations

import numpy as np
import pytest

from circuits.circuit.edge_choice import Effects, Rules, choose, choose_resampled, jaccard
from circuits.circuit.nodes_and_edges import candidate_edges


def test_an_edge_no_better_than_its_placebo_is_left_out() -> None:
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.1, (200, 1, 3))
    real = noise + np.array([1.0, 1.0, 0.04])
    placebo = noise[::-1] + np.array([0.0, 1.0, 0.0])
    found = choose(
        Effects(real, placebo, np.ones((200, 1)) + noise[:, :, 0]),
        Rules(0.01, 0.05, "benjamini_hochberg"),
    )
    # carries the token; not more than the placebo; more than the placebo, but too little
    assert found.in_circuit.tolist() == [True, False, False]


def test_an_edge_that_does_less_than_its_placebo_is_left_out() -> None:
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.1, (200, 1, 3))
    real = noise + np.array([0.5, -0.5, 0.5])
    placebo = noise[::-1] + np.array([1.0, -1.0, -1.0])
    found = choose(
        Effects(real, placebo, np.ones((200, 1)) + noise[:, :, 0]),
        Rules(0.01, 0.05, "benjamini_hochberg"),
    )
    assert (found.p_value < 0.01).all()
    assert found.in_circuit.tolist() == [False, False, True]


def test_with_heads_the_least_share_is_divided_at_either_end() -> None:
    edges = candidate_edges(2, 3, 2)
    share = Rules.for_edges(edges, 2, 0.01, "holm").least_share
    names = [edge.name(("h", "r1", "r2")) for edge in edges]
    found = dict(zip(names, share, strict=True))
    assert found["embed[r2]>mlp.1[r2]"] == pytest.approx(0.05)
    assert found["head.0.1[r2]>mlp.1[r2]"] == pytest.approx(0.025)
    assert found["head.0.1[r1]>head.1.0[r2]"] == pytest.approx(0.0125)


def test_resampling_the_questions_once_each_changes_nothing() -> None:
    rng = np.random.default_rng(1)
    effects = Effects(rng.normal(1, 1, (50, 2, 4)), rng.normal(0, 1, (50, 2, 4)), np.ones((50, 2)))
    found = choose_resampled(effects, Rules(0.05, 0.0, "holm"), 100, 0)
    assert found.kept.shape == (100, 2, 4)
    np.testing.assert_allclose(found.effect.mean(0), effects.real.mean(0), atol=0.05)


def test_the_jaccard_index_counts_shared_edges() -> None:
    one, other = np.array([[1, 1, 0, 0]], bool), np.array([[1, 0, 1, 0]], bool)
    assert jaccard(one, other) == pytest.approx(1 / 3)
    assert np.isnan(jaccard(one & False, other & False)).all()
