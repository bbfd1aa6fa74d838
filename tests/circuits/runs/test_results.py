"""Stored results: appended step by step, whole or not shown at all."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from circuits.errors import HopscopeError
from circuits.runs.results import ResultStore, settings_key


def result(*steps: int) -> xr.Dataset:
    rng = np.random.default_rng(0)
    strength = np.array(steps)[:, None] + np.arange(3, dtype=np.float32) / 10
    return xr.Dataset(
        {
            "strength": (("step", "position"), strength, {"units": "share"}),
            "flip_example": (
                ("step", "example", "position"),
                rng.integers(0, 2, (len(steps), 50, 3)).astype(np.int8),
            ),
            "ratio": (("step", "example"), rng.random((len(steps), 50)).astype(np.float16)),
            "n": (("position",), np.array([50, 50, 49])),
        },
        {"step": list(steps), "position": ["subject", "relation_1", "relation_2"]},
        {"analysis": "causal_tracing", "options": "{}"},
    )


def store_in(folder: Path, **options: object) -> ResultStore:
    return ResultStore(folder / "results", "causal_tracing", {"options": options}, not options)


def test_what_is_stored_is_what_is_read(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        store.append(result(0, 100))
        read = store.load()
    xr.testing.assert_identical(read.drop_vars("position"), result(0, 100).drop_vars("position"))
    assert read.position.values.tolist() == ["subject", "relation_1", "relation_2"]
    assert read.strength.sel(step=100, position="relation_1").item() == pytest.approx(100.1)


def test_steps_are_appended_and_read_in_order(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    for step in (300, 100, 200):
        store.append(result(step))
    assert store.load().step.values.tolist() == [100, 200, 300]
    assert store.load().strength.sel(step=200)[0].item() == 200
    assert store.load([200]).sizes["step"] == 1


def test_other_options_never_mix(tmp_path: Path) -> None:
    default, other = store_in(tmp_path), store_in(tmp_path, reference=True)
    default.append(result(0))
    assert other.steps() == []
    other.append(result(5))
    assert (default.steps(), other.steps()) == ([0], [5])
    assert other.path.name == f"causal_tracing-{settings_key(other.settings)}.zarr"


def test_a_killed_writer_leaves_nothing_visible(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    store.append(result(0))
    before = store.marker.read_bytes()
    store.append(result(100, 200))
    store.marker.write_bytes(before)  # as if killed before the commit
    assert store.load().step.values.tolist() == [0]
    store.append(result(300))
    assert store.load().step.values.tolist() == [0, 300]
    assert store.load().strength.sel(step=300)[0].item() == 300


def test_a_store_that_was_never_committed_is_begun_anew(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    store.append(result(0))
    store.marker.unlink()
    assert store.steps() == []
    store.append(result(100))
    assert store.load().step.values.tolist() == [100]


def test_xarray_opens_it_by_itself(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    store.append(result(0, 100))
    opened = xr.open_zarr(store.path, consolidated=False)
    assert opened.strength.sel(step=100, position="subject").item() == 100
    assert opened.strength.attrs["units"] == "share"


def test_a_result_of_another_version_is_refused(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    store.append(result(0))
    marker = store.marker
    marker.write_text(json.dumps({**json.loads(marker.read_text()), "schema": 0}))
    with pytest.raises(HopscopeError, match=r"another version .* --again"):
        store.load()


def test_damage_is_reported_with_the_remedy(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    store.append(result(0))
    chunk = next(p for p in (store.path / "strength").rglob("*") if p.is_file() and "c" in p.parts)
    chunk.write_bytes(b"nonsense")
    with pytest.raises(HopscopeError, match=r"damaged .* --again"):
        store.load()


def test_a_missing_step_names_the_command(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    store.append(result(0))
    with pytest.raises(HopscopeError, match=r"no result for step 7; run `hopscope analyze"):
        store.load([0, 7])


def test_examples_that_changed_are_refused(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    store.append(result(0))
    changed = result(100)
    changed["n"] = changed.n + 1
    with pytest.raises(HopscopeError, match="the run has changed"):
        store.append(changed)
