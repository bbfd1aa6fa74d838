"""From opened runs to the record of the Compare page."""

from __future__ import annotations

from collections.abc import Mapping

from analyses.bridge_swaps import SwapState
from app.logic import run_curves as comparing
from app.logic import run_groups as grouping
from app.logic.compare_record import CompareRecord
from app.logic.phase_diagram import phase_diagrams
from circuits.runs.run import Run


def compare_runs(
    runs: Mapping[str, Run],
    curves: Mapping[str, Mapping[str, comparing.RunCurve]],
    aligned: comparing.Alignment,
) -> CompareRecord | None:
    """The runs on a common axis; None if it would have fewer than two places.

    Args:
        runs: Opened runs by name.
        curves: What is compared, by run: `run_curves.curves_of`. Each has "ID accuracy".
        aligned: What the common axis is.
    """
    axis = comparing.common_axis(list(curves.values()), aligned)
    if len(axis) < 2:
        return None
    placed = {name: comparing.on_axis(found, axis, aligned) for name, found in curves.items()}
    phases = phase_diagrams(runs, placed, axis)
    grouped = grouping.groups(runs)
    recipes = grouping.recipe_table(runs, grouped)
    return CompareRecord(
        tuple(runs), grouped, grouping.places(runs, grouped), placed, axis, aligned, phases,
        recipes, *comparing.uncertainty(curves, axis, aligned), _swap_states(curves),
    )  # fmt: skip


def _swap_states(
    curves: Mapping[str, Mapping[str, comparing.RunCurve]],
) -> dict[str, SwapState]:
    found = {name: of.get(comparing.BRIDGE_SWAP) for name, of in curves.items()}
    return {name: one.state for name, one in found.items() if one and one.state}
