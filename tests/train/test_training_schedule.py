"""Which steps keep a checkpoint."""

from __future__ import annotations

import pytest

from circuits.errors import HopscopeError
from circuits.recipes.schema import CheckpointsSection
from train.schedule import CheckpointPlan, checkpoint_steps, thinned


def test_every_keeps_first_and_last_as_well() -> None:
    section = CheckpointsSection(schedule="every", every=40)
    assert checkpoint_steps(section, 100) == [0, 40, 80, 100]


def test_dense_then_sparse() -> None:
    section = CheckpointsSection(dense_every=10, dense_until=30, every=50)
    assert checkpoint_steps(section, 120) == [0, 10, 20, 30, 50, 100, 120]


def test_log_spacing_has_constant_ratios() -> None:
    section = CheckpointsSection(schedule="log", count=5)
    assert checkpoint_steps(section, 1000) == [0, 1, 10, 100, 1000]


def test_a_list_is_taken_as_it_is() -> None:
    section = CheckpointsSection(schedule="list", steps=(3, 7))
    assert checkpoint_steps(section, 9) == [0, 3, 7, 9]
    with pytest.raises(HopscopeError, match="step 0 to 6"):
        checkpoint_steps(section, 6)
    with pytest.raises(HopscopeError, match=r"checkpoints\.steps"):
        checkpoint_steps(CheckpointsSection(schedule="list"), 9)


def test_checkpoints_without_number_are_refused_before_they_are_counted() -> None:
    with pytest.raises(HopscopeError, match=r"checkpoints\.every = 1 .*more than 1,000,000"):
        checkpoint_steps(CheckpointsSection(schedule="every", every=1), 10**15)


def test_thinning_spares_the_dense_part_and_the_last_step() -> None:
    steps = [0, 1, 2, 10, 20, 30, 40, 50]
    assert thinned(steps, 5, dense_until=2) == [0, 1, 2, 10, 50]
    assert thinned(steps, 4, dense_until=2) == [0, 1, 2, 50]
    assert thinned(steps, 8, dense_until=2) == steps
    with pytest.raises(HopscopeError, match="dense part has 3"):
        thinned(steps, 3, dense_until=2)


def test_a_budget_thins_and_says_so() -> None:
    section = CheckpointsSection(dense_every=1, dense_until=2, every=10, budget_mb=5)
    plan = CheckpointPlan(section, 50, checkpoint_bytes=1_000_000)
    assert sorted(plan.steps) == [0, 1, 2, 10, 50]
    assert plan.note is not None
    assert "5 of 8" in plan.note


def test_a_budget_for_less_than_two_is_refused() -> None:
    section = CheckpointsSection(schedule="every", budget_mb=1.5)
    with pytest.raises(HopscopeError, match="budget_mb"):
        CheckpointPlan(section, 50, checkpoint_bytes=1_000_000)


def test_adaptive_keeps_what_moved_since_the_last_kept_step() -> None:
    section = CheckpointsSection(schedule="adaptive", every=100, adaptive_delta=0.1)
    plan = CheckpointPlan(section, 1000, checkpoint_bytes=1)
    assert plan.keeps(0, {"accuracy/id_test": 0.2})
    assert not plan.keeps(10, {"accuracy/id_test": 0.29})
    assert plan.keeps(20, {"accuracy/id_test": 0.31})
    assert not plan.keeps(30, {"accuracy/id_test": 0.22})
    assert plan.keeps(40, {"accuracy/id_test": 0.2})
    assert plan.keeps(50, {"accuracy/id_test": 0.25}, anyway=True)
    assert not plan.keeps(60, {"accuracy/id_test": 0.31})
    fixed = CheckpointPlan(CheckpointsSection(schedule="every"), 1000, checkpoint_bytes=1)
    assert fixed.keeps(0, {"accuracy/id_test": 0.0})
    assert not fixed.keeps(10, {"accuracy/id_test": 1.0})


def test_adaptive_stops_at_the_budget_and_says_so() -> None:
    section = CheckpointsSection(
        schedule="adaptive", every=50, adaptive_delta=0.1, budget_mb=4
    )  # 0, 50, 100 and one more
    plan = CheckpointPlan(section, 100, checkpoint_bytes=1_000_000)
    assert plan.keeps(0, {"a": 0.0})
    assert plan.keeps(10, {"a": 0.5})
    state = plan.state()
    assert plan.note is None
    assert not plan.keeps(20, {"a": 0.9})
    assert plan.note is not None
    resumed = CheckpointPlan(section, 100, checkpoint_bytes=1_000_000)
    resumed.load_state(state)
    assert not resumed.keeps(20, {"a": 0.9})
