"""How the circuit forms: when each edge appears, the phases of training, circuit against accuracy.

This reads results of several analyses over a whole run, so it is no catalog entry (those see one
checkpoint at a time) but a function of the run: `formation(run)`. It computes nothing on models.

1. Curves, shares on one axis: accuracy on the trained and unseen questions that the circuit was
   sought on; `circuit`, the mean strength of the edges of the last step's circuit; `route`,
   accuracy through the two-hop route alone; `without_bridge`, accuracy with the bridge cut; `swap`,
   success of bridge patching where it is highest at the end; `norm`, weight norm over its maximum
   (exact, so without an interval). A missing result is left out.
2. A curve's change is timed between its first and last value: it starts at 10%, is halfway at 50%
   and done at 90% of the way (first step of the running extreme). A change below `LEAST_CHANGE` is
   not timed.
3. An edge appears at the first of `PERSISTENCE` steps in a row at which it is kept, and vanishes
   after the last step at which it is.
4. Phases (after Nanda et al., arXiv 2301.05217, section 5.2): *memorization* ends by the grok rule
   of the run; *circuit formation* is the timed rise of `circuit`; *clean-up* lasts from the first
   to the last step after memorization at which an edge vanishes (there it is read off a falling
   weight norm, which need not fall here). They may overlap, and each may be absent.
5. The lag is halfway(accuracy on unseen questions) - halfway(circuit), in steps.
6. Every date carries the number of questions behind it and a 95% interval
   (`analyses.over_training.dating`): steps 1 to 5 are done again on each resample of the questions
   that circuit discovery drew, the same ones for all curves. (The cell of `swap` is that of all
   questions.)
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float, Int

from analyses.estimates import resampled_means
from analyses.interventions.bridge_patching import SUCCESS
from analyses.over_training.dating import (
    PHASES,
    Timing,
    bounds,
    circuit_curve,
    differences,
    edge_steps,
    memorized_between,
    phases,
    timing,
)
from analyses.walk import stored_result
from circuits.errors import HopscopeError
from circuits.runs.run import Run
from circuits.statistics import bootstrap, resample_weights

CURVES = (
    "trained_accuracy", "accuracy", "circuit", "route", "without_bridge", "swap", "norm",
)  # fmt: skip
ENDS = ("start", "halfway", "done")


@dataclass(frozen=True)
class Curve:
    """A share over training, and what resampled questions make of it."""

    value: Float[np.ndarray, " step"]
    low: Float[np.ndarray, " step"]
    high: Float[np.ndarray, " step"]
    resampled: Float[np.ndarray, "resample step"]
    n: int
    """Questions behind it; 0: it is exact."""

    @classmethod
    def of_examples(cls, values: Float[np.ndarray, "n step"], weights: np.ndarray) -> Curve:
        """A share of right answers; NaN where a question has no value."""
        found = bootstrap(values, shares=True)
        resampled = resampled_means(values, weights)
        n = int(np.isfinite(values).any(1).sum())
        return cls(found.mean, found.low, found.high, resampled, n)

    @classmethod
    def exact(cls, value: Float[np.ndarray, " step"], resamples: int) -> Curve:
        """What no question was drawn for."""
        return cls(value, value, value, np.tile(value, (resamples, 1)), 0)


def formation(run: Run, split: str = "id_test", steps: Sequence[int] | None = None) -> xr.Dataset:
    """Curves (step, curve), their timings, edges' steps, phases and lag of a run.

    Each with `_low` and `_high`, and the number of questions behind it. `figure(formation(run))`
    draws them.

    Args:
        run: With results of `circuit_discovery` and perhaps of others.
        split: Of which questions.
        steps: Leave out all others; each must have a circuit.

    Raises:
        HopscopeError: if the run has no result of circuit_discovery for the split, or one step.
    """
    found = stored_result(run, "circuit_discovery")
    if found is None or not can_date(found, split):
        raise HopscopeError(
            f"{run.path} has no circuits of several steps on {split!r}; run `hopscope analyze "
            f"{run.path} circuit_discovery` first."
        )
    if steps is not None:
        found = found.sel(step=list(steps))
    circuit = found.sel(split=split).transpose("step", ...)
    n, resamples = int(circuit["n"]), circuit.sizes["resample"]
    weights = resample_weights(n, resamples, json.loads(found.attrs["options"])["seed"])
    curves = {
        **_accuracies(found, split, weights),
        "circuit": _circuit(circuit, n),
        **_stored_curves(run, split, circuit["step"].values, weights),
        **_norm(run, circuit["step"].values, resamples),
    }
    ds = _dataset(circuit, {name: curves[name] for name in CURVES if name in curves}, run)
    record = {"run": run.path.resolve().name, "seed": run.recipe.seed}
    record["circuit_discovery"] = json.loads(found.attrs.get("provenance", "null"))
    ds.attrs = {
        "analysis": "formation",
        "split": split,
        "n": n,
        "grok": json.dumps(dict(run.grok)),
        "provenance": json.dumps(record),
    }
    return ds


def can_date(circuits: xr.Dataset | None, split: str = "id_test") -> bool:
    """Whether a result of circuit_discovery holds several steps of a split."""
    return circuits is not None and split in circuits["split"].values and circuits.sizes["step"] > 1


def _dataset(circuit: xr.Dataset, curves: Mapping[str, Curve], run: Run) -> xr.Dataset:
    steps = circuit["step"].values
    ds = xr.Dataset(coords={"step": steps, "curve": list(curves), "edge": circuit["edge"].values})
    for end, part in (("", "value"), ("_low", "low"), ("_high", "high")):
        table = np.stack([getattr(curve, part) for curve in curves.values()], 1)
        ds[f"value{end}"] = (("step", "curve"), table, {"units": "share"})
    n = [curve.n for curve in curves.values()]
    ds["curve_n"] = ("curve", n, {"long_name": "questions behind a curve, 0: exact"})
    timed = {name: _timed(steps, curve) for name, curve in curves.items()}
    for k, name in enumerate(ENDS):
        at, again = (np.stack([t[j][..., k] for t in timed.values()], -1) for j in (0, 1))
        _put(ds, name, "curve", at, again)
    kept = circuit["strength_resample"].transpose("resample", "step", "edge").values != 0
    ds["edge_share"] = (("step", "edge"), kept.mean(0), {"units": "share"})
    found = edge_steps(steps, circuit["in_circuit"].transpose("step", "edge").values == 1)
    resampled = [np.stack(part) for part in zip(*(edge_steps(steps, k) for k in kept), strict=True)]
    for i, (name, text) in enumerate((("appears", "appears"), ("vanishes", "is gone"))):
        _put(ds, name, "edge", found[i], resampled[i], f"step at which the edge {text}")
    _put_phases(ds, curves["circuit"], timed["circuit"], found[1], resampled[1], run)
    if "accuracy" in timed:
        half = [timed[name][1][:, 1] for name in ("accuracy", "circuit")]
        lag = timed["accuracy"][0][1] - timed["circuit"][0][1]
        text = "accuracy behind the circuit, halfway"
        _put(ds, "lag", (), np.array(lag), differences(*half), text)
    return ds


def _timed(steps: np.ndarray, curve: Curve) -> tuple[np.ndarray, np.ndarray]:
    """Its three dates, [3], and those of the resampled curves, [resample, 3]."""
    again = [timing(steps, one).steps for one in curve.resampled]
    return np.array(timing(steps, curve.value).steps), np.array(again)


def _put(
    ds: xr.Dataset, name: str, dims: Any, at: np.ndarray, again: np.ndarray, text: str = ""
) -> None:
    """A date and its bounds."""
    low, high = bounds(again, at)
    for end, values in (("", at), ("_low", low), ("_high", high)):
        interval = f"{text} (95% bootstrap interval over questions)" if end else text
        ds[name + end] = (dims, values, {"units": "step", "long_name": interval})


def _put_phases(
    ds: xr.Dataset,
    circuit: Curve,
    timed: tuple[np.ndarray, np.ndarray],
    vanishes: np.ndarray,
    vanish_again: np.ndarray,
    run: Run,
) -> None:
    at = phases(Timing(*timed[0]), circuit.value[-1] > circuit.value[0], vanishes, run.grok)
    again = np.stack(
        [
            phases(Timing(*dates), curve[-1] > curve[0], gone, run.grok)
            for dates, curve, gone in zip(timed[1], circuit.resampled, vanish_again, strict=True)
        ]
    )
    ds.coords["phase"] = list(PHASES)
    for k, name in enumerate(("phase_start", "phase_end")):
        _put(ds, name, "phase", at[:, k], again[..., k])
    for bound in ("low", "high"):
        ds[f"phase_start_{bound}"][0] = np.nan  # training starts where it starts
    n = np.full(len(PHASES), circuit.n)
    table = run.metrics()
    column = "accuracy/train_inferred"
    if column in table:
        rows = table[["step", column]].dropna()
        n[0] = min(run.recipe.evaluation.items, len(run.corpus.splits["train_inferred"]))
        if np.isfinite(at[0, 1]):
            ends = memorized_between(rows["step"].to_numpy(), rows[column].to_numpy(float), n[0])
            ds["phase_end_low"][0], ds["phase_end_high"][0] = ends
    ds["phase_n"] = ("phase", n, {"long_name": "questions behind a phase"})


def _accuracies(found: xr.Dataset, split: str, weights: np.ndarray) -> dict[str, Curve]:
    """Of the whole model, on the questions that circuits were sought on."""
    names = {"trained_accuracy": "train_inferred", "accuracy": split}
    curves = {}
    for name, where in names.items():
        if where in found["split"].values:
            one = found.sel(split=where)
            right = one["full_right_example"].transpose("example", "step").values[: int(one["n"])]
            again = weights
            if len(right) != weights.shape[1]:
                again = resample_weights(len(right), len(weights), 0)
            curves[name] = Curve.of_examples(right.astype(float), again)
    return curves


def _circuit(circuit: xr.Dataset, n: int) -> Curve:
    """Mean strength of the last circuit's edges, with a band over whole analyses anew.

    Each resample is averaged over the edges of *its own* last circuit, as the whole analysis would
    be on those questions; so the band holds other sets of edges, is not centred on the value, and
    is widened to it where it lies outside.
    """
    value = circuit_curve(
        circuit["strength"].transpose("step", "edge").values.astype(float),
        circuit["in_circuit"].transpose("step", "edge").values == 1,
    )
    strength = circuit["strength_resample"].transpose("resample", "step", "edge").values
    again = np.stack([circuit_curve(one.astype(float), one != 0) for one in strength])
    low, high = np.percentile(again, [2.5, 97.5], axis=0)
    return Curve(value, np.fmin(low, value), np.fmax(high, value), again, n)


def _norm(run: Run, steps: np.ndarray, resamples: int) -> dict[str, Curve]:
    table = run.metrics()
    if "norm/weights" not in table or table["norm/weights"].dropna().empty:
        return {}
    norm = table.drop_duplicates("step", keep="last").set_index("step")["norm/weights"].dropna()
    values = np.interp(steps, norm.index.to_numpy(float), (norm / norm.max()).to_numpy(float))
    return {"norm": Curve.exact(values, resamples)}


def _stored_curves(
    run: Run, split: str, steps: Int[np.ndarray, " step"], weights: np.ndarray
) -> dict[str, Curve]:
    """What other analyses have stored, at these steps."""
    found = {}

    def curve(values: xr.DataArray, n: int) -> Curve:
        rows = values.reindex(step=steps).transpose("example", "step").values[:n]
        again = resample_weights(n, len(weights), 0) if n != weights.shape[1] else weights
        return Curve.of_examples(rows, again)

    route = stored_result(run, "route_ablation")
    if route is not None and split in route["split"].values:
        one = route.sel(split=split)
        right = one["right_example"].sel(ablation="mean").astype(float)
        n = int(one["n"])
        found["route"] = curve(right.sel(variant="restricted"), n)
        found["without_bridge"] = curve(right.sel(variant="excluded"), n)
    bridge = stored_result(run, "bridge_patching")
    if bridge is not None and split in bridge["split"].values:
        one = bridge.sel(split=split, control="bridge")
        last = one["success"].reindex(step=steps).isel(step=-1)
        best = last.fillna(-1).argmax(("layer", "position"))
        cell = {dim: int(place) for dim, place in best.items()}
        outcome = one["outcome_example"].isel(cell)
        swapped = (outcome == SUCCESS).astype(float).where(outcome >= 0)
        found["swap"] = curve(swapped, int(one["n"]))
    return found
