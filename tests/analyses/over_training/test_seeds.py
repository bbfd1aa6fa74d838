"""Several runs: spread with Student's interval, equal circuits agree, other ones do not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from hand_wired import hand_wired, save_as_run
from typer.testing import CliRunner

from analyses.figures import figure
from analyses.over_training.formation import formation, halfway
from analyses.over_training.seeds import agreement_of_runs, seed_spread
from analyses.stored import stored_result
from analyses.walk import analyze
from app.cli.main import cli
from circuits.errors import HopscopeError
from circuits.runs.run import Run
from circuits.statistics import over_runs

pytestmark = pytest.mark.slow_first


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> dict[str, Run]:
    """Three runs of the same wired circuit, and one whose last MLP is broken."""
    folder, found = tmp_path_factory.mktemp("runs"), {}
    for name in ("one", "two", "three", "broken"):
        wired = hand_wired()
        if name == "broken":
            with torch.no_grad():
                wired.model.blocks[1].mlp.W_out.zero_()
        found[name] = save_as_run(folder / name, wired.corpus, {0: wired.model})
        if name in ("two", "three"):  # of the same weights, so they would be computed again
            shutil.copytree(found["one"].results_dir, found[name].results_dir)
        for analysis in ("circuit_discovery", "bridge_patching"):
            analyze(found[name], analysis, progress=False, examples=300)
    return found


def test_students_interval_of_three_runs_is_that_of_a_table() -> None:
    found = over_runs(np.array([[1.0, 5.0], [2.0, np.nan], [3.0, 5.0]]))
    # standard error 1 / sqrt(3), times 4.3027 for two degrees of freedom
    np.testing.assert_allclose(found.low[0], 2 - 4.302653 / np.sqrt(3), atol=1e-5)
    np.testing.assert_allclose(found.high[0], 2 + 4.302653 / np.sqrt(3), atol=1e-5)
    assert found.mean.tolist() == [2, 5]
    assert found.n.tolist() == [3, 2]
    assert np.isnan(found.low[1])


def test_runs_of_one_circuit_agree_without_spread(runs: dict[str, Run]) -> None:
    same = {name: runs[name] for name in ("one", "two", "three")}
    agreement = agreement_of_runs(same)
    assert agreement["mean"].values == pytest.approx([1, 1])
    assert agreement["mean_low"].values == pytest.approx([1, 1])
    spread = seed_spread(same)
    for measure, value in (("edges", 7), ("alone", 1), ("swap", 1), ("swap_random", 0)):
        one = spread.sel(measure=measure)
        assert float(one["mean"]) == pytest.approx(value, abs=1e-6), measure
        assert float(one["mean_low"]) == pytest.approx(value, abs=1e-6), measure
        assert int(one["mean_n"]) == 3
    assert np.isnan(spread["mean"].sel(measure="lag"))  # one step dates nothing


def test_a_broken_run_shares_no_edge_and_widens_the_interval(runs: dict[str, Run]) -> None:
    agreement = agreement_of_runs({name: runs[name] for name in ("one", "two", "broken")})
    jaccard = agreement["pair"].sel(measure="jaccard")
    assert jaccard.sel(run="one", other="two") == 1
    assert jaccard.sel(run="one", other="broken") == 0
    mean = agreement.sel(measure="jaccard")
    # left out one at a time: 0, 0 and 1; t = 4.3027, so the interval is all that there is
    assert float(mean["mean"]) == pytest.approx(1 / 3)
    assert (float(mean["mean_low"]), float(mean["mean_high"])) == (0, 1)


def test_circuits_are_compared_at_the_last_step_that_all_runs_have(tmp_path: Path) -> None:
    """Both runs have the circuit at step 10, and one a broken model after it."""
    whole, broken = hand_wired(), hand_wired()
    with torch.no_grad():
        broken.model.blocks[1].mlp.W_out.zero_()
    runs = {
        "short": save_as_run(tmp_path / "short", whole.corpus, {0: broken.model, 10: whole.model}),
        "long": save_as_run(tmp_path / "long", whole.corpus, {10: whole.model, 20: broken.model}),
    }
    for run in runs.values():
        for analysis in ("circuit_discovery", "bridge_patching"):
            analyze(run, analysis, progress=False)
    spread = seed_spread(runs)
    assert json.loads(spread.attrs["steps"]) == {"circuit_discovery": 10, "bridge_patching": 10}
    for measure, value in (("edges", 7), ("alone", 1), ("swap", 1)):
        assert spread["value"].sel(measure=measure).values.tolist() == [value, value]
        assert int(spread["mean_n"].sel(measure=measure)) == 2
    agreement = agreement_of_runs(runs)
    assert agreement["mean"].sel(measure="jaccard") == 1
    assert "step 10" in figure(agreement, "pairs").subtitle


def test_dates_are_of_the_steps_that_all_runs_have(tmp_path: Path) -> None:
    """One run has the circuit from step 10 on; another was analyzed at steps 0 and 20 only."""
    whole, broken = hand_wired(), hand_wired()
    with torch.no_grad():
        broken.model.blocks[1].mlp.W_out.zero_()
    dense = {0: broken.model, 10: whole.model, 20: whole.model}
    runs = {
        "dense": save_as_run(tmp_path / "dense", whole.corpus, dense),
        "sparse": save_as_run(
            tmp_path / "sparse", whole.corpus, {0: broken.model, 20: whole.model}
        ),
    }
    for run in runs.values():
        analyze(run, "circuit_discovery", progress=False)
    whole_curve = formation(runs["dense"])["halfway"]
    dates = halfway(stored_result(runs["dense"], "circuit_discovery").sel(split="id_test"))
    assert dates == tuple(whole_curve.sel(curve=["circuit", "accuracy"]).values)
    assert dates[0] == 10
    spread = seed_spread(runs)["value"].sel(measure="circuit_halfway")
    assert spread.values.tolist() == [20, 20]
    # with steps 0 and 20 alone, 20 is the first checkpoint that could show it
    at_first = seed_spread(runs)["at_first"]
    assert at_first.sel(measure=["circuit_halfway", "lag"]).values.tolist() == [2, 2]
    assert at_first.sum() == 4


def test_runs_without_a_common_step_are_refused(tmp_path: Path) -> None:
    wired = hand_wired()
    runs = {
        name: save_as_run(tmp_path / name, wired.corpus, {step: wired.model})
        for name, step in (("one", 0), ("two", 10))
    }
    for run in runs.values():
        analyze(run, "circuit_discovery", progress=False)
    with pytest.raises(HopscopeError, match="one, two have no step in common"):
        seed_spread(runs)


def test_the_command_prints_spread_and_agreement_and_draws_them(
    runs: dict[str, Run], tmp_path: Path
) -> None:
    paths = [str(runs[name].path) for name in ("one", "two", "three")]
    found = CliRunner().invoke(cli, ["compare", *paths, "--out", str(tmp_path), "--format", "svg"])
    assert found.exit_code == 0, found.output
    assert "circuit_discovery: at step 0, the last at which all runs have it" in found.output
    assert "edges of the circuit: 7 [7, 7], n = 3 runs; of each: 7 7 7" in found.output
    assert "Jaccard index of edges: 1.00 [1.00, 1.00], n = 3 runs" in found.output
    assert "edges in all circuits: 7, in some: 0" in found.output
    assert {p.name for p in tmp_path.glob("*.svg")} == {
        "circuit_agreement_pairs.svg", "circuit_agreement_shared_edges.svg",
    }  # fmt: skip


def test_runs_without_circuits_and_single_runs_are_refused(
    runs: dict[str, Run], tmp_path: Path
) -> None:
    wired = hand_wired()
    bare = save_as_run(tmp_path / "bare", wired.corpus, {0: wired.model})
    with pytest.raises(HopscopeError, match=r"bare.*analyze"):
        agreement_of_runs({"one": runs["one"], "bare": bare})
    with pytest.raises(HopscopeError, match="at least two"):
        seed_spread({"one": runs["one"]})


def test_swaps_are_compared_at_the_state_between_the_hops_with_interval_and_n(
    runs: dict[str, Run],
) -> None:
    """In the broken run every swap between the hops fails, and one of the embedding is made to
    succeed."""
    from analyses.stored import reader

    read = {name: reader(runs[name]) for name in ("one", "broken")}
    found = read["broken"]("bridge_patching")
    assert found is not None
    success = found["success"].copy()
    success.loc[{"control": "bridge"}] = 0.0
    success.loc[{"control": "bridge", "layer": 0, "position": "relation_1"}] = 0.9
    read["broken"] = lambda name, old=read["broken"]: (
        found.assign(success=success) if name == "bridge_patching" else old(name)
    )
    spread = seed_spread({name: runs[name] for name in read}, read=read)
    assert spread.attrs["swap_states"] == "at S[1, relation 1]"
    one = spread.sel(measure="swap")
    assert one["value"].values.tolist() == [1.0, 0.0]
    assert one["value_n"].values.tolist() == [int(found["n_valid"].sel(
        split="id_test", control="bridge"))] * 2  # fmt: skip
    assert (one["value_low"] <= one["value"]).sel(run="one")
    assert np.isnan(spread["value_low"].sel(measure="edges")).all()
