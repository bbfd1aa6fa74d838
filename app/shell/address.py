"""The address: the URL holds what is shown, so that back, reload and shared links keep it.

The page is the path, the rest are query parameters. Streamlit clears them when the page changes;
they are kept per session here and written again. Values from the URL are only ever compared with
names and numbers that are already known, never used as a path.
"""

from __future__ import annotations

from typing import Any

import streamlit as st

KEYS = ("run", "step", "split", "circuit", "question", "donor", "with", "by", "entity",
        "cells", "activation", "written", "metric", "heads", "slice",
        "saved", "size", "toggled", "apart", "ablation", "tour", "present",
        "head", "pair", "score", "against")  # fmt: skip
"""Query parameters that pages understand; others are dropped."""
LONGEST = 8000
"""The most characters of a value that are read: the runs of a sweep have long names."""


def read() -> dict[str, str]:
    """The parameters of this session; those in the URL override remembered ones."""
    state: dict[str, str] = st.session_state.setdefault("address", {})
    shown = {k: v[:LONGEST] for k, v in st.query_params.to_dict().items() if k in KEYS}
    if shown and shown != st.session_state.get("address_written"):
        state.clear()
        state.update(shown)
        st.session_state["address_moved"] = st.session_state.get("address_moved", 0) + 1
    return state


def write(**values: Any) -> None:
    """Remember values (None removes) and show them in the URL."""
    state: dict[str, str] = st.session_state.setdefault("address", {})
    for key, value in values.items():
        if value is None:
            state.pop(key, None)
        else:
            state[key] = str(value)
    if st.query_params.to_dict() != state:
        st.query_params.from_dict(state)
    st.session_state["address_written"] = dict(state)


def go_to(page: str, **values: Any) -> None:
    """Show another page (a name of `app.views`) with these parameters."""
    write(**values)
    pages = st.session_state.get("pages") or {}
    if page in pages:
        st.switch_page(pages[page])


def jump() -> None:
    """Let the page begin anew from the parameters that were written, as after a changed URL."""
    st.session_state["address_moved"] = moved() + 1


def moved() -> int:
    """How often the user changed the URL: the timeline jumps when this number changes."""
    return int(st.session_state.get("address_moved", 0))


def step_near(wanted: str | None, steps: list[int]) -> int:
    """The checkpoint nearest to the URL's step; the last one if that is not a number."""
    try:
        number = int(wanted or "")
    except ValueError:
        return steps[-1]
    return min(steps, key=lambda step: abs(step - number))
