"""Two processes that share the batches get the losses of one."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from real_processes import start_training
from tiny_runs import numbers, tiny_recipe

from circuits.runs import open_run
from train.loop import train


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_two_gloo_processes_give_the_losses_of_one_with_the_same_global_batch(
    tmp_path: Path,
) -> None:
    recipe = tiny_recipe(training__steps=20)
    train(recipe, tmp_path / "one", progress=False)
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    processes = [  # the environment that torchrun gives its processes
        start_training(recipe, tmp_path / "two", RANK=str(i), LOCAL_RANK=str(i), **shared)
        for i in range(2)
    ]
    for process in processes:
        process.join(120)
        assert process.exitcode == 0
    one, two = numbers(tmp_path / "one"), numbers(tmp_path / "two")
    assert [row["step"] for row in one] == [row["step"] for row in two] == [0, 10, 20]
    for expected, row in zip(one, two, strict=True):
        for name, value in expected.items():
            if "loss" in name:
                assert row[name] == pytest.approx(value, abs=1e-5), name
    assert open_run(tmp_path / "two").manifest["processes"] == 2
