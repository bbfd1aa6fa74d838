"""The instrument: one client-side component that draws a run at any step without the server.

Python sends one payload per page; from then on the timeline, the circuit, the curves and the maps
follow the cursor in the browser (vanilla JavaScript and SVG, nothing loaded from elsewhere), and
Python hears of a step only when the movement has settled. The JavaScript is split over files by
panel and joined here, since Streamlit's components v2 take one module.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st

HERE = Path(__file__).parent
SCRIPTS = (
    "base.js",
    "names.js",
    "dataset.js",
    "playhead.js",
    "timeline.js",
    "curves.js",
    "heatmap.js",
    "circuit.js",
    "discovered.js",
    "words.js",
    "edge_questions.js",
    "formation.js",
    "question.js",
    "lab.js",
    "phase.js",
    "compare.js",
    "around.js",
    "main.js",
)
"""In order of definition: a class is used only by files after its own."""


def _source(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


_component = st.components.v2.component(
    "hopscope_instrument",
    css=_source("style.css"),
    js="\n".join(_source(f"js/{name}") for name in SCRIPTS),
)


def _ignore() -> None:
    """The values are read from the component's result."""


def mount(
    header: dict[str, Any],
    body: bytes,
    *,
    key: str,
    on_step: Callable[[], None] = _ignore,
    on_pick: Callable[[], None] = _ignore,
    on_kept: Callable[[], None] = _ignore,
) -> Any:
    """Show the instrument; the result's `step` is where its timeline last came to rest.

    Args:
        header: Small JSON: `page`, `id` (of the payload: another id builds anew), `step` to begin
            at, `split`, `circuit` ("states" or "edges"), and `jump` (change it to go from Python
            to another step, split or circuit).
        body: JSON of the run, cached by the caller; sent as it is.
        key: Streamlit's key; one instrument per key.
        on_step: Called before the rerun when the step has settled.
        on_pick: Called before the rerun when something was picked.
        on_kept: Called before the rerun when the split or what the circuit shows was chosen.
    """
    data = json.dumps(header).encode() + b"\n" + body
    return _component(
        key=key,
        data=data,
        on_step_change=on_step,
        on_pick_change=on_pick,
        on_kept_change=on_kept,
    )
