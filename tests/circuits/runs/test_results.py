"""Stored results: appended step by step, whole or not shown at all."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
import zarr

from circuits.errors import HopscopeError
from circuits.runs import result_arrays
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


def test_xarray_by_itself_sees_rising_steps_without_a_warning(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    for steps in ((300,), (100, 200), (400,)):
        store.append(result(*steps))
    store.put_in_order()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        opened = xr.open_zarr(store.path).load()
    assert opened.step.values.tolist() == [100, 200, 300, 400]
    assert opened.isel(step=-1).strength.sel(position="subject").item() == 400
    assert opened.strength.attrs["units"] == "share"
    xr.testing.assert_equal(opened.strength, store.load().strength)


def test_a_mean_over_examples_that_are_stored_as_halves_is_true(tmp_path: Path) -> None:
    """The sum of 3,000 thirties is 90,000; float16 ends at 65,504."""
    store = store_in(tmp_path)
    losses = np.full((1, 3000), 30, np.float16)
    store.append(xr.Dataset({"loss_example": (("step", "example"), losses)}, {"step": [0]}))
    assert store.load().loss_example.mean("example").item() == 30.0
    assert xr.open_zarr(store.path).loss_example.mean("example").item() == 30.0
    assert "scale_factor" not in store.load().loss_example.attrs


def test_halves_stay_halves_on_disk_when_steps_are_taken_away(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    store.append(result(0, 100))
    store.keep([100])
    assert zarr.open_group(store.path, mode="r")["ratio"].dtype == np.float16
    xr.testing.assert_equal(store.load().ratio, result(0, 100).ratio.sel(step=[100]))


REFUSED = {
    "other labels": lambda ds: ds.assign_coords(position=["subject", "relation_2", "relation_1"]),
    "fewer positions": lambda ds: ds.isel(position=[0, 1]),
    "fewer examples": lambda ds: ds.isel(example=slice(40)),
    "a variable less": lambda ds: ds.drop_vars("flip_example"),
    "a variable more": lambda ds: ds.assign(extra=("step", [1.0] * ds.sizes["step"])),
    "fractions where whole numbers are": lambda ds: ds.assign(flip_example=ds.flip_example + 0.75),
    "numbers too large for halves": lambda ds: ds.assign(ratio=ds.ratio.astype(float) + 1e6),
    "other dimensions": lambda ds: ds.assign(strength=ds.strength.isel(position=0, drop=True)),
    "text where numbers are": lambda ds: ds.assign(flip_example=ds.flip_example.astype(str)),
    "a step that is stored": lambda ds: ds.assign_coords(step=[0]),
    "no steps": lambda ds: ds.drop_vars("step"),
}


@pytest.mark.parametrize("change", REFUSED.values(), ids=REFUSED.keys())
def test_what_is_refused_leaves_what_is_stored_as_it_was(
    tmp_path: Path, change: Callable[[xr.Dataset], xr.Dataset]
) -> None:
    store = store_in(tmp_path)
    store.append(result(0, 50))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(HopscopeError):
        store.append(change(result(100)))
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    store.append(result(100))
    assert store.steps() == [0, 50, 100]


def test_the_refusal_names_the_variable_and_what_differs(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    store.append(result(0))
    with pytest.raises(HopscopeError, match=r"'flip_example' is \(step: any, example: 40, .*: 50,"):
        store.append(result(100).isel(example=slice(40)))
    with pytest.raises(HopscopeError, match=r"'flip_example' is float64, which int8 does not hold"):
        store.append(REFUSED["fractions where whole numbers are"](result(100)))


def test_killed_while_steps_are_taken_away_the_others_are_right_and_it_can_grow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = store_in(tmp_path)
    store.append(result(0, 100, 200))

    def killed(*given: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(ResultStore, "_rewrite", killed)
        with pytest.raises(KeyboardInterrupt):
            store.keep([0, 200])
    assert store.steps() == [0, 200]
    store.append(result(50, 100))
    assert store.load().strength.sel(position="subject").values.tolist() == [0, 50, 100, 200]


def test_a_reader_is_not_confused_by_steps_that_are_put_in_order_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, read_array = store_in(tmp_path), result_arrays._read
    store.append(result(200))
    store.append(result(100))

    swapped: list[bool] = []

    def read_in_two_halves(*given: Any) -> Any:
        if not swapped:
            swapped.append(True)
            store.put_in_order()
        return read_array(*given)

    monkeypatch.setattr(result_arrays, "_read", read_in_two_halves)
    found = store.load()
    assert found.strength.sel(position="subject").values.tolist() == [100, 200]


def test_a_store_without_consolidated_metadata_opens_and_grows(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    store.append(result(0))
    table = json.loads((store.path / "zarr.json").read_text())
    del table["consolidated_metadata"]
    (store.path / "zarr.json").write_text(json.dumps(table))
    assert store.load().sizes["step"] == 1
    store.append(result(100))
    assert xr.open_zarr(store.path).step.values.tolist() == [0, 100]


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
