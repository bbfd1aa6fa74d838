"""What passes the screen, and that what it leaves out counts as left out."""

from __future__ import annotations

import numpy as np
import pytest

from circuits.circuit.edge_choice import Effects, Rules, choose
from circuits.circuit.screen import screened


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
