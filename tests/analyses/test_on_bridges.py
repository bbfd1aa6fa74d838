"""Analyses of the same weights, as our model and as a TransformerBridge, agree."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr

from analyses.catalog import CATALOG
from analyses.questions.examples import Examples, draw_examples
from circuits import open_run, to_bridge
from circuits.model.bridged import BridgedModel

N = 12
DEMO: dict[str, dict[str, Any]] = {
    "logit_lens": {},
    "causal_tracing": {},
    "bridge_patching": {},
    "trace_classes": {},
    "coverage": {},
    "probes": {"n_train": 200},
    "tuned_lens": {"n_train": 100, "adam_steps": 3},
    "back_patching": {},
    "mixing": {},
    "attention": {"keep_examples": True},
    "component_patching": {"components": ("resid_mid", "mlp_out", "z", "k", "pattern")},
    "bridge_subspace": {"train": 40, "learn_steps": 3},
}


@cache
def _models() -> tuple[Any, BridgedModel]:
    ours = open_run("assets/demo").model()
    return ours, BridgedModel(to_bridge(ours))


@cache
def _examples() -> Examples:
    return draw_examples(open_run("assets/demo").corpus, "id_test", N, 0)


def _pair(name: str, **options: Any) -> tuple[xr.Dataset, xr.Dataset]:
    entry = CATALOG[name]
    with torch.no_grad():
        return tuple(entry.run(m, _examples(), entry.options(options)) for m in _models())  # type: ignore[return-value]


def _check_equal(
    ours: xr.Dataset, theirs: xr.Dataset, atol: float = 1e-5, ranks_apart: int = 0
) -> None:
    assert list(ours.data_vars) == list(theirs.data_vars)
    for name, values in ours.data_vars.items():
        a, b = values.values, theirs[name].values
        if a.dtype.kind in "iub":
            assert np.abs(a.astype(int) - b).max() <= ranks_apart, name  # ranks, flips, outcomes
        else:
            assert np.allclose(a, b, atol=atol, rtol=1e-4, equal_nan=True), name


@pytest.mark.parametrize("name", DEMO)
def test_an_analysis_gives_equal_numbers_on_our_model_and_on_its_bridge(name: str) -> None:
    _check_equal(
        *_pair(name, **DEMO[name]),
        atol=2e-3 if name == "component_patching" else 1e-5,  # stored in half precision
        ranks_apart=1 if name == "tuned_lens" else 0,  # two tokens of one state tie in its lens
    )


@pytest.mark.parametrize(
    "options", [{"corruption": "noise"}, {"target_layer": 1}, {"reference": True}]
)
def test_every_kind_of_causal_tracing_gives_equal_numbers(options: dict[str, Any]) -> None:
    _check_equal(*_pair("causal_tracing", **options))


def test_every_analysis_that_is_said_to_run_on_bridges_is_compared() -> None:
    said = {name for name, entry in CATALOG.items() if entry.bridges}
    of_comparisons = {n for n in said if "composition" not in CATALOG[n].tasks}
    assert said - of_comparisons - {"crosscoder"} == set(DEMO)
