"""Boxes whose choice the address keeps, read where a page begins and not in a callback.

The next request interrupts a callback at its first use of the session's state, and Streamlit does
not call it again: the choice would be lost, since the box is set to what the address says.
"""

from __future__ import annotations

from typing import Any

import streamlit as st


def picked(key: str) -> Any:
    """What was chosen in a box since it was last set; None: nothing else than what it shows."""
    now, shown = st.session_state.get(key), st.session_state.get(f"{key}_shown")
    return None if shown is None or now == shown else now


def show(key: str, value: Any) -> None:
    """Set a box, before it is drawn, to what the address says."""
    st.session_state[key] = st.session_state[f"{key}_shown"] = value
