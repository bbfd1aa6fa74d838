"""A sweep on a real Ray cluster of two nodes on this machine, of which one is killed, twice.

Skipped where Ray is not installed: `pip install -c constraints.txt -e '.[test,ray]'` runs it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from ray_cluster import replace_nodes, two_nodes
from tiny_runs import numbers, tiny_recipe

from circuits.errors import HopscopeError
from circuits.recipes.toml import recipe_toml
from circuits.runs.reading import read_metrics
from circuits.runs.run import open_run
from train.sweeps import sweep

ray = pytest.importorskip("ray", reason="Ray is an extra, which is not installed here")
STEPS = 1500


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    with two_nodes() as made:
        yield made


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tiny_recipe(training__steps=STEPS, evaluation__every=50, checkpoints__every=500)
    path = tmp_path_factory.mktemp("recipe") / "tiny.toml"
    path.write_text(recipe_toml(made), encoding="utf-8")
    return path


def wait_for_step(run: Path, step: int) -> None:
    begun = time.monotonic()
    while time.monotonic() - begun < 120:
        rows = read_metrics(run / "metrics.jsonl")
        if rows and rows[-1]["step"] >= step:
            return
        time.sleep(0.02)
    raise AssertionError(f"{run} never came to step {step}")


def test_a_sweep_survives_a_node_that_is_killed_twice_and_equals_a_local_one(
    cluster: Any, recipe: Path, tmp_path: Path
) -> None:
    alone = {"n_jobs": 1, "pack": "off", "progress": False}  # a pack has other products
    local = sweep(recipe, [], out=tmp_path / "local", seeds=3, **alone)
    out = tmp_path / "out"

    with ThreadPoolExecutor(1) as elsewhere:  # Ray starts nodes from the main thread only
        swept = elsewhere.submit(sweep, recipe, [], out=out, seeds=3, backend="ray")
        for seed in (0, 1):
            wait_for_step(out / f"seed={seed}", STEPS // 3)
            replace_nodes(cluster)
        table = swept.result()
    assert table["error"].tolist() == [""] * 3
    notes = [note for s in range(2) for note in open_run(out / f"seed={s}").manifest["notes"]]
    assert any(note.startswith("Going on from step") for note in notes)
    columns = [name for name in table.columns if name not in ("run", "error")]
    assert table[columns].equals(local[columns])
    for seed in range(3):
        one, other = (folder / f"seed={seed}" for folder in (out, tmp_path / "local"))
        assert numbers(one) == numbers(other)
        steps = open_run(one).steps
        assert [open_run(one)._digests[s] for s in steps] == [
            open_run(other)._digests[s] for s in steps
        ]


def test_a_cell_that_fails_is_a_row_and_the_others_are_trained(
    cluster: Any, recipe: Path, tmp_path: Path
) -> None:
    (tmp_path / "out" / "seed=1").mkdir(parents=True)
    (tmp_path / "out" / "seed=1" / "mine.txt").write_text("not a run")
    table = sweep(
        recipe, [], out=tmp_path / "out", seeds=2, backend="ray", overrides=["training.steps=5"]
    )
    assert table["error"].tolist()[0] == ""
    assert "not empty" in table["error"].tolist()[1]


def test_a_run_that_no_node_could_take_is_refused_at_once(
    cluster: Any, recipe: Path, tmp_path: Path
) -> None:
    with pytest.raises(HopscopeError, match=r"no node of the Ray cluster has .* 1 GPU"):
        sweep(recipe, [], out=tmp_path, backend="ray", overrides=["training.device=cuda"], n_jobs=1)
