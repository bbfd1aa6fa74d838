"""Analyses on a real Ray cluster of two nodes on this machine, of which one is killed.

Skipped where Ray is not installed: `pip install -c constraints.txt -e '.[test,ray]'` runs it.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import xarray as xr
from ray_cluster import replace_nodes, two_nodes
from s3_server import BUCKET, Machine, put
from tiny_runs import tiny_recipe

from analyses.cluster_walks import plan_walks, walk_on_ray
from analyses.walk import analyze
from circuits.runs.run import Run, open_run
from train.loop import train

pytest.importorskip("ray", reason="Ray is an extra, which is not installed here")
NAMES = ("logit_lens", "causal_tracing")


@pytest.fixture(scope="module")
def cluster(s3: Any) -> Iterator[Any]:
    """Started after the server, because nodes keep the environment of their start."""
    with two_nodes() as made:
        yield made


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    recipe = tiny_recipe(checkpoints__every=5)
    return train(recipe, tmp_path_factory.mktemp("runs") / "tiny", progress=False)


@pytest.fixture(scope="module")
def alone(run: Run) -> dict[str, xr.Dataset]:
    """The results of one process."""
    return {name: analyze(run, name, n_jobs=1, progress=False) for name in NAMES}


def test_a_walk_survives_a_node_that_is_killed_and_equals_one_process(
    cluster: Any, run: Run, alone: dict[str, xr.Dataset], tmp_path: Path
) -> None:
    shutil.copytree(run.path, tmp_path / "copy", ignore=shutil.ignore_patterns("results"))
    tasks = plan_walks([open_run(tmp_path / "copy")], NAMES, block=2)
    assert len(tasks) == 10
    ended = []
    for task, error in walk_on_ray(tasks):
        ended.append((task, error))
        if len(ended) == 4:
            replace_nodes(cluster)  # while the next block is being computed
    assert [error for _, error in ended] == [""] * 10
    assert {task for task, _ in ended} == set(tasks)
    for name, expected in alone.items():
        found = analyze(tmp_path / "copy", name, progress=False)
        assert found.drop_attrs().identical(expected.drop_attrs())


def test_nodes_measure_a_run_in_a_bucket_without_a_folder_that_they_share(
    cluster: Any, run: Run, alone: dict[str, xr.Dataset], s3: Any, machine: Machine
) -> None:
    url = f"s3://{BUCKET}/walk"
    shutil.rmtree(run.path / "results", ignore_errors=True)
    put(s3, run.path, url)
    tasks = plan_walks([open_run(url)], ["logit_lens"], block=5)
    assert tasks[0].run == url
    assert [error for _, error in walk_on_ray(tasks)] == [""] * 2
    machine("second")
    found = analyze(url, "logit_lens", progress=False)
    assert found.drop_attrs().identical(alone["logit_lens"].drop_attrs())
