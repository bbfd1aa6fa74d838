"""Intervals and corrections, held against arithmetic, scipy and slow obvious versions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest, false_discovery_control

from circuits.errors import HopscopeError
from circuits.statistics import (
    LEAST_EXAMPLES,
    benjamini_hochberg,
    bootstrap,
    holm,
    paired_difference,
    wilson,
)


def test_the_interval_of_a_normal_mean_is_about_two_standard_errors_wide() -> None:
    values = np.random.default_rng(0).normal(3, 2, size=(400, 3, 2))
    found = bootstrap(values)
    expected = 1.96 * values.std(0) / 20
    np.testing.assert_allclose(found.mean, values.mean(0), rtol=1e-5)
    np.testing.assert_allclose(found.high - found.mean, expected, rtol=0.15)
    np.testing.assert_allclose(found.mean - found.low, expected, rtol=0.15)


def test_the_matrix_product_equals_resampling_in_a_loop() -> None:
    values = np.random.default_rng(1).random(30)
    rng = np.random.default_rng([7, 30])
    means = [values[rng.integers(30, size=30)].mean() for _ in range(200)]
    found = bootstrap(values, n_resamples=200, seed=7)
    np.testing.assert_allclose([found.low, found.high], np.quantile(means, [0.025, 0.975]), 1e-5)


def test_the_same_seed_gives_the_same_interval() -> None:
    values = np.random.default_rng(2).random((50, 4))
    first, again, other = bootstrap(values), bootstrap(values), bootstrap(values, seed=1)
    assert np.array_equal(first.low, again.low)
    assert not np.array_equal(first.low, other.low)


def test_examples_without_a_value_are_left_out() -> None:
    values = np.random.default_rng(3).random((60, 2))
    values[40:, 1] = np.nan
    found = bootstrap(values)
    assert found.n.tolist() == [60, 40]
    assert found.mean[1] == pytest.approx(values[:40, 1].mean(), rel=1e-5)
    assert found.low[1] < found.mean[1] < found.high[1]


def test_a_place_with_too_few_values_has_a_mean_but_no_interval() -> None:
    values = np.full((20, 1), np.nan)
    values[: LEAST_EXAMPLES - 1] = 1.0
    found = bootstrap(values)
    assert found.mean[0] == 1
    assert np.isnan(found.low[0])
    assert np.isnan(found.high[0])


def test_too_few_examples_are_refused_in_a_sentence() -> None:
    with pytest.raises(HopscopeError, match="3 examples give no interval; at least 5"):
        bootstrap(np.ones(3))


def test_unanimous_shares_are_not_called_certain() -> None:
    found = bootstrap(np.ones((100, 1)), shares=True)
    assert found.high[0] == 1
    assert found.low[0] == pytest.approx(0.963, abs=1e-3)
    assert bootstrap(np.zeros((100, 1)), shares=True).high[0] == pytest.approx(0.037, abs=1e-3)


def test_wilson_equals_scipy() -> None:
    low, high = wilson(np.array([7, 0]), np.array([20, 9]))
    for i, (k, n) in enumerate([(7, 20), (0, 9)]):
        expected = binomtest(k, n).proportion_ci(method="wilson")
        assert (low[i], high[i]) == pytest.approx((expected.low, expected.high))


def test_benjamini_hochberg_equals_scipy_and_keeps_the_shape() -> None:
    p = np.random.default_rng(4).random((4, 5)) ** 3
    np.testing.assert_allclose(
        benjamini_hochberg(p), false_discovery_control(p.ravel()).reshape(4, 5)
    )


def test_holm_of_a_textbook_example() -> None:
    p = np.array([0.01, 0.04, 0.03, 0.005, np.nan])
    np.testing.assert_allclose(holm(p), [0.03, 0.06, 0.06, 0.02, np.nan])


@pytest.mark.parametrize("share", [0.02, 0.98])
def test_intervals_of_rare_events_cover_as_often_as_they_say(share: float) -> None:
    values = np.random.default_rng(6).random((169, 1500)) < share
    found = bootstrap(values, shares=True)
    assert ((found.low <= share) & (share <= found.high)).mean() > 0.92


def test_an_interval_holds_its_mean_where_all_values_agree() -> None:
    found = bootstrap(np.full((300, 1), 0.1))
    assert found.low[0] <= found.mean[0] <= found.high[0]
    assert wilson(np.array([0, 300]), np.array([300, 300]))[0][0] == 0


@pytest.mark.parametrize("shares", [(0.5, 0.3, 0.1, 0.1), (0.9, 0.06, 0.02, 0.02)])
def test_a_paired_difference_covers_the_truth_in_95_of_100_draws(shares: tuple) -> None:
    rng = np.random.default_rng(2)
    one, other = np.array([1, 1, 0, 0]), np.array([1, 0, 1, 0])
    truth = shares[1] - shares[2]
    covered = []
    for _ in range(500):
        row = rng.choice(4, 80, p=shares)
        found = paired_difference(one[row], other[row])
        covered.append(found.low <= truth <= found.high)
    assert 0.93 <= np.mean(covered) <= 0.99


def test_pairs_that_agree_make_a_difference_narrower() -> None:
    one, other = np.repeat([1, 0], [80, 20]), np.repeat([1, 0], [70, 30])
    together, apart = paired_difference(one, other), paired_difference(one, other[::-1])
    assert together.mean == apart.mean == pytest.approx(0.1)
    assert together.high - together.low < 0.7 * (apart.high - apart.low)


def test_two_shares_that_never_differ_have_a_difference_with_width() -> None:
    found = paired_difference(np.ones(50), np.ones(50))
    assert found.low < found.mean == 0 < found.high < 0.1
    assert np.isnan(paired_difference(np.empty(0), np.empty(0)).mean)
