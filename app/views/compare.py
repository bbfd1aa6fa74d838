"""Compare: runs on one timeline, seeds as bands, sweeps as phase diagrams."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

import streamlit as st

from app.logic import run_curves as comparing
from app.logic import run_groups as grouping
from app.logic.comparing_runs import compare_runs
from app.logic.listed_names import join_names, split_names
from app.shell import address, frame, live
from app.shell.folders import find_runs
from app.shell.opened import opened, results_of, stamp
from app.shell.plain_text import as_text
from app.shell.stage import show_instrument
from circuits.errors import HopscopeError
from circuits.runs.run import Run

if TYPE_CHECKING:
    from analyses.figures.specs.charts import Spec

READING = (
    "Choose runs to overlay; those whose recipes agree in everything but the seed become one band."
)
MOST_AT_FIRST = 24
"""The most runs of a sweep that are shown before any is chosen."""
OF_A_SWEEP = re.compile(r"(^|_)seed=\d+$")
"""The ending of run names made by `hopscope sweep`."""


def page() -> None:
    """Draw the page."""
    frame.page(READING, _compare, choosing=False)


def _compare(shown: frame.Shown) -> list[Spec]:
    chosen, aligned = _choose(shown.name)
    runs, curves = _opened_curves(chosen)
    if not runs:
        st.info("Choose at least one run; two or more make it a comparison.")
        return []
    record = compare_runs(runs, curves, aligned)
    if record is None:
        st.info("These runs have not been evaluated twice yet; train on and reload.")
        return []
    grouped, recipes = record.grouped, record.recipes
    words = grouping.grouping_in_words(grouped, len(grouping.differing(runs)))
    with st.expander(as_text(f"{words}."), icon=":material/difference:"):
        st.dataframe(recipes.frame(), hide_index=True, width="stretch")
        st.caption(recipes.subtitle)
    live.follow([run.path for run in runs.values()])
    body = record.payload()
    show_instrument(shown, "compare", body, hashlib.sha256(body).hexdigest()[:12])
    return record.figures(shown.step)


def _choose(first: str) -> tuple[list[str], comparing.Alignment]:
    """The chosen runs, kept in the address, and what aligns them."""
    names = list(find_runs().paths)
    left, right = st.columns([5, 1.6], vertical_alignment="center")
    if "compared" not in st.session_state:
        asked = [n for n in split_names(address.read().get("with") or "", ",") if n in names]
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
    address.write(**{"with": join_names(chosen, ",") or None, "by": by})
    return chosen, aligned or "step"


def _beside(first: str, names: list[str]) -> list[str]:
    """The runs compared at first: the sweep that a run belongs to, or the run and another one.

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
) -> tuple[dict[str, Run], dict[str, dict[str, comparing.RunCurve]]]:
    runs, curves = {}, {}
    paths = find_runs().paths
    for name in names:
        try:
            at = stamp(paths[name])
            run = opened(at)
            found = comparing.curves_of(run, results_of(at)[0])
        except (HopscopeError, OSError) as error:
            st.warning(as_text(f"{name} is left out: {error}"))
            continue
        if "ID accuracy" not in found:
            why = "it has no ID-test accuracy yet."
            if "asked" in run.corpus.splits:
                why = "it was asked the questions of a file, so it has no ID-test accuracy."
            st.warning(f"{as_text(name)} is left out: {why}")
            continue
        runs[name], curves[name] = run, found
    return runs, curves
