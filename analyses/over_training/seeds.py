"""What several runs of one recipe have in common: numbers at their end, dates, and the circuit.

The intervals of a single run are over questions. Those here are over runs, and say what another
seed, with its own split of the facts, would give. `seed_spread` is about the numbers of each run,
`agreement_of_runs` about the circuits of pairs of runs. No model is run: what has not been analyzed
is missing.

1. Circuits and swaps are taken at the last step at which all runs were analyzed.
2. Dates are computed from the steps that all runs have, so that a mean never mixes different ones.
3. The interval of a mean over runs is Student's.
4. A circuit that is halfway by the second of these steps may have been so at any time before: its
   date is then an upper bound, and the lag of accuracy behind it is counted from there. `at_first`
   is the number of such runs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from jaxtyping import Float

from analyses.bridge_swaps import SwapState, first_hop_role, states_in_words, swap_state
from analyses.circuits.agreement import circuit_agreement
from analyses.over_training.formation import halfway
from analyses.stored import Reader, reader
from circuits.errors import HopscopeError
from circuits.runs.run import Run
from circuits.statistics import over_runs

MEASURES = {
    "accuracy_id": ("ID-test accuracy at the end", "share"),
    "accuracy_ood": ("OOD-test accuracy at the end", "share"),
    "edges": ("edges of the circuit", "1"),
    "alone": ("accuracy of the circuit alone, mean-ablated", "share"),
    "alone_interchange": ("accuracy of the circuit alone, interchange-ablated", "share"),
    "without": ("accuracy without the circuit, mean-ablated", "share"),
    "swap": ("bridge swaps that succeed", "share"),
    "swap_random": ("the same with a random donor", "share"),
    "memorized": ("memorized at step", "step"),
    "generalized": ("generalized at step", "step"),
    "circuit_halfway": ("circuit halfway at step", "step"),
    "accuracy_halfway": ("accuracy halfway at step", "step"),
    "lag": ("accuracy behind the circuit by steps", "step"),
}
"""Each measure in words, and its unit."""

OF_CIRCUIT = ("circuit_halfway", "lag")
"""Measures that depend on the date of the circuit."""


def seed_spread(
    runs: Mapping[str, Run],
    split: str = "id_test",
    *,
    read: Mapping[str, Reader] | None = None,
) -> xr.Dataset:
    """`value` (measure, run); `mean` with `mean_low`, `mean_high`, `mean_n`; `at_first` (measure).

    The value of a swap has its 95% interval over questions, `value_low` and `value_high`, and its
    `value_n`; the attribute `swap_states` says where it was read (`analyses.bridge_swaps`).
    NaN where a run has no value: it was not analyzed, or the event never happened.

    Args:
        runs: Two or more runs by name.
        split: Split of the questions for circuits and swaps.
        read: Reader of each run's results (`analyses.stored.reader`); None: new ones.

    Raises:
        HopscopeError: if there are fewer than two runs, or they have no analyzed step in common.

    >>> from analyses import seed_spread
    >>> from circuits import open_run
    >>> runs = {"seed 0": open_run("assets/demo"), "again": open_run("assets/demo")}
    >>> seed_spread(runs)["value"].sel(measure="edges").values
    array([19., 19.])
    """
    if len(runs) < 2:
        raise HopscopeError(f"{len(runs)} run cannot be compared; name at least two runs.")
    read = _readers(runs) if read is None else read
    stored = {name: _stored(read, name, split) for name in ("circuit_discovery", "bridge_patching")}
    common = {name: common_steps(found) for name, found in stored.items() if found}
    steps = {name: max(found) for name, found in common.items()}
    rows, swaps = [], {}
    for name, run in runs.items():
        results = {a: f[name].sel(step=steps[a]) for a, f in stored.items() if name in f}
        row = _end_of(run, results)
        if "bridge_patching" in results:
            swaps[name] = _Swaps.of(results["bridge_patching"], first_hop_role(run, split))
            row |= swaps[name].value
        if "circuit_discovery" in results and len(common["circuit_discovery"]) > 1:
            circuits = stored["circuit_discovery"][name]
            row |= _dates_of(circuits.sel(step=common["circuit_discovery"]))
        rows.append(row)
    first = [common["circuit_discovery"][1]] if len(common.get("circuit_discovery", [])) > 1 else []
    early = sum(row.get("circuit_halfway") in first for row in rows)
    at_first = [early if name in OF_CIRCUIT else 0 for name in MEASURES]
    table = _table(rows)
    known = [swaps.get(name, _Swaps(None, {}, {}, {}, {})) for name in runs]
    states = {name: one.state for name, one in swaps.items() if one.state is not None}
    found = over_runs(table)
    bounds = np.stack([found.low, found.high])
    shares = np.array([unit == "share" for _, unit in MEASURES.values()])
    low, high = np.where(shares, np.clip(bounds, 0, 1), bounds)
    interval = {"long_name": "95% interval over runs (Student)"}
    asked = {"long_name": "95% interval over questions"}
    return xr.Dataset(
        {
            "value": (("run", "measure"), table, {"long_name": "of each run"}),
            "value_low": (("run", "measure"), _table([one.low for one in known]), asked),
            "value_high": (("run", "measure"), _table([one.high for one in known]), asked),
            "value_n": (("run", "measure"), _table([one.n for one in known]), {"units": "1"}),
            "mean": ("measure", found.mean, {"long_name": "mean over runs"}),
            "mean_low": ("measure", low, interval),
            "mean_high": ("measure", high, interval),
            "mean_n": ("measure", found.n, {"long_name": "runs with a value"}),
            "at_first": ("measure", at_first, {"long_name": "runs dated at the first checkpoint"}),
        },
        {"measure": list(MEASURES), "run": list(runs)},
        {
            "analysis": "seed_spread",
            "split": split,
            "steps": json.dumps(steps),
            "swap_states": states_in_words(states, "at that step"),
            "provenance": _provenance(runs),
        },
    )


def _table(rows: Sequence[Mapping[str, float]]) -> Float[np.ndarray, "run measure"]:
    return np.array([[row.get(name, np.nan) for name in MEASURES] for row in rows], float)


def common_steps(results: Mapping[str, xr.Dataset]) -> list[int]:
    """The steps that all of these results have, rising."""
    common = set.intersection(*(set(ds["step"].values.tolist()) for ds in results.values()))
    if not common:
        analysis = next(iter(results.values())).attrs.get("analysis")
        raise HopscopeError(
            f"{', '.join(results)} have no step in common at which {analysis} was run; run "
            f"`hopscope analyze RUN {analysis} --steps STEP` with the same step for each."
        )
    return sorted(common)


def _readers(runs: Mapping[str, Run]) -> dict[str, Reader]:
    return {name: reader(run) for name, run in runs.items()}


def _stored(read: Mapping[str, Reader], analysis: str, split: str) -> dict[str, xr.Dataset]:
    """Stored results of an analysis for a split, by run; runs without one are left out."""
    found = {name: of_run(analysis) for name, of_run in read.items()}
    return {
        name: ds.sel(split=split)
        for name, ds in found.items()
        if ds is not None and split in ds["split"].values
    }


def agreement_of_runs(
    runs: Mapping[str, Run],
    split: str = "id_test",
    *,
    read: Mapping[str, Reader] | None = None,
) -> xr.Dataset:
    """How similar the runs' circuits are at their last common step (see `circuit_agreement`).

    Args:
        runs: Runs by name.
        split: Split of the questions on which circuits were sought.
        read: Reader of each run's results, as in `seed_spread`.

    Raises:
        HopscopeError: if a run has no circuit yet, or the runs have no analyzed step in common.

    >>> from analyses import agreement_of_runs
    >>> from circuits import open_run
    >>> runs = {"seed 0": open_run("assets/demo"), "again": open_run("assets/demo")}
    >>> agreement_of_runs(runs)["mean"].sel(measure="jaccard").item()
    1.0
    """
    read = _readers(runs) if read is None else read
    circuits = {}
    for name, run in runs.items():
        found = read[name]("circuit_discovery")
        if found is None:
            raise HopscopeError(
                f"{name} has no circuit yet; run `hopscope analyze {run.path} circuit_discovery`."
            )
        circuits[name] = found
    step = max(common_steps(circuits))
    ds = circuit_agreement(list(circuits.values()), list(runs), split=split, step=step)
    ds.attrs["step"] = step
    ds.attrs["provenance"] = _provenance(runs)
    return ds


def _provenance(runs: Mapping[str, Run]) -> str:
    return json.dumps({"runs": {name: {"seed": run.seed} for name, run in runs.items()}})


def _end_of(run: Run, at_step: Mapping[str, xr.Dataset]) -> dict[str, float]:
    table = run.metrics()
    found: dict[str, float] = {}
    for name, column in (("accuracy_id", "id_test"), ("accuracy_ood", "ood_test")):
        values = table.get(f"accuracy/{column}")
        if values is not None and len(values.dropna()):
            found[name] = float(values.dropna().iloc[-1])
    for name in ("memorized", "generalized"):
        step = run.grok.get({"memorized": "memorization_step", "generalized": "grok_step"}[name])
        if step is not None:
            found[name] = float(step)
    if "circuit_discovery" in at_step:
        found |= _circuit_of(at_step["circuit_discovery"])
    return found


def _circuit_of(now: xr.Dataset) -> dict[str, float]:
    accuracy = now["accuracy"]
    return {
        "edges": float(now["n_edges"]),
        "alone": float(accuracy.sel(ablation="mean", variant="restricted")),
        "alone_interchange": float(accuracy.sel(ablation="interchange", variant="restricted")),
        "without": float(accuracy.sel(ablation="mean", variant="excluded")),
    }


def _dates_of(circuit: xr.Dataset) -> dict[str, float]:
    first, accuracy = halfway(circuit)
    return {"circuit_halfway": first, "accuracy_halfway": accuracy, "lag": accuracy - first}


@dataclass(frozen=True)
class _Swaps:
    """Success of bridge swaps of a run, and of those with a random donor, at their state."""

    state: SwapState | None
    value: dict[str, float]
    low: dict[str, float]
    high: dict[str, float]
    n: dict[str, float]

    @classmethod
    def of(cls, now: xr.Dataset, first_hop: str) -> _Swaps:
        state = swap_state(now, first_hop)
        if state is None:
            return cls(None, {}, {}, {}, {})
        cell = now.sel(position=state.position).isel(layer=state.layer)

        def read(variable: str) -> dict[str, float]:
            kinds = {"swap": "bridge", "swap_random": "random"}
            known = {name: kind for name, kind in kinds.items() if kind in cell["control"].values}
            return {name: float(cell[variable].sel(control=kind)) for name, kind in known.items()}

        names = ("success", "success_low", "success_high", "n_valid")
        return cls(state, *(read(name) if name in cell else {} for name in names))
