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
    "interchange": {"train": 40, "epochs": 2, "rank": 4},
    "sparse_probes": {"bridges": 5, "k": (1, 4)},
    "jacobian_lens": {"prompts": 20},
    "attention_knockout": {},
    "composability": {},
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


def test_our_das_and_transformerlens_find_the_same_in_the_same_subspace() -> None:
    """The two interventions are one: equal outcomes, pair by pair, of equal projections."""
    from analyses.interventions import bridge_subspace, interchange

    model, examples = _models()[1], _examples()
    options = CATALOG["interchange"].options({"layer": 1, "rank": 8})
    tool = interchange._Tool(model, 1, options)  # type: ignore[arg-type]
    pairs = interchange._Pairs(examples, model, 0)
    basis = tool.tl.random_basis(model.cfg.d_model, 60, 1)
    theirs = tool.outcome(pairs, tool.tl.SubspaceInterchange(basis))
    swaps = bridge_subspace._swaps(bridge_subspace.engine_for(model), examples, 1, 0)
    ours = bridge_subspace._outcome(model, 1, swaps, basis @ basis.T)[pairs.rows, 0]
    assert np.array_equal(ours, theirs)
    assert len(set(theirs.tolist())) > 1


def test_the_learned_subspace_of_both_beats_their_controls() -> None:
    ours, examples = _models()[0], draw_examples(open_run("assets/demo").corpus, "id_test", 60, 0)
    found = {}
    for name, options in (
        ("bridge_subspace", {"layer": 1}),
        ("interchange", {"layer": 1, "epochs": 8}),
    ):
        entry = CATALOG[name]
        with torch.no_grad():
            result = entry.run(ours, examples, entry.options({"train": 250, **options}))
        found[name] = result.success
    das, tl = found["bridge_subspace"].sel(control="bridge"), found["interchange"]
    assert abs(float(das.sel(kind="subspace")) - float(tl.sel(kind="learned"))) < 0.15
    assert abs(float(das.sel(kind="whole")) - float(tl.sel(kind="whole"))) < 1e-6
    assert float(tl.sel(kind="learned")) > float(tl.sel(kind="arbitrary")) + 0.1
    assert float(tl.sel(kind="placebo")) < 0.1
    assert float(tl.sel(kind="random")) < 0.1


def test_the_jacobian_lens_is_transformerlenss_where_both_count_the_same_positions() -> None:
    from transformer_lens.tools.analysis import JacobianLens

    from analyses.readouts.jacobian_lens import jacobians

    ours, theirs = _models()
    tokens = _examples().queries.tokens[:5]
    bridge = to_bridge(ours)
    bridge.to_tokens = lambda row: torch.tensor([row])  # it has no tokenizer
    lens = JacobianLens.fit(
        bridge, tokens.tolist(), corpus="questions", source_layers=[0], skip_first_positions=0,
        dim_batch=16, show_progress=False,
    )  # fmt: skip
    for model in (ours, theirs):
        found = jacobians(model, tokens, last_position=False)[1]  # S[1] is the output of block 0
        assert torch.allclose(found, lens.jacobians[0], atol=1e-5)
        assert not torch.allclose(jacobians(model, tokens)[1], found, atol=1e-2)


def test_every_analysis_that_is_said_to_run_on_bridges_is_compared() -> None:
    said = {name for name, entry in CATALOG.items() if entry.bridges}
    of_comparisons = {n for n in said if "composition" not in CATALOG[n].tasks}
    assert said - of_comparisons - {"crosscoder"} - {"patchscopes"} == set(DEMO)
