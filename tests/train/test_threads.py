"""The number of threads: measured at the start, kept on resuming, never against the user."""

import time
from collections.abc import Iterator

import pytest
import torch

from train.threads import candidates, fastest, measured, recorded_threads, threads_for

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def four_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


def slow_with_several() -> None:
    """A step on a busy machine: every further thread costs."""
    time.sleep(0.001 if torch.get_num_threads() == 1 else 0.02)


def slow_with_one() -> None:
    time.sleep(0.02 / torch.get_num_threads())


def test_one_thread_is_taken_where_several_are_slower_and_the_user_is_told() -> None:
    with threads_for(slow_with_several, CPU) as told:
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 4
    assert told is not None
    assert told.startswith("Training uses 1 thread: a step takes ")
    assert "with all 4. OMP_NUM_THREADS decides otherwise." in told


def test_all_threads_stay_where_they_are_faster() -> None:
    with threads_for(slow_with_one, CPU) as told:
        assert (torch.get_num_threads(), told) == (4, None)


def test_what_the_user_set_is_never_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    with threads_for(slow_with_several, CPU) as told:
        assert (torch.get_num_threads(), told) == (4, None)


def test_trying_draws_no_random_numbers() -> None:
    state = torch.get_rng_state()
    with threads_for(lambda: torch.rand(3).sum().item(), CPU):  # type: ignore[arg-type,return-value]
        assert torch.equal(torch.get_rng_state(), state)


def test_a_step_that_does_not_fit_is_left_to_the_first_real_step() -> None:
    def too_large() -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    with threads_for(too_large, CPU) as told:
        assert (torch.get_num_threads(), told) == (4, None)


def test_a_fault_of_the_step_is_not_swallowed() -> None:
    def broken() -> None:
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes"), threads_for(broken, CPU):
        pass
    assert torch.get_num_threads() == 4


def test_a_resumed_run_uses_its_recorded_threads_where_it_can() -> None:
    for recorded, used in ((1, 1), (3, 3), (4, 4), (64, 4), (None, 4)):
        with recorded_threads(recorded):
            assert torch.get_num_threads() == used
        assert torch.get_num_threads() == 4


def test_slow_steps_are_tried_only_a_few_times() -> None:
    calls = []

    def slow() -> None:
        calls.append(torch.get_num_threads())
        time.sleep(0.2)

    measured(slow, candidates(4))
    assert calls == [4, 1] * 3


def test_a_large_step_is_not_tried_with_ever_fewer_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("train.threads.COSTLY_S", 0.1)
    calls = []

    def large() -> None:
        calls.append(torch.get_num_threads())
        time.sleep(0.48 / torch.get_num_threads())

    found = measured(large, [16, 4, 2, 1])
    assert set(calls) == {16, 4}
    assert fastest(found) == 16


def test_nearly_equal_times_mean_the_fewest_threads() -> None:
    assert fastest({8: 1.00, 2: 1.04, 1: 1.06}) == 2
