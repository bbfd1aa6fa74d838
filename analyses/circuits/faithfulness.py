"""Whether a found circuit is all of it, in a sentence where it clearly is not.

Weak edges stand out from their placebos only on enough questions, and what a screen leaves
unmeasured is never found: the demo's circuit of heads alone answers .83 when found on 300
questions, .96 on 1,000 and .97 with all edges measured, the whole model .98. A circuit that lacks
edges is known by its own numbers, whatever its nodes are: alone it is right clearly less often.
"""

from __future__ import annotations

import xarray as xr


def unfaithful(now: xr.Dataset) -> str:
    """A warning if the circuit alone is clearly less often right than the whole model; else "".

    Args:
        now: One step and split of a result of circuit_discovery. Clearly: the 95% intervals (of
            the circuit with everything else mean-ablated, and of the whole model) do not meet.
    """
    alone = {"ablation": "mean", "variant": "restricted"}
    if not float(now["accuracy_high"].sel(alone)) < float(now["full_accuracy_low"]):
        return ""
    kept, whole = float(now["accuracy"].sel(alone)), float(now["full_accuracy"])
    text = f"not the whole circuit: alone it answers {kept:.0%}, the model {whole:.0%}"
    unmeasured = _unmeasured(now)
    return text + (f"; {unmeasured} edges were not measured" if unmeasured else "")


def warnings_of(ds: xr.Dataset) -> list[str]:
    """Sentences on the circuits of the last step, if this is a result of circuit_discovery."""
    if ds.attrs.get("analysis") != "circuit_discovery":
        return []
    found = []
    for split in ds["split"].values:
        now = ds.sel(split=split).isel(step=-1)
        if text := unfaithful(now):
            more = f"--set examples={2 * int(now['n'])}"
            if _unmeasured(now):
                more += " or a larger per_component"
            found.append(
                f"{split}, step {int(now['step'])}: {text}; weaker edges are found with {more}."
            )
    return found


def _unmeasured(now: xr.Dataset) -> int:
    return int((now["measured"] == 0).sum())
