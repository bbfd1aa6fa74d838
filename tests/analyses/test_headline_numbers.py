"""What README and results page say of the two runs that come along, computed a second time.

The second way is slow and shares no code with the first (`tests/support/slow_headlines.py`). Where
they count 1,000 questions and this counts 100, the two may differ by chance; `near` allows three
standard errors. `tests/benchmarks/recompute_headlines.py` asks all questions.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from slow_headlines import SlowRun
from slow_shortcuts import best_accuracy

ASSETS = Path(__file__).parents[2] / "assets"
N = 100


@cache
def slow(name: str) -> SlowRun:
    return SlowRun(ASSETS / name, N, learns_from=400)


def near(said: float, n: int = N) -> object:
    """Within three standard errors of a share of n, and of rounding."""
    return pytest.approx(said, abs=3 * np.sqrt(max(said * (1 - said), 0.01) / n) + 0.005)


def test_textbook_memorizes_long_before_it_generalizes() -> None:
    run = slow("textbook")
    assert run.accuracy(800, "train_inferred") == near(0.99)
    for step, said in ((800, 0.03), (2800, 0.19), (4000, 0.72), (6400, 0.98), (8500, 1.0)):
        assert run.accuracy(step) == near(said)
    assert run.accuracy(8500, "ood_test") == 0


def test_answers_of_textbook_follow_a_swapped_bridge_more_and_more() -> None:
    run = slow("textbook")
    for step, said in ((800, 0.05), (2800, 0.21), (4000, 0.70), (8500, 0.97)):
        assert run.swap(step) == near(said)
    assert run.placebo(8500) == near(0.02)
    assert run.kept_with_same_bridge(8500) == near(1.0)


def test_the_bridge_of_textbook_is_decoded_where_it_is_usable_and_after_the_last_block() -> None:
    run = slow("textbook")
    assert run.decoded(8500) == near(0.96)
    assert run.decoded_after_the_last_block(800) >= 0.95  # "all along"
    assert run.decoded_after_the_last_block(8500) >= 0.95


def test_the_two_hop_route_alone_answers_for_textbook() -> None:
    run = slow("textbook")
    assert run.route(8500, interchange=False) == near(1.0)
    assert run.route(8500, interchange=True) == near(0.98)


def test_half_of_the_answers_of_the_demo_follow_a_swapped_bridge() -> None:
    run = slow("demo")
    assert run.accuracy(600) == near(0.47)
    assert run.accuracy(6000) == near(0.978)
    assert run.accuracy(6000, "ood_test") == near(0.28)
    assert run.swap(6000) == near(0.556)
    assert run.decoded(6000) == near(0.88)
    assert run.route(6000, interchange=False) == near(0.71)
    assert run.route(6000, interchange=True) == near(0.36)
    assert run.route(6000, interchange=False, excluded=True) == near(0.32)


def test_one_fact_of_the_subject_answers_a_fifth_of_the_demo_s_questions() -> None:
    run = slow("demo").run
    assert best_accuracy(run) == ("one_fact", 0.182)
    assert best_accuracy(run, "ood_test") == ("one_fact", pytest.approx(0.244, abs=0.001))
