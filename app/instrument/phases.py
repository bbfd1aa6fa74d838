"""Phases of training to mark on the timeline, by the rules of `analyses.over_training.dating`.

Where the circuit was discovered at several steps they are the very phases of
`analyses.over_training.formation.formation`. A run that is being trained has no discovered circuit
yet: there the rise of bridge swaps stands for it, timed in the same way, and is called by its own
name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from analyses.figures.words import EVENTS, words
from analyses.over_training.dating import PHASES, circuit_curve, edge_steps, timing
from analyses.over_training.dating import phases as dated
from app.instrument.fields import Phase

LEAST_SUCCESS = 0.2
"""Final success of bridge swaps below which their rise is not marked."""
SPLIT = "id_test"
ABOUT = {
    "circuit_formation": (
        "the strength of the found circuit's edges goes from 10% to 90% of its way"
    ),
    "clean_up": "edges that the circuit does not need vanish",
}
"""Phases that have a span of steps, and what happens in them."""


def phases(grok: Mapping[str, Any], datasets: Mapping[str, xr.Dataset]) -> list[Phase]:
    """The marks in order of step: the `step` to jump to, the `span` of steps or None, words."""
    found = []
    if grok.get("memorization_step") is not None:
        about = "trained questions at least 99% right"
        found.append(_phase(EVENTS["memorization_step"], grok["memorization_step"], about))
    circuit = datasets.get("circuit_discovery")
    if (
        circuit is not None
        and SPLIT in circuit.coords["split"].values
        and circuit.sizes["step"] > 1
    ):
        found += _of_circuit(circuit, grok)
    elif (bridge := datasets.get("bridge_patching")) is not None:
        found += _of_bridge(bridge)
    if grok.get("grok_step") is not None:
        about = "unseen ID questions at least 95% right"
        found.append(_phase(EVENTS["grok_step"], grok["grok_step"], about))
    return sorted(found, key=lambda phase: phase["step"])


def _of_circuit(circuit: xr.Dataset, grok: Mapping[str, Any]) -> list[Phase]:
    ds = circuit.sel(split=SPLIT).transpose("step", ...)
    steps, kept = ds["step"].values, ds["in_circuit"].values == 1
    curve = circuit_curve(ds["strength"].values.astype(float), kept)
    rises = bool(curve[-1] > curve[0])
    _, vanishes = edge_steps(steps, kept)
    spans = dict(zip(PHASES, dated(timing(steps, curve), rises, vanishes, grok), strict=True))
    return [
        _phase(words(phase), start, f"{text}, steps {start:,.0f} to {end:,.0f}", end)
        for phase, text in ABOUT.items()
        for start, end in [spans[phase]]
        if np.isfinite(start)
    ]


def _of_bridge(bridge: xr.Dataset) -> list[Phase]:
    """The rise of bridge swaps at the cell where the last checkpoint's succeed most often."""
    if SPLIT not in bridge.coords["split"].values:
        return []
    success = bridge["success"].sel(split=SPLIT, control="bridge").transpose("step", ...)
    values = success.values.reshape(success.sizes["step"], -1).astype(float)
    measured = np.isfinite(values).any(1)
    if not measured.any():
        return []
    values, steps = values[measured], success["step"].values[measured]
    final = np.nan_to_num(values[-1])
    rise = timing(steps, values[:, int(final.argmax())])
    if final.max() < LEAST_SUCCESS or not np.isfinite(rise.start):
        return []
    about = "swapping the bridge comes to have an effect: from 10% to 90% of its final one"
    spoken = f"{about}, steps {rise.start:,.0f} to {rise.done:,.0f}"
    return [_phase("bridge is used", rise.start, spoken, rise.done)]


def _phase(name: str, step: float, text: str, end: float | None = None) -> Phase:
    span = None if end is None else [int(step), int(end)]
    return {"name": name, "step": int(step), "span": span, "text": text}
