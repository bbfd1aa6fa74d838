"""How the circuit forms: when each edge appears, the phases of training, circuit against accuracy.

This reads the results of several analyses over a whole run. It is therefore not a catalog entry,
which sees one checkpoint at a time, but a function of the run: `formation(run)`. It runs no model.

1. Collect the curves. All are shares, on one axis, and a curve whose result is missing is left out.
   - `trained_accuracy`, `accuracy`: accuracy on the trained and the unseen questions with which
     circuits were sought;
   - `circuit`: mean strength of the edges of the last step's circuit. A strength is a *share* of a
     token's whole effect at that step, however small that is: the curve says when the effect is
     divided as at the end, not when it is large. It may be done before the model answers anything;
   - `route`: accuracy through the two-hop route alone;
   - `without_bridge`: accuracy with the bridge cut;
   - `swap`: success of bridge swaps at their state (`analyses.bridge_swaps`);
   - `norm`: weight norm over its maximum (exact, so without an interval).
2. Time the change of each curve from its first to its last value. It starts at 10% of the way, is
   halfway at 50% and done at 90%; each is the first step at which the running extreme gets there. A
   change below `LEAST_CHANGE` is not timed.
3. Date the edges. An edge appears at the first of `PERSISTENCE` steps in a row that keep it, and
   vanishes after the last step that keeps it.
4. Date the phases (after Nanda et al., arXiv 2301.05217, section 5.2). *Memorization* ends by the
   grok rule of the run. *Circuit formation* is the timed rise of `circuit`. *Clean-up* lasts from
   the first to the last step after memorization at which an edge vanishes; the paper reads it off a
   falling weight norm, which need not fall here. Phases may overlap, and each may be absent. One
   whose interval is not narrower than the distance to its neighbours cannot be dated, and
   `phase_why` says why (`analyses.over_training.phases`).
5. The lag is halfway(accuracy on unseen questions) - halfway(circuit), in steps.
6. Give every date the number of questions behind it and a 95% interval
   (`analyses.over_training.dating`): repeat steps 1 to 5 on each resample of the questions that
   circuit discovery drew, the same resamples for all curves. (The state of `swap` is always the one
   found on all questions.)
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float, Int

from analyses.bridge_swaps import first_hop_role, swap_state
from analyses.estimates import resampled_means
from analyses.outcomes import SUCCESS
from analyses.over_training.dating import (
    bounds,
    circuit_curve,
    differences,
    edge_steps,
    timing,
)
from analyses.over_training.phases import phase_dates
from analyses.stored import Reader, reader
from circuits.errors import HopscopeError
from circuits.runs.run import Run
from circuits.statistics import bootstrap, resample_weights

CURVES = (
    "trained_accuracy", "accuracy", "circuit", "route", "without_bridge", "swap", "norm",
)  # fmt: skip
ENDS = ("start", "halfway", "done")


@dataclass(frozen=True)
class Curve:
    """A share over training, with its interval and its values on resampled questions."""

    value: Float[np.ndarray, " step"]
    low: Float[np.ndarray, " step"]
    high: Float[np.ndarray, " step"]
    resampled: Float[np.ndarray, "resample step"]
    n: int
    """Number of questions behind it; 0 for an exact curve."""

    @classmethod
    def of_examples(cls, values: Float[np.ndarray, "n step"], weights: np.ndarray) -> Curve:
        """A share of questions; `values` are 0 or 1, NaN where a question has no value."""
        found = bootstrap(values, shares=True)
        resampled = resampled_means(values, weights)
        n = int(np.isfinite(values).any(1).sum())
        return cls(found.mean, found.low, found.high, resampled, n)

    @classmethod
    def exact(cls, value: Float[np.ndarray, " step"], resamples: int) -> Curve:
        """A curve that depends on no drawn question."""
        return cls(value, value, value, np.tile(value, (resamples, 1)), 0)


def formation(
    run: Run,
    split: str = "id_test",
    steps: Sequence[int] | None = None,
    *,
    read: Reader | None = None,
) -> xr.Dataset:
    """Curves (step, curve) of a run, their timings, the dates of edges, the phases and the lag.

    Each has `_low` and `_high`, and the number of questions behind it. `figure(formation(run))`
    draws them.

    Args:
        run: A run with results of `circuit_discovery`; results of other analyses add curves.
        split: Split of the unseen questions.
        steps: Use these steps only; each must have a circuit.
        read: Reader of the run's results (`analyses.stored.reader`); None: a new one.

    Raises:
        HopscopeError: if the result of circuit_discovery is missing, lacks the split or has only
            one step.

    >>> from circuits import open_run
    >>> formation(open_run("assets/demo"))["lag"].item()  # accuracy follows the circuit by steps
    700.0
    """
    read = reader(run) if read is None else read
    found = read("circuit_discovery")
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
        **_stored_curves(run, read, split, circuit["step"].values, weights),
        **_norm(run, circuit["step"].values, resamples),
    }
    ds = _dataset(circuit, {name: curves[name] for name in CURVES if name in curves}, run)
    record = {"run": run.path.resolve().name, "seed": run.seed}
    record["circuit_discovery"] = json.loads(found.attrs.get("provenance", "null"))
    ds.attrs = {
        "analysis": "formation",
        "split": split,
        "n": n,
        "grok": json.dumps(dict(run.grok)),
        "provenance": json.dumps(record),
    }
    return ds


def halfway(circuit: xr.Dataset) -> tuple[float, float]:
    """Steps at which `formation`'s circuit and accuracy are halfway, without their intervals.

    Args:
        circuit: Result of circuit_discovery for one split. The same dates as from `formation`, in
            a tenth of the time, which the intervals take.

    >>> from analyses.stored import stored_result
    >>> from circuits import open_run
    >>> found = stored_result(open_run("assets/demo"), "circuit_discovery")
    >>> halfway(found.sel(split="id_test"))
    (200.0, 900.0)
    """
    steps, accuracy = circuit["step"].values, bootstrap(_right(circuit), shares=True).mean
    return (
        timing(steps, _circuit_value(circuit)).halfway,
        timing(steps, accuracy).halfway,
    )


def can_date(circuits: xr.Dataset | None, split: str = "id_test") -> bool:
    """Whether a result of circuit_discovery has this split and more than one step."""
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
    asked = min(run.recipe.evaluation.items, len(run.corpus.splits["train_inferred"]))
    ds = ds.merge(phase_dates(circuit, run.grok, run.metrics(), asked))
    if "accuracy" in timed:
        half = [timed[name][1][:, 1] for name in ("accuracy", "circuit")]
        lag = timed["accuracy"][0][1] - timed["circuit"][0][1]
        text = "accuracy behind the circuit, halfway"
        _put(ds, "lag", (), np.array(lag), differences(*half), text)
    return ds


def _timed(steps: np.ndarray, curve: Curve) -> tuple[np.ndarray, np.ndarray]:
    """Three dates of the curve, [3], and those of the resampled curves, [resample, 3]."""
    again = [timing(steps, one).steps for one in curve.resampled]
    return np.array(timing(steps, curve.value).steps), np.array(again)


def _put(
    ds: xr.Dataset, name: str, dims: Any, at: np.ndarray, again: np.ndarray, text: str = ""
) -> None:
    """Put a date and its bounds into the dataset."""
    low, high = bounds(again, at)
    for end, values in (("", at), ("_low", low), ("_high", high)):
        interval = f"{text} (95% bootstrap interval over questions)" if end else text
        ds[name + end] = (dims, values, {"units": "step", "long_name": interval})


def _accuracies(found: xr.Dataset, split: str, weights: np.ndarray) -> dict[str, Curve]:
    """Accuracy of the whole model on the questions with which circuits were sought."""
    names = {"trained_accuracy": "train_inferred", "accuracy": split}
    curves = {}
    for name, where in names.items():
        if where in found["split"].values:
            right = _right(found.sel(split=where))
            again = weights
            if len(right) != weights.shape[1]:
                again = resample_weights(len(right), len(weights), 0)
            curves[name] = Curve.of_examples(right, again)
    return curves


def _right(one: xr.Dataset) -> Float[np.ndarray, "n step"]:
    """1 where the whole model answers a question on which circuits were sought."""
    right = one["full_right_example"].transpose("example", "step").values[: int(one["n"])]
    return right.astype(float)


def _circuit_value(circuit: xr.Dataset) -> Float[np.ndarray, " step"]:
    return circuit_curve(
        circuit["strength"].transpose("step", "edge").values.astype(float),
        circuit["in_circuit"].transpose("step", "edge").values == 1,
    )


def _circuit(circuit: xr.Dataset, n: int) -> Curve:
    """Mean strength of the last circuit's edges, with a band over repetitions of the analysis.

    Each resample is averaged over the edges of *its own* last circuit, as a repetition of the whole
    analysis on those questions would do. So the resamples have different sets of edges, and the
    band is not centred on the value; where the value lies outside, the band is widened to it.
    """
    value = _circuit_value(circuit)
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
    run: Run, read: Reader, split: str, steps: Int[np.ndarray, " step"], weights: np.ndarray
) -> dict[str, Curve]:
    """Curves from the stored results of other analyses, at these steps."""
    found = {}

    def curve(values: xr.DataArray, n: int) -> Curve:
        rows = values.reindex(step=steps).transpose("example", "step").values[:n]
        again = resample_weights(n, len(weights), 0) if n != weights.shape[1] else weights
        return Curve.of_examples(rows, again)

    route = read("route_ablation")
    if route is not None and split in route["split"].values:
        one = route.sel(split=split)
        right = one["right_example"].sel(ablation="mean").astype(float)
        n = int(one["n"])
        found["route"] = curve(right.sel(variant="restricted"), n)
        found["without_bridge"] = curve(right.sel(variant="excluded"), n)
    bridge = read("bridge_patching")
    if bridge is not None and split in bridge["split"].values:
        one = bridge.sel(split=split, control="bridge")
        state = swap_state(one.reindex(step=steps), first_hop_role(run, split))
        if state is not None:
            outcome = one["outcome_example"].sel(position=state.position).isel(layer=state.layer)
            swapped = (outcome == SUCCESS).astype(float).where(outcome >= 0)
            found["swap"] = curve(swapped, int(one["n"]))
    return found
