"""Compare: runs on one timeline, seeds as bands, sweeps as phase diagrams."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from analyses.figures.renderers.style import shade
from app.instrument.packing import curve
from app.instrument.palette import COLOURS
from app.instrument.payload import dump
from app.logic import run_curves as comparing
from app.logic.phase_diagram import PhaseDiagram, phase_diagrams, phase_figures, phase_payload
from app.shell import address, frame
from app.shell.folders import find_runs
from app.shell.opened import opened, results_of, stamp
from app.shell.page_figures import compare_figures
from app.shell.stage import show_instrument
from circuits.errors import HopscopeError
from circuits.runs.run import Run

if TYPE_CHECKING:
    from analyses.figures.specs.charts import Spec

READING = "Choose runs to lay over each other; runs that differ by seed alone become one band."
MOST_COLOURS = 7
MOST_AT_FIRST = 24
"""Runs of a sweep that are shown before any was chosen."""
OF_A_SWEEP = re.compile(r"(^|_)seed=\d+$")
"""What `hopscope sweep` ends its runs' names with."""


def page() -> None:
    """Draw the page."""
    frame.page(READING, _compare, choosing=False)


def _compare(shown: frame.Shown) -> list[Spec]:
    chosen, aligned = _choose(shown.name)
    runs, curves = _opened_curves(chosen)
    if not runs:
        st.info("Choose at least one run; two or more make it a comparison.")
        return []
    axis = comparing.common_axis(list(curves.values()), aligned)
    if len(axis) < 2:
        st.info("These runs have not been evaluated twice yet; train on and reload.")
        return []
    placed = {name: comparing.on_axis(found, axis, aligned) for name, found in curves.items()}
    phases = phase_diagrams(runs, placed, axis)
    grouped = comparing.groups(runs)
    body = _payload(grouped, comparing.places(runs, grouped), placed, axis, aligned, phases)
    show_instrument(shown, "compare", body, hashlib.sha256(body).hexdigest()[:12])
    by_step = aligned == "step"
    return [
        *compare_figures(body, shown.step, list(runs)),
        *phase_figures(phases, axis, by_step, shown.step),
    ]


def _choose(first: str) -> tuple[list[str], comparing.Alignment]:
    """Which runs, kept in the address, and by what they are aligned."""
    names = list(find_runs().paths)
    left, right = st.columns([5, 1.6], vertical_alignment="center")
    if "compared" not in st.session_state:
        asked = [n for n in (address.read().get("with") or "").split(",") if n in names]
        st.session_state["compared"] = asked or _beside(first, names)
        st.session_state["aligned"] = "accuracy" if address.read().get("by") else "step"
    chosen = left.multiselect("Runs", names, key="compared", label_visibility="collapsed")
    aligned: comparing.Alignment | None = right.segmented_control(
        "Aligned by",
        ["step", "accuracy"],
        format_func=lambda name: f"by {name}",
        key="aligned",
        label_visibility="collapsed",
    )
    by = "accuracy" if aligned == "accuracy" else None
    address.write(**{"with": ",".join(chosen) or None, "by": by})
    return chosen, aligned or "step"


def _beside(first: str, names: list[str]) -> list[str]:
    """What is compared at first: the sweep that a run belongs to, or the run and another one.

    A sweep is a folder of runs below the runs folder, or the runs folder itself.
    """
    folder = first.rpartition("/")[0]
    if folder or OF_A_SWEEP.search(first):
        found = [name for name in names if name.rpartition("/")[0] == folder]
        found = [name for name in found if folder or OF_A_SWEEP.search(name)]
        return sorted(found[:MOST_AT_FIRST], key=by_value)
    return [first, *(n for n in names if n != first)][:2]


def by_value(name: str) -> list[tuple[float, str]]:
    """Sorts "phi=9" before "phi=18"."""
    parts = re.split(r"(\d+(?:\.\d+)?)", name)
    return [(float(part), "") if i % 2 else (0.0, part) for i, part in enumerate(parts)]


def _opened_curves(
    names: list[str],
) -> tuple[dict[str, Run], dict[str, dict[str, comparing.Curve]]]:
    runs, curves = {}, {}
    paths = find_runs().paths
    for name in names:
        try:
            at = stamp(paths[name])
            run = opened(at)
            found = comparing.curves_of(run, results_of(at)[0])
        except (HopscopeError, OSError) as error:
            st.warning(f"{name} is left out: {error}")
            continue
        if "ID accuracy" not in found:
            st.warning(f"{name} is left out: it has no ID-test accuracy yet.")
            continue
        runs[name], curves[name] = run, found
    return runs, curves


def _payload(
    grouped: dict[str, list[str]],
    places: dict[str, float],
    placed: dict[str, dict[str, np.ndarray]],
    axis: list[int],
    aligned: comparing.Alignment,
    phases: list[PhaseDiagram],
) -> bytes:
    kinds = list(dict.fromkeys(kind for found in placed.values() for kind in found))
    if aligned == "accuracy":
        kinds = [k for k in kinds if k != "ID accuracy"] + ["ID accuracy"]
    panels = [
        {
            "title": kind,
            "hint": _hint(kind, grouped, placed),
            "series": _series(kind, grouped, places, placed, axis),
        }
        for kind in kinds
    ]
    reference = next(iter(placed.values()))
    accuracy = {"id_test": curve(comparing.between(axis, reference["ID accuracy"]))}
    payload: dict[str, Any] = {
        "steps": axis,
        "unit": "ID accuracy %" if aligned == "accuracy" else "step",
        "metrics": {"step": axis, "accuracy": accuracy, "loss": {}},
        "splits": [{"name": "id_test", "label": "ID test", "about": ""}],
        "baselines": {},
        "phases": [],
        "colours": COLOURS | {_ordered(place): shade(place) for place in places.values()},
        "measures": {},
        "compared": {"panels": panels, "aligned": aligned, "phases": phase_payload(phases)},
    }
    return dump(payload)


def _hint(
    kind: str, grouped: dict[str, list[str]], placed: dict[str, dict[str, np.ndarray]]
) -> str:
    """How many runs each mean of a panel is over."""
    counts = [sum(kind in placed[name] for name in names) for names in grouped.values()]
    if max(map(len, grouped.values())) == 1:
        return ""
    n = " or ".join(str(n) for n in sorted({n for n in counts if n}))
    return f"mean and range, n = {n} seeds, where all have a value"


def _ordered(place: float) -> str:
    return f"at_{place:.3f}"


def _series(
    kind: str,
    grouped: dict[str, list[str]],
    places: dict[str, float],
    placed: dict[str, dict[str, np.ndarray]],
    axis: list[int],
) -> list[dict[str, Any]]:
    series = []
    for i, (label, names) in enumerate(grouped.items()):
        members = [placed[name][kind] for name in names if kind in placed[name]]
        if not members:
            continue
        mean, low, high = comparing.banded(members)
        place = places.get(label)
        line = {
            "name": label,
            "colour": f"run_{i % MOST_COLOURS}" if place is None else _ordered(place),
            "place": place,
            "dash": "6 4" if place is None and i >= MOST_COLOURS else None,
            "steps": axis,
            "values": curve(comparing.between(axis, mean)),
        }
        if len(members) > 1:
            line["name"] = f"{label} (n = {len(members)})"
            line |= {
                end: curve(comparing.between(axis, values))
                for end, values in (("low", low), ("high", high))
            }
        series.append(line)
    return series
