"""What is compared between runs: curves on a common axis, bands over seeds, a phase diagram."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import xarray as xr
from jaxtyping import Float

from analyses.bridge_swaps import SwapState, first_hop_role, swap_state
from analyses.usable import with_usable
from app.instrument.accuracies import evaluated, with_interval
from circuits.runs.run import Run

Alignment = Literal["step", "accuracy"]
LEVELS = np.arange(0, 101)
"""Percentages of ID accuracy at which runs aligned by it are compared."""


ACCURACIES = {
    "ID accuracy": "id_test",
    "Trained accuracy": "train_inferred",
    "OOD accuracy": "ood_test",
}
BRIDGE_SWAP = "Bridge swap"
READABLE = {
    "bridge": "Bridge readable in time (MRR at relation 1)",
    "value_1": "First value readable in time (MRR at entity 1)",
}
"""What has to be looked up first, by target of the lens. In time: the best of the states that the
answer can still depend on (`analyses.usable`)."""


def unit_of(kind: str) -> str:
    """The unit of a quantity: a mean reciprocal rank is not a share."""
    return "MRR" if kind in READABLE.values() else "share"


@dataclass(frozen=True)
class RunCurve:
    """One quantity of one run over its own steps."""

    steps: Float[np.ndarray, " n"]
    values: Float[np.ndarray, " n"]
    low: Float[np.ndarray, " n"] | None = None
    high: Float[np.ndarray, " n"] | None = None
    """Ends of the 95% interval over questions."""
    n: int | None = None
    """Questions behind each value."""
    state: SwapState | None = None
    """Where swaps are read."""

    @property
    def ends(self) -> tuple[RunCurve, RunCurve] | None:
        """The ends of the interval as curves."""
        if self.low is None or self.high is None:
            return None
        return RunCurve(self.steps, self.low), RunCurve(self.steps, self.high)

    def at(self, steps: Float[np.ndarray, " m"]) -> Float[np.ndarray, " m"]:
        """Values interpolated at other steps; NaN outside what was measured."""
        known = np.isfinite(self.values)
        if not known.any():
            return np.full(len(steps), np.nan)
        return np.interp(steps, self.steps[known], self.values[known], left=np.nan, right=np.nan)

    def measured_at(self, steps: Float[np.ndarray, " m"]) -> Float[np.ndarray, " m"]:
        """Values at these steps; NaN where nothing was measured."""
        there = dict(zip(self.steps.tolist(), self.values.tolist(), strict=True))
        return np.array([there.get(step, np.nan) for step in steps.tolist()], float)


def curves_of(run: Run, results: Mapping[str, xr.Dataset]) -> dict[str, RunCurve]:
    """ID, trained and OOD accuracy, and how strong the circuit is, of one run."""
    frame = run.metrics()
    found = {
        kind: _accuracy(run, frame[f"accuracy/{split}"].to_numpy(float), split)
        for kind, split in ACCURACIES.items()
        if f"accuracy/{split}" in frame
    }
    bridge = results.get("bridge_patching")
    if bridge is not None and "id_test" in bridge.coords["split"].values:
        swaps = bridge.sel(split="id_test", control="bridge")
        state = swap_state(swaps, first_hop_role(run, "id_test"))
        if state is not None:
            found[BRIDGE_SWAP] = _swap_curve(swaps, state)
    lens = results.get("logit_lens")
    if lens is not None and "id_test" in lens.coords["split"].values:
        first = str(lens.coords["target"].values[0])
        at_1 = with_usable(lens).sel(split="id_test", target=first).isel(position=1)
        found[READABLE[first]] = _best_layer(at_1.where(at_1["usable"]), "mrr", int(at_1["n"]))
    return found


def _accuracy(run: Run, share: Float[np.ndarray, " n"], split: str) -> RunCurve:
    n = evaluated(run, split)
    return RunCurve(run.metrics()["step"].to_numpy(float), *with_interval(share, n), n)


def _swap_curve(swaps: xr.Dataset, state: SwapState) -> RunCurve:
    cell = swaps.sel(position=state.position).isel(layer=state.layer)
    value, low, high = (
        cell[f"success{end}"].values.astype(float) if f"success{end}" in cell else None
        for end in ("", "_low", "_high")
    )
    assert value is not None
    steps = cell["step"].values.astype(float)
    return RunCurve(steps, value, low, high, int(cell["n_valid"]), state)


def _best_layer(ds: xr.Dataset, name: str, n: int) -> RunCurve:
    """The highest value at each step, with the interval of the layer that has it."""
    names = (name, f"{name}_low", f"{name}_high")
    parts = {
        part: ds[part].transpose("step", "layer").values.astype(float)
        for part in names
        if part in ds
    }
    best = np.nan_to_num(parts[name], nan=-1.0).argmax(1)[:, None]
    value, low, high = (
        np.take_along_axis(parts[part], best, 1)[:, 0] if part in parts else None for part in names
    )
    assert value is not None
    return RunCurve(ds["step"].values.astype(float), value, low, high, n)


def first_steps(accuracy: RunCurve) -> Float[np.ndarray, " levels"]:
    """Step at which each accuracy (in per cent) is first reached; NaN for never."""
    steps = np.full(len(LEVELS), np.nan)
    for level in LEVELS:
        reached = np.flatnonzero(accuracy.values >= level / 100 - 1e-9)
        if len(reached):
            steps[level] = accuracy.steps[reached[0]]
    return steps


def common_axis(every: Sequence[Mapping[str, RunCurve]], aligned: Alignment) -> list[int]:
    """Places of the common timeline: all evaluated steps, or per cents of ID accuracy."""
    if aligned == "accuracy":
        best = max(float(np.nanmax(c["ID accuracy"].values)) for c in every if "ID accuracy" in c)
        return LEVELS[: int(best * 100) + 1].tolist()
    steps = {int(s) for curves in every for curve in curves.values() for s in curve.steps}
    return sorted(steps)


def on_axis(
    curves: Mapping[str, RunCurve], axis: Sequence[int], aligned: Alignment
) -> dict[str, np.ndarray]:
    """All curves of a run at the points of the common axis, NaN without a value.

    Steps are those at which the run was measured; the step at which it first reached an accuracy is
    interpolated between them.
    """
    places = np.asarray(axis, float)
    if aligned == "step":
        return {kind: curve.measured_at(places) for kind, curve in curves.items()}
    if "ID accuracy" not in curves:
        return {}
    places = first_steps(curves["ID accuracy"])[np.asarray(axis)]
    return {kind: curve.at(places) for kind, curve in curves.items()}


def uncertainty(
    curves: Mapping[str, Mapping[str, RunCurve]], axis: Sequence[int], aligned: Alignment
) -> tuple[dict[str, dict[str, tuple[np.ndarray, np.ndarray]]], dict[str, dict[str, int]]]:
    """Ends of the intervals on the common axis, and questions behind the values, of each run."""
    places = np.asarray(axis, float)
    intervals, counts = {}, {}
    for name, found in curves.items():
        counts[name] = {kind: curve.n for kind, curve in found.items() if curve.n is not None}
        at = places
        if aligned == "accuracy":
            at = first_steps(found["ID accuracy"])[np.asarray(axis)]
        read = RunCurve.measured_at if aligned == "step" else RunCurve.at
        ends = {kind: curve.ends for kind, curve in found.items()}
        intervals[name] = {
            kind: (read(end[0], at), read(end[1], at)) for kind, end in ends.items() if end
        }
    return intervals, counts


def between(axis: Sequence[int], values: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """The values with the gaps between two of them interpolated."""
    places = np.asarray(axis, float)
    return RunCurve(places, values).at(places)


def banded(members: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean, least and largest value over runs at each place; NaN where not every run has one.

    A mean over different runs at neighbouring points would jump although no run does. Where one
    ends before the others, these go on alone (`tails`).
    """
    table = np.stack(members)
    return table.mean(0), table.min(0), table.max(0)


def tails(members: Sequence[Float[np.ndarray, " n"]]) -> list[Float[np.ndarray, " n"] | None]:
    """Of each run, its values from the last place on at which all runs have one; None without."""
    known = np.isfinite(np.stack(members))
    together = np.flatnonzero(known.all(0))
    end = together[-1] if len(together) else 0
    places = np.arange(known.shape[1])
    return [
        np.where(places >= end, values, np.nan) if there[end + 1 :].any() else None
        for values, there in zip(members, known, strict=True)
    ]
