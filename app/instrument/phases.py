"""Phases of training to mark on the timeline, dated by `analyses.over_training.phases`.

Where the circuit was discovered at several steps they are the very phases of
`analyses.over_training.formation.formation`. A run that is being trained has no discovered circuit
yet: there the rise of bridge swaps stands for it, timed in the same way, and is called by its own
name. A phase that cannot be dated is named beside the timeline, with the reason, and not marked.
The steps of the grok record are events by definition and always marked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from analyses.bridge_swaps import FIRST_HOP
from analyses.figures.words import EVENTS, words
from analyses.over_training.phases import Date, phase_dates, swap_rise, why_undated
from app.instrument.fields import Phase
from circuits.runs.grok import by_step

SPLIT = "id_test"
ABOUT = {
    "circuit_formation": (
        "the strength of the found circuit's edges goes from 10% to 90% of its way"
    ),
    "clean_up": "edges that the circuit does not need vanish",
}
"""Phases that have a span of steps, and what happens in them."""


def phases(
    grok: Mapping[str, Any],
    datasets: Mapping[str, xr.Dataset],
    metrics: pd.DataFrame | None = None,
    n_evaluated: int = 0,
    first_hop: str = FIRST_HOP,
    checkpoints: Sequence[int] = (),
) -> list[Phase]:
    """The marks in order of step: the `step` to jump to, the `span` of steps or None, words.

    Args:
        grok: The run's grok record.
        datasets: Stored results by analysis.
        metrics: The run's metrics; with them memorization has an interval.
        n_evaluated: Trained questions behind each accuracy in the metrics.
        first_hop: The role at which bridge swaps are read.
        checkpoints: Steps at which the model was kept; evaluations lie between them, too.
    """
    found = []
    table = pd.DataFrame() if metrics is None else metrics
    if grok.get("memorization_step") is not None:
        about = "trained questions at least 99% right"
        found.append(_event("memorization_step", grok, about, checkpoints))
    circuit = datasets.get("circuit_discovery")
    if (
        circuit is not None
        and SPLIT in circuit.coords["split"].values
        and circuit.sizes["step"] > 1
    ):
        found += _of_circuit(phase_dates(circuit.sel(split=SPLIT), grok, table, n_evaluated))
    elif (bridge := datasets.get("bridge_patching")) is not None:
        found += _of_bridge(bridge, grok, first_hop)
    if grok.get("grok_step") is not None:
        about = "unseen ID questions at least 95% right"
        found.append(_event("grok_step", grok, about, checkpoints))
    return sorted(found, key=lambda phase: phase["step"])


def _of_circuit(dates: xr.Dataset) -> list[Phase]:
    found = []
    for name, text in ABOUT.items():
        one = dates.sel(phase=name)
        start, end = (
            Date(*(float(one[f"phase_{at}{bound}"]) for bound in ("", "_low", "_high")))
            for at in ("start", "end")
        )
        if np.isfinite(start.at):
            found.append(_span(words(name), text, start, end, str(one["phase_why"].item())))
    return found


def _of_bridge(bridge: xr.Dataset, grok: Mapping[str, Any], first_hop: str) -> list[Phase]:
    """The rise of bridge swaps at their state."""
    if SPLIT not in bridge.coords["split"].values:
        return []
    one = bridge.sel(split=SPLIT, control="bridge")
    rise = swap_rise(one, first_hop)
    if rise is None:
        return []
    events = {words: float(grok[key]) for key, words in EVENTS.items() if grok.get(key) is not None}
    steps = one["step"].values.astype(float)
    why = next(filter(None, (why_undated(date, steps, events) for date in rise)), "")
    about = "swapping the bridge comes to have an effect: from 10% to 90% of its final one"
    return [_span("bridge is used", about, *rise, why)]


def _span(name: str, about: str, start: Date, end: Date, why: str) -> Phase:
    text = f"cannot be dated: {why}" if why else f"{start.spoken} to {end.spoken}"
    span = None if why else [int(start.at), int(end.at)]
    said = f"{about}; {text}"
    return {"name": name, "step": int(start.at), "span": span, "text": said, "dated": not why}


def _event(key: str, grok: Mapping[str, Any], about: str, checkpoints: Sequence[int]) -> Phase:
    step = int(grok[key])
    text = f"{about} {by_step(step, checkpoints)}"
    return {"name": EVENTS[key], "step": step, "span": None, "text": text, "dated": True}
