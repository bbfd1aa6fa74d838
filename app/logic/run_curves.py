"""What is compared between runs: curves on a common axis, bands over seeds, a phase diagram."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import xarray as xr
from jaxtyping import Float

from analyses.usable import with_usable
from circuits.runs.run import Run

Alignment = Literal["step", "accuracy"]
LEVELS = np.arange(0, 101)
"""Percentages of ID accuracy at which runs aligned by it are compared."""


UNKNOWN = "unknown"
"""A setting that an imported run does not say."""

READABLE = {
    "bridge": "Bridge readable in time (MRR at relation 1)",
    "value_1": "First value readable in time (MRR at entity 1)",
}
"""What has to be looked up first, by target of the lens. In time: the best of the states that the
answer can still depend on (`analyses.usable`)."""


@dataclass(frozen=True)
class RunCurve:
    """One quantity of one run over its own steps."""

    steps: Float[np.ndarray, " n"]
    values: Float[np.ndarray, " n"]

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
    steps = frame["step"].to_numpy(float) if len(frame) else np.zeros(0)
    found = {
        kind: RunCurve(steps, frame[column].to_numpy(float))
        for kind, column in (
            ("ID accuracy", "accuracy/id_test"),
            ("Trained accuracy", "accuracy/train_inferred"),
            ("OOD accuracy", "accuracy/ood_test"),
        )
        if column in frame
    }
    bridge = results.get("bridge_patching")
    if bridge is not None and "id_test" in bridge.coords["split"].values:
        best = bridge["success"].sel(split="id_test", control="bridge").max(("layer", "position"))
        found["Bridge swap (circuit strength)"] = _curve(best)
    lens = results.get("logit_lens")
    if lens is not None and "id_test" in lens.coords["split"].values:
        first = str(lens.coords["target"].values[0])
        at_1 = with_usable(lens)["mrr"].sel(split="id_test", target=first).isel(position=1)
        found[READABLE[first]] = _curve(at_1.where(at_1["usable"]).max("layer"))
    return found


def _curve(values: xr.DataArray) -> RunCurve:
    return RunCurve(values["step"].values.astype(float), values.values.astype(float))


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


def between(axis: Sequence[int], values: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """The values with the gaps between two of them interpolated."""
    places = np.asarray(axis, float)
    return RunCurve(places, values).at(places)


def settings(run: Run) -> dict[str, Any]:
    """The recipe as flat "section.key" values; `UNKNOWN` where an imported run does not say."""
    flat: dict[str, Any] = {}
    for section, value in run.recipe.model_dump(mode="json").items():
        known = run.knows(section)
        if isinstance(value, dict):
            flat |= {f"{section}.{k}": inner if known else UNKNOWN for k, inner in value.items()}
        else:
            flat[section] = value if known else UNKNOWN
    return flat


def differing(runs: Mapping[str, Run]) -> list[str]:
    """Settings in which the runs differ, apart from seeds and from what is unknown of one."""
    tables = [settings(run) for run in runs.values()]
    keys = {key for table in tables for key in table} - {"seed"}
    values = {key: [table.get(key) for table in tables] for key in keys}
    return sorted(
        key
        for key, found in values.items()
        if UNKNOWN not in found and len({repr(value) for value in found}) > 1
    )


def groups(runs: Mapping[str, Run]) -> dict[str, list[str]]:
    """Groups of runs that differ only in their seed, by the settings that distinguish the
    groups."""
    keys = differing(runs)
    found: dict[str, list[str]] = defaultdict(list)
    tables = {name: settings(run) for name, run in runs.items()}
    for name in sorted(tables, key=lambda name: _order([tables[name].get(k) for k in keys])):
        table = tables[name]
        label = ", ".join(f"{k.rpartition('.')[2]} {table.get(k)}" for k in keys[:3])
        found[label or "same recipe"].append(name)
    if all(len(names) == 1 for names in found.values()):
        return {name: [name] for name in runs}
    return dict(found)


def places(runs: Mapping[str, Run], grouped: Mapping[str, Sequence[str]]) -> dict[str, float]:
    """Each group's place in 0..1, if three or more levels of one number distinguish them.

    Empty if anything else does: then they are categories.
    """
    keys = differing(runs)
    if len(keys) != 1:
        return {}
    values = {label: settings(runs[names[0]]).get(keys[0]) for label, names in grouped.items()}
    levels = {
        label: float(value)
        for label, value in values.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
    order = sorted(set(levels.values()))
    if len(order) < 3 or len(levels) < len(values):
        return {}
    return {label: order.index(level) / (len(order) - 1) for label, level in levels.items()}


def _order(values: Sequence[Any]) -> list[tuple[float, str]]:
    """Sorts numbers by size and the rest by name."""
    return [
        (float(v), "") if isinstance(v, int | float) else (float("inf"), str(v)) for v in values
    ]


def banded(members: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean, least and largest value over runs at each place; NaN where not every run has one.

    A mean over different runs at neighbouring points would jump although no run does.
    """
    table = np.stack(members)
    return table.mean(0), table.min(0), table.max(0)
