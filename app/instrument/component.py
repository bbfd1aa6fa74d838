"""The instrument as a Streamlit component."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st

from app.instrument.scripts import SLICE_ENTRY, joined

_component = st.components.v2.component(
    "hopscope_instrument",
    css=(Path(__file__).parent / "style.css").read_text(encoding="utf-8"),
    js=joined(),
)

_slice = st.components.v2.component("hopscope_slice", js=joined(SLICE_ENTRY))


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


def send_slice(page: str, name: str, body: bytes) -> None:
    """Let the instrument of a page show a slice, whose measures are in `body`.

    The payload of the page is sent once; of another slice, only what depends on it.

    Args:
        page: The instrument.
        name: Of the slice; "" for all questions.
        body: Its measures as JSON.
    """
    header = {"of": page, "id": name}
    _slice(key=f"{page}_slice", data=json.dumps(header).encode() + b"\n" + body)
