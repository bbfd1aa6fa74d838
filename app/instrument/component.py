"""The instrument as a Streamlit component."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st

from app.instrument.scripts import PANEL_ENTRY, SLICE_ENTRY, joined
from app.instrument.value_fields import SlicePanel

HERE = Path(__file__).parent
_component = st.components.v2.component(
    "hopscope_instrument",
    css=(HERE / "style.css").read_text(encoding="utf-8"),
    js=joined(),
)
_slice = st.components.v2.component("hopscope_slice", js=joined(SLICE_ENTRY))
_panel = st.components.v2.component(
    "hopscope_slice_panel",
    css=(HERE / "slice_panel.css").read_text(encoding="utf-8"),
    js=joined(PANEL_ENTRY),
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


def send_slice(page: str, name: str, chosen: dict[str, str], told: int, body: bytes) -> None:
    """Let the instrument of a page show a slice.

    The payload of the page is sent once; of another slice, only what depends on it, or nothing: an
    instrument that has the values of single questions takes the means itself.

    Args:
        page: The instrument.
        name: Of the slice; "" where `body` has no measures.
        chosen: Its conditions, as the panel has them.
        told: How many choices in the panel led to it.
        body: Its measures as JSON.
    """
    header = {"of": page, "id": name, "chosen": chosen, "told": told}
    _slice(key=f"{page}_slice", data=json.dumps(header).encode() + b"\n" + body)


def send_values(page: str, name: str, body: bytes) -> None:
    """Let the instrument of a page take means of slices itself.

    Args:
        page: The instrument.
        name: The payload that the values are behind; "" for no values.
        body: The values of single questions (`app.logic.tables.question_values`).
    """
    header = {"of": page, "id": name}
    _slice(key=f"{page}_values", data=json.dumps(header).encode() + b"\n" + body)


def choose_slice(said: SlicePanel, *, key: str) -> None:
    """Show the panel in which a slice is chosen; its state `chosen` says what and how often."""
    _panel(key=key, data=json.dumps(said).encode(), on_chosen_change=_ignore)
