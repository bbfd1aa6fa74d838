"""Below a circuit: keep it under a name, download it, and the script that repeats its numbers."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

import streamlit as st

from analyses.circuits.saved_circuits import save_circuit, saved_names
from app.shell import address
from app.shell.frame import Shown
from app.shell.plain_text import as_text
from circuits.errors import HopscopeError

if TYPE_CHECKING:
    from app.instrument.bench_fields import BenchState
    from app.logic.circuit_bench import Bench


def save_box(
    shown: Shown, bench: Bench, kept: Collection[int], split: str, state: BenchState
) -> None:
    """Draw it.

    Args:
        shown: The run.
        bench: What the circuit is one of.
        kept: Indices of its edges.
        split: The questions that it was worked out on.
        state: Its notes and groups.
    """
    left, right = st.columns(2)
    with left, st.expander("Save and share", icon=":material/bookmark:"):
        _save(shown, bench, kept, split, state)
    with right, st.expander("Open as script", icon=":material/code:"):
        from app.logic.circuit_bench import script

        st.caption("Runs this circuit and prints the numbers above.")
        st.code(script(bench, shown.run.path.resolve(), shown.step, kept), language="python")


def _save(shown: Shown, bench: Bench, kept: Collection[int], split: str, state: BenchState) -> None:
    with st.form("circuit_save", border=False):
        field, button = st.columns([3, 1], vertical_alignment="bottom")
        name = field.text_input("Name", placeholder="e.g. first hop alone", max_chars=60)
        pressed = button.form_submit_button("Save", icon=":material/save:", width="stretch")
    circuit = bench.chosen(kept)
    st.download_button(
        "Download as JSON",
        circuit.to_json,
        file_name=f"{shown.run.path.name}-circuit.json",
        mime="application/json",
        icon=":material/download:",
        help="Opened by circuits.Circuit.load",
    )
    if pressed:
        name = name.strip()
        there = name in saved_names(shown.run)
        try:
            save_circuit(
                shown.run, name, circuit, shown.step, split,
                notes=dict(state["notes"]), groups=dict(state["groups"]),
            )  # fmt: skip
        except HopscopeError as error:
            st.warning(as_text(str(error)))
            return
        st.session_state["circuit_kept"] = (name, there)
        st.session_state["circuit_saves"] = st.session_state.get("circuit_saves", 0) + 1
        st.session_state.pop("circuit_state", None)
        st.session_state.pop("circuit_saved", None)
        address.write(saved=name, size=None, toggled=None)
        st.rerun()
    if (kept_as := st.session_state.pop("circuit_kept", None)) is not None:
        verb = "replaced" if kept_as[1] else "saved"
        st.success(as_text(f"{kept_as[0]!r} was {verb} in the run folder; the address opens it."))
