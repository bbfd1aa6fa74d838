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
from app.logic.run_words import with_and
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
MOST_NAMED = 6
"""The most runs that a warning names as being there."""
LONGEST_NAME = 60
"""Characters of an unknown name that are shown."""
OF_A_SWEEP = re.compile(r"(^|_)seed=\d+$")
"""The ending of run names made by `hopscope sweep`."""


def page() -> None:
    """Draw the page."""
    frame.page(READING, _compare, choosing=False)


def _compare(shown: frame.Shown) -> list[Spec]:
    chosen, aligned = _choose(shown.name, shown.unknown)
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


def _choose(first: str, unknown: str) -> tuple[list[str], comparing.Alignment]:
    """The chosen runs, kept in the address, and what aligns them."""
    names = list(find_runs().paths)
    if "compared" not in st.session_state:
        wanted = [n for n in split_names(address.read().get("with") or "", ",") if n]
        wanted += [unknown] * (unknown not in ("", *wanted))
        chosen = wanted if set(wanted) & set(names) else [*wanted, *_beside(first, names)]
        st.session_state["compared"] = chosen
        st.session_state["aligned"] = "accuracy" if address.read().get("by") else "step"
        st.session_state.pop("compared_gone", None)
    gone = _set_aside(names)
    left, right = st.columns([5, 1.6], vertical_alignment="center")
    chosen = left.multiselect(
        "Runs", names, key="compared", label_visibility="collapsed", wrap=True
    )
    aligned: comparing.Alignment | None = right.segmented_control(
        "Aligned by",
        ["step", "accuracy"],
        format_func=lambda name: f"by {name}",
        key="aligned",
        label_visibility="collapsed",
    )
    if gone:
        st.warning(as_text(unknown_runs(gone, names)), icon=":material/folder_off:")
    by = "accuracy" if aligned == "accuracy" else None
    address.write(**{"with": join_names([*chosen, *gone], ",") or None, "by": by})
    return chosen, aligned or "step"


def _set_aside(names: list[str]) -> list[str]:
    """The chosen runs that are not there, until the choice is changed or they are there again.

    They stay in the address, so that a reload finds a run that is back; the box cannot show them.
    """
    state = st.session_state
    chosen, (kept, gone) = list(state["compared"]), state.get("compared_gone", (None, []))
    if kept is not None and chosen != kept:
        gone = []
    wanted = [*chosen, *gone]
    state["compared"] = [name for name in wanted if name in names]
    missing = [name for name in wanted if name not in names]
    state["compared_gone"] = (list(state["compared"]), missing)
    return missing


def unknown_runs(gone: list[str], names: list[str]) -> str:
    """That these runs are not there, and what is.

    >>> unknown_runs(["x"], ["demo", "textbook"])
    "There is no run called 'x' here, so it is left out; there are demo and textbook."
    """
    shown = [repr(name.encode("unicode_escape").decode()[:LONGEST_NAME]) for name in gone]
    no, it = ("is no run", "it is") if len(gone) == 1 else ("are no runs", "they are")
    there = names[:MOST_NAMED] if len(names) <= MOST_NAMED else names[: MOST_NAMED - 1]
    more = len(names) - len(there)
    known = with_and([*there, *([f"{more} more"] if more else [])])
    verb = "are" if len(names) > 1 else "is"
    return f"There {no} called {with_and(shown)} here, so {it} left out; there {verb} {known}."


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
