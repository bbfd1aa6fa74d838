"""Compare: runs on one timeline, seeds as bands, sweeps as a phase diagram."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import streamlit as st

from analyses.figures.specs import HeatMap, Spec
from app.instrument.packing import curve
from app.instrument.palette import COLOURS
from app.instrument.payload import dump
from app.views import address, comparing, frame
from app.views.folders import find_runs
from app.views.opened import opened, results_of, stamp
from app.views.page_figures import compare_figures
from app.views.stage import show_instrument
from circuits.errors import HopscopeError
from circuits.runs import Run

READING = "Choose runs to lay over each other; runs that differ by seed alone become one band."
MOST_COLOURS = 7


def page() -> None:
    """Draw the page."""
    frame.page(READING, _compare)


def _compare(shown: frame.Shown) -> list[Spec]:
    names = list(find_runs().paths)
    left, right = st.columns([4, 1.4], vertical_alignment="bottom")
    if "compared" not in st.session_state:
        asked = [n for n in (address.read().get("with") or "").split(",") if n in names]
        st.session_state["compared"] = (
            asked or [shown.name, *(n for n in names if n != shown.name)][:2]
        )
    chosen = left.multiselect("Runs", names, key="compared")
    aligned: comparing.Alignment = (
        right.segmented_control("Aligned by", ["step", "accuracy"], default="step", key="aligned")
        or "step"
    )
    address.write(**{"with": ",".join(chosen) or None})
    runs, curves = _opened_curves(chosen)
    if not runs:
        st.info("Choose at least one run; two or more make it a comparison.")
        return []
    axis = comparing.common_axis(list(curves.values()), aligned)
    if len(axis) < 2:
        st.info("These runs have not been evaluated twice yet; train on and reload.")
        return []
    body = _payload(runs, curves, axis, aligned)
    show_instrument(shown, "compare", body, hashlib.sha256(body).hexdigest()[:12])
    figures = compare_figures(body, shown.step, list(runs))
    if (keys := comparing.differing(runs)) and (diagram := _phase_diagram(runs, curves, keys)):
        figures.append(diagram)
    return figures


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
    runs: dict[str, Run],
    curves: dict[str, dict[str, comparing.Curve]],
    axis: list[int],
    aligned: comparing.Alignment,
) -> bytes:
    placed = {name: comparing.on_axis(found, axis, aligned) for name, found in curves.items()}
    grouped = comparing.groups(runs)
    kinds = list(dict.fromkeys(kind for found in placed.values() for kind in found))
    if aligned == "accuracy":
        kinds = [k for k in kinds if k != "ID accuracy"] + ["ID accuracy"]
    panels = [
        {"title": kind, "hint": _hint(grouped), "series": _series(kind, grouped, placed, axis)}
        for kind in kinds
    ]
    reference = next(iter(placed.values()))
    accuracy = {"id_test": curve(reference["ID accuracy"])}
    payload: dict[str, Any] = {
        "steps": axis,
        "unit": "ID accuracy %" if aligned == "accuracy" else "step",
        "metrics": {"step": axis, "accuracy": accuracy, "loss": {}},
        "splits": [{"name": "id_test", "label": "ID test", "about": ""}],
        "baselines": {},
        "phases": [],
        "colours": COLOURS,
        "measures": {},
        "compared": {"panels": panels, "aligned": aligned},
    }
    return dump(payload)


def _hint(grouped: dict[str, list[str]]) -> str:
    most = max(len(names) for names in grouped.values())
    return f"mean and range over up to {most} seeds" if most > 1 else ""


def _series(
    kind: str,
    grouped: dict[str, list[str]],
    placed: dict[str, dict[str, np.ndarray]],
    axis: list[int],
) -> list[dict[str, Any]]:
    series = []
    for i, (label, names) in enumerate(grouped.items()):
        members = [placed[name][kind] for name in names if kind in placed[name]]
        if not members:
            continue
        mean, low, high = comparing.banded(members)
        line = {
            "name": label,
            "colour": f"run_{i % MOST_COLOURS}",
            "dash": "6 4" if i >= MOST_COLOURS else None,
            "steps": axis,
            "values": curve(mean),
        }
        if len(members) > 1:
            line |= {"low": curve(low), "high": curve(high)}
        series.append(line)
    return series


def _phase_diagram(
    runs: dict[str, Run], curves: dict[str, dict[str, comparing.Curve]], keys: list[str]
) -> Spec | None:
    """Draw setting x step -> value and return it as a figure; None if no setting is a number."""
    import plotly.graph_objects as go

    from analyses.figures.style import sequential

    st.subheader("Phase diagram", divider="gray")
    left, right = st.columns(2)
    numeric = [
        k for k in keys if all(_is_number(comparing.settings(r).get(k)) for r in runs.values())
    ]
    if not numeric:
        st.caption(f"These runs differ in {', '.join(keys[:5])}, none of which is a number.")
        return None
    key = left.selectbox("Setting", numeric, key="phase_key")
    kinds = list(dict.fromkeys(k for found in curves.values() for k in found))
    kind = right.selectbox("Shown", kinds, key="phase_kind")
    axis = comparing.common_axis(list(curves.values()), "step")
    rows: dict[float, list[np.ndarray]] = {}
    for name, run in runs.items():
        if kind in curves[name]:
            value = float(comparing.settings(run)[key])
            rows.setdefault(value, []).append(curves[name][kind].at(np.asarray(axis, float)))
    levels = sorted(rows)
    table = [comparing.banded(rows[level])[0] for level in levels]
    colours = [[i / 32, colour] for i, colour in enumerate(sequential("light", 33))]
    figure = go.Figure(
        go.Heatmap(
            z=table,
            x=axis,
            y=[str(level) for level in levels],
            zmin=0,
            zmax=1,
            colorscale=colours,
            colorbar={"title": kind},
            hovertemplate=f"{key} %{{y}}, step %{{x}}: %{{z:.2f}}<extra></extra>",
        )
    )
    figure.update_layout(
        height=120 + 50 * len(levels),
        xaxis_title="training step",
        yaxis_title=key,
        margin={"l": 60, "r": 10, "t": 10, "b": 50},
    )
    st.plotly_chart(figure, key="phase_diagram")
    return HeatMap(
        name="compare_phase_diagram",
        title=f"{kind} by {key} and step",
        subtitle=", ".join(runs),
        provenance={"runs": list(runs), "setting": key},
        values=np.array(table),
        rows=tuple(str(level) for level in levels),
        columns=tuple(f"{step:,}" for step in axis),
        row_label=key,
        column_label="training step",
        value_label=kind,
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
