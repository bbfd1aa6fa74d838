"""A user's function over the bridges of all checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr

from analyses import analyze, stored_result, walk_bridge
from analyses.bridge_walk import Asked
from circuits import HopscopeError, Run, open_run, open_series, to_bridge
from circuits.model.bridged import BridgedModel

CALLS: list[int] = []


def right(bridge: Any, asked: Asked) -> torch.Tensor:
    """Share of right answers."""
    CALLS.append(len(asked))
    return (bridge(asked.tokens)[:, -1].argmax(-1) == asked.answer).float().mean()


def other(bridge: Any, asked: Asked) -> float:
    """Another function."""
    return 0.5


def _series(out: Path, steps: tuple[int, ...] = (0, 6000)) -> Run:
    demo = open_run("assets/demo")
    return open_series(steps, demo.model, demo.corpus, out=out)


def test_what_a_function_finds_is_the_accuracy_that_it_computes(tmp_path: Path) -> None:
    found = walk_bridge(_series(tmp_path), right, name="right", examples=40)
    lens = analyze(
        _series(tmp_path), "trace_classes", splits=["id_test"], examples=40, progress=False
    )
    assert np.allclose(found.right.values, lens.accuracy.values)
    assert found.attrs["function"].endswith("right")
    assert found.attrs["version"] == "1"


def test_only_new_steps_are_computed_and_stored_result_reads_them(tmp_path: Path) -> None:
    CALLS.clear()
    walk_bridge(_series(tmp_path, (0,)), right, name="right", examples=5)
    both = walk_bridge(_series(tmp_path), right, name="right", examples=5)
    assert len(CALLS) == 2
    read = stored_result(_series(tmp_path), "right")
    assert read is not None
    assert read.equals(both)


def test_another_function_under_the_same_name_is_refused_until_it_may_replace_it(
    tmp_path: Path,
) -> None:
    run = _series(tmp_path)
    walk_bridge(run, right, name="mine", examples=5)
    with pytest.raises(HopscopeError, match="another function"):
        walk_bridge(run, other, name="mine", examples=5)
    with pytest.raises(HopscopeError, match="another function"):
        walk_bridge(run, right, name="mine", examples=5, version=2)
    assert (walk_bridge(run, other, name="mine", again=True).mine == 0.5).all()


def test_arrays_dicts_and_xarray_keep_their_axes(tmp_path: Path) -> None:
    run = _series(tmp_path, (6000,))

    def table(bridge: Any, asked: Asked) -> dict[str, Any]:
        cache = bridge.run_with_cache(asked.tokens)[1]
        return {"norm": cache["blocks.0.hook_resid_post"].norm(dim=-1).mean(0), "n": len(asked)}

    def named(bridge: Any, asked: Asked) -> xr.DataArray:
        return xr.DataArray(np.ones(3), {"position": list(asked.queries.positions)}, name="ones")

    found = walk_bridge(run, table, name="table", splits=("id_test", "ood_test"), examples=7)
    assert found.norm.dims == ("step", "split", "norm_dim_0")
    assert (found.n == 7).all()
    assert walk_bridge(run, named, name="named").ones.sel(position="subject").item() == 1


def test_a_bridge_gets_its_own_token_ids(tmp_path: Path) -> None:
    demo = open_run("assets/demo")
    order = list(reversed(range(len(demo.vocab))))

    def load(step: int) -> BridgedModel:
        """The same model whose token i is our token n - 1 - i."""
        model = demo.model(step)
        with torch.no_grad():
            model.embed.W_E.copy_(model.embed.W_E[order].clone())
            if not model.cfg.tied_unembedding:
                model.unembed.W_U.copy_(model.unembed.W_U[:, order].clone())
        return BridgedModel(to_bridge(model), order)

    plain = walk_bridge(_series(tmp_path / "a", (6000,)), right, name="right")
    turned = open_series([6000], load, demo.corpus)
    assert walk_bridge(turned, right, name="right").right.item() == plain.right.item()


@pytest.mark.parametrize(
    ("name", "words"), [("logit_lens", "of the catalog"), ("../up", "refused"), ("Big", "refused")]
)
def test_a_name_that_cannot_be_a_result_is_refused(tmp_path: Path, name: str, words: str) -> None:
    with pytest.raises(HopscopeError, match=words):
        walk_bridge(_series(tmp_path), right, name=name)


def test_a_function_that_returns_no_numbers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HopscopeError, match="return numbers"):
        walk_bridge(_series(tmp_path), lambda bridge, asked: "much", name="mine")
