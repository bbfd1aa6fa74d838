"""Phases of training to mark on the timeline, from what was measured and by stated rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

LEAST_SUCCESS = 0.2
"""Final success of bridge swaps below which no circuit is said to have formed."""


def phases(grok: Mapping[str, Any], bridge: xr.Dataset | None) -> list[dict[str, Any]]:
    """Memorization and generalization by the grok rule, circuit formation by bridge swaps."""
    found = []
    if grok.get("memorization_step") is not None:
        found.append(
            _phase("memorized", grok["memorization_step"], "trained questions at least 99% right")
        )
    formed = circuit_formation_step(bridge)
    if formed is not None:
        words = "swapping the bridge has reached half of its final effect on ID-test answers"
        found.append(_phase("circuit forms", formed, words))
    if grok.get("grok_step") is not None:
        found.append(
            _phase("generalizes", grok["grok_step"], "unseen ID questions at least 95% right")
        )
    return sorted(found, key=lambda phase: phase["step"])


def circuit_formation_step(bridge: xr.Dataset | None) -> int | None:
    """First step at which bridge swaps have half the effect that they have at the end.

    Read at the cell (layer, position) where the last checkpoint's swaps succeed most often,
    on ID-test questions.
    """
    if bridge is None or "id_test" not in bridge.coords["split"].values:
        return None
    success = bridge["success"].sel(split="id_test", control="bridge").transpose("step", ...)
    values: np.ndarray = success.values.reshape(success.sizes["step"], -1)
    measured = np.isfinite(values).any(1)
    if not measured.any():
        return None
    steps: Sequence[int] = success.coords["step"].values[measured].tolist()
    values = values[measured]
    final = np.nan_to_num(values[-1])
    best = int(final.argmax())
    if final[best] < LEAST_SUCCESS:
        return None
    return int(steps[int((values[:, best] >= final[best] / 2).argmax())])


def _phase(name: str, step: int, text: str) -> dict[str, Any]:
    return {"name": name, "step": int(step), "text": text}
