"""How the circuit forms: when each edge appears, the phases of training, circuit against accuracy.

This reads results of several analyses over a whole run, so it is no catalog entry (those see one
checkpoint at a time) but a function of the run: `formation(run)`. It computes nothing on models.

1. Curves, shares on one axis: accuracy on trained and unseen questions; `circuit`, the mean
   strength of the edges of the last step's circuit; `route`, accuracy through the two-hop route
   alone; `without_bridge`, accuracy with the bridge cut; `swap`, success of bridge patching where
   it is highest at the end; `norm`, weight norm over its maximum. A missing result is left out.
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
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float, Int

from analyses.walk import stored_result
from circuits.errors import HopscopeError
from circuits.runs import Run

LEAST_CHANGE = 0.05
PERSISTENCE = 2
CURVES = (
    "trained_accuracy", "accuracy", "circuit", "route", "without_bridge", "swap", "norm",
)  # fmt: skip
PHASES = ("memorization", "circuit_formation", "clean_up")


@dataclass(frozen=True)
class Timing:
    """Steps at which a curve is 10%, 50% and 90% of its way from first to last value."""

    start: float
    halfway: float
    done: float

    @classmethod
    def none(cls) -> Timing:
        """Of a curve that does not change."""
        return cls(np.nan, np.nan, np.nan)


def formation(run: Run, split: str = "id_test") -> xr.Dataset:
    """Curves (step, curve), their timings, edges' steps, phases and lag of a run.

    `figure(formation(run))` draws them.

    Raises:
        HopscopeError: if the run has no result of circuit_discovery for the split, or one step.
    """
    found = stored_result(run, "circuit_discovery")
    if found is None or not can_date(found, split):
        raise HopscopeError(
            f"{run.path} has no circuits of several steps on {split!r}; run `hopscope analyze "
            f"{run.path} circuit_discovery` first."
        )
    circuit = found.sel(split=split).transpose("step", "edge", ...)
    steps = circuit["step"].values
    curves = {
        **_metric_curves(run, split, steps),
        "circuit": circuit_curve(
            circuit["strength"].values.astype(float), circuit["in_circuit"].values == 1
        ),
        **_stored_curves(run, split, steps),
    }
    curves = {name: curves[name] for name in CURVES if name in curves}
    ds = _dataset(steps, curves, circuit["in_circuit"].values == 1, run.grok)
    ds = ds.assign_coords(edge=circuit["edge"].values)
    record = {"run": run.path.resolve().name, "seed": run.recipe.seed}
    record["circuit_discovery"] = json.loads(found.attrs.get("provenance", "null"))
    ds.attrs = {
        "analysis": "formation",
        "split": split,
        "grok": json.dumps(dict(run.grok)),
        "provenance": json.dumps(record),
    }
    return ds


def can_date(circuits: xr.Dataset | None, split: str = "id_test") -> bool:
    """Whether a result of circuit_discovery holds several steps of a split."""
    return circuits is not None and split in circuits["split"].values and circuits.sizes["step"] > 1


def circuit_curve(
    strength: Float[np.ndarray, "step edge"], kept: Bool[np.ndarray, "step edge"]
) -> Float[np.ndarray, " step"]:
    """Mean strength of the last circuit's edges; an edge that is not kept counts as 0."""
    last = kept[-1]
    if not last.any():
        return np.zeros(len(strength))
    return np.where(kept, strength, 0.0)[:, last].mean(1)


def timing(steps: Int[np.ndarray, " step"], curve: Float[np.ndarray, " step"]) -> Timing:
    """When a curve starts, is halfway and done with its change from first to last value."""
    here = np.isfinite(curve)
    if here.sum() < 2:
        return Timing.none()
    steps, curve = steps[here], curve[here]
    change = curve[-1] - curve[0]
    if abs(change) < LEAST_CHANGE:
        return Timing.none()
    way = np.maximum.accumulate((curve - curve[0]) / change)
    return Timing(*(float(steps[(way >= part - 1e-9).argmax()]) for part in (0.1, 0.5, 0.9)))


def phases(
    steps: Int[np.ndarray, " step"],
    curves: Mapping[str, Float[np.ndarray, " step"]],
    vanishes: Float[np.ndarray, " edge"],
    grok: Mapping[str, Any],
) -> dict[str, tuple[float, float]]:
    """First and last step of each phase; NaN where there is none."""
    nothing = (np.nan, np.nan)
    found = dict.fromkeys(PHASES, nothing)
    if grok.get("memorization_step") is not None:
        found["memorization"] = (0.0, float(grok["memorization_step"]))
    if "circuit" in curves:
        rise = timing(steps, curves["circuit"])
        if curves["circuit"][-1] > curves["circuit"][0]:
            found["circuit_formation"] = (rise.start, rise.done)
    late = vanishes[vanishes >= found["memorization"][1]]  # none if it never memorized
    if len(late):
        found["clean_up"] = (float(late.min()), float(late.max()))
    return found


def edge_steps(
    steps: Int[np.ndarray, " step"], kept: Bool[np.ndarray, "step edge"]
) -> tuple[Float[np.ndarray, " edge"], Float[np.ndarray, " edge"]]:
    """First step of `PERSISTENCE` kept ones in a row; first step after the last kept one.

    NaN: it never appears; it is there at the end.
    """
    run_length = min(PERSISTENCE, len(steps))
    n = len(steps) - run_length + 1
    lasting = np.logical_and.reduce([kept[k : k + n] for k in range(run_length)])
    appears = np.where(lasting.any(0), steps[lasting.argmax(0)].astype(float), np.nan)
    last = len(steps) - 1 - kept[::-1].argmax(0)
    gone = lasting.any(0) & (last < len(steps) - 1)
    vanishes = np.where(gone, steps[np.minimum(last + 1, len(steps) - 1)].astype(float), np.nan)
    return appears, vanishes


def _dataset(
    steps: np.ndarray,
    curves: Mapping[str, np.ndarray],
    kept: np.ndarray,
    grok: Mapping[str, Any],
) -> xr.Dataset:
    timings = [timing(steps, values) for values in curves.values()]
    appears, vanishes = edge_steps(steps, kept)
    spans = phases(steps, curves, vanishes, grok)
    ds = xr.Dataset(
        {"value": (("step", "curve"), np.stack(list(curves.values()), 1), {"units": "share"})},
        {"step": steps, "curve": list(curves), "phase": list(spans)},
    )
    for name in ("start", "halfway", "done"):
        ds[name] = ("curve", [getattr(t, name) for t in timings], {"units": "step"})
    ds["phase_start"] = ("phase", [span[0] for span in spans.values()], {"units": "step"})
    ds["phase_end"] = ("phase", [span[1] for span in spans.values()], {"units": "step"})
    halfway = dict(zip(curves, (t.halfway for t in timings), strict=True))
    lag = halfway.get("accuracy", np.nan) - halfway.get("circuit", np.nan)
    ds["lag"] = ((), lag, {"long_name": "accuracy behind the circuit, halfway", "units": "step"})
    about = {"units": "step"}
    ds["appears"] = ("edge", appears, {"long_name": "step at which the edge appears", **about})
    ds["vanishes"] = ("edge", vanishes, {"long_name": "step at which the edge is gone", **about})
    return ds


def _metric_curves(run: Run, split: str, steps: np.ndarray) -> dict[str, np.ndarray]:
    table = run.metrics().drop_duplicates("step", keep="last").set_index("step")
    columns = {"trained_accuracy": "accuracy/train_inferred", "accuracy": f"accuracy/{split}"}
    found = {
        name: _at(table[column].dropna(), steps)
        for name, column in columns.items()
        if column in table
    }
    if "norm/weights" in table:
        norm = table["norm/weights"].dropna()
        found["norm"] = _at(norm / norm.max(), steps)
    return found


def _at(series: Any, steps: np.ndarray) -> np.ndarray:
    """A metric at the checkpoints, between its evaluations by straight lines."""
    if series.empty:
        return np.full(len(steps), np.nan)
    return np.interp(steps, series.index.to_numpy(float), series.to_numpy(float))


def _stored_curves(run: Run, split: str, steps: np.ndarray) -> dict[str, np.ndarray]:
    """What other analyses have stored, at these steps."""
    found = {}
    route = stored_result(run, "route_ablation")
    if route is not None and split in route["split"].values:
        accuracy = route["accuracy"].sel(split=split, ablation="mean").reindex(step=steps)
        found["route"] = accuracy.sel(variant="restricted").values.astype(float)
        found["without_bridge"] = accuracy.sel(variant="excluded").values.astype(float)
    bridge = stored_result(run, "bridge_patching")
    if bridge is not None and split in bridge["split"].values:
        success = bridge["success"].sel(split=split, control="bridge").reindex(step=steps)
        table = success.transpose("step", ...).values.reshape(len(steps), -1).astype(float)
        found["swap"] = table[:, int(np.nan_to_num(table[-1]).argmax())]
    return found
