"""Jobs side by side give what they give one after the other."""

import threading

import pytest
import torch

from circuits.patching.cores import cores_for_jobs, each_on_a_core, n_cores


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_results_keep_the_order_of_their_jobs(two_threads):
    assert each_on_a_core([lambda i=i: i * i for i in range(7)]) == [i * i for i in range(7)]


def test_jobs_run_side_by_side_with_one_thread_each(two_threads):
    both_here = threading.Barrier(2, timeout=10)

    def job():
        both_here.wait()
        return torch.get_num_threads()

    assert each_on_a_core([job, job]) == [1, 1]
    assert torch.get_num_threads() == 2


def test_a_single_thread_runs_the_jobs_in_the_caller():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        here = threading.get_ident()
        assert each_on_a_core([threading.get_ident] * 3) == [here] * 3
    finally:
        torch.set_num_threads(before)


def test_an_exception_of_a_job_reaches_the_caller(two_threads):
    def fail():
        raise ValueError("of this job")

    with pytest.raises(ValueError, match="of this job"):
        each_on_a_core([lambda: None, fail])


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_jobs_have_the_grad_mode_of_the_caller(two_threads, mode):
    def modes():
        return torch.is_grad_enabled(), torch.is_inference_mode_enabled()

    with mode():
        assert each_on_a_core([modes, modes]) == [modes()] * 2


def test_callers_at_the_same_time_leave_the_cores_to_threads_that_start_later(two_threads):
    inside, may_leave = threading.Event(), threading.Event()

    def starts_meanwhile():
        with cores_for_jobs():
            inside.set()
            may_leave.wait(10)

    meanwhile = threading.Thread(target=starts_meanwhile)
    with cores_for_jobs():
        meanwhile.start()
        assert inside.wait(10)
    may_leave.set()
    meanwhile.join()
    found = []
    later = threading.Thread(target=lambda: found.append(n_cores()))
    later.start()
    later.join()
    assert found == [2]


def test_the_caller_keeps_to_one_thread_while_all_cores_are_for_jobs(two_threads):
    both_here = threading.Barrier(2, timeout=10)
    with cores_for_jobs():
        assert torch.get_num_threads() == 1
        assert n_cores() == 2
        each_on_a_core([both_here.wait, both_here.wait])
    assert torch.get_num_threads() == n_cores() == 2
