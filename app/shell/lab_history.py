"""The history of tries in the patching lab, kept for the session of the browser."""

from __future__ import annotations

from typing import Any

import streamlit as st

from app.logic.lab.record import LabRecord
from app.logic.lab.tries import (
    LabTry,
    remembered,
    side_by_side,
    tries_json,
    tries_script,
    tries_table,
    try_of,
)
from app.shell import address
from app.shell.choosing import book_of
from app.shell.frame import Shown

KEY = "lab_tries"
BOX = "lab_history"


def lab_history(shown: Shown, record: LabRecord) -> None:
    """Remember what the page shows, if something is written, and list what was tried."""
    tries: list[LabTry] = st.session_state.get(KEY, [])
    if record.operation.cells:
        tries = remembered(tries, try_of(record, str(shown.run.path.resolve()), shown.step))
        st.session_state[KEY] = tries
    label = f"Tries of this session ({len(tries)})"
    st.session_state[BOX] = bool(st.session_state.get(BOX))  # as it was under another label
    box = st.expander(label, icon=":material/history:", key=BOX, on_change="rerun")
    if not box.open:
        return
    with box:
        if not tries:
            st.caption("Write a state first; each try is listed here, to be compared or kept.")
            return
        st.caption("Choose one try to go back to it, or several to compare them side by side.")
        event: Any = st.dataframe(
            tries_table(tries), hide_index=True, key="lab_tries_rows", on_select="rerun",
            column_config={"step": st.column_config.NumberColumn(format="localized")},
            selection_mode="multi-row", height="auto" if len(tries) <= 10 else 360,
        )  # fmt: skip
        numbers = sorted(len(tries) - int(row) for row in event.selection.rows)
        chosen = [tries[number - 1] for number in numbers if 0 < number <= len(tries)]
        if len(chosen) > 1:
            st.dataframe(side_by_side(chosen, numbers))
        _buttons(shown, tries, chosen)


def _buttons(shown: Shown, tries: list[LabTry], chosen: list[LabTry]) -> None:
    one = chosen[0] if len(chosen) == 1 and chosen[0].run == shown.name else None
    line = st.container(horizontal=True)
    line.button(
        "Go back to it", disabled=one is None, icon=":material/undo:", on_click=_go_back,
        args=(shown, one),
    )  # fmt: skip
    kept = chosen or tries
    which = "chosen" if chosen else "all"
    line.download_button(
        f"Save {which} as JSON", tries_json(kept), "tries.json", "application/json",
        icon=":material/download:", on_click="ignore",
    )  # fmt: skip
    line.download_button(
        f"Save {which} as script", tries_script(kept), "tries.py", "text/x-python",
        icon=":material/code:", on_click="ignore",
    )  # fmt: skip
    line.button("Forget all", on_click=_forget, icon=":material/delete:")


def _forget() -> None:
    st.session_state.pop(KEY, None)


def _go_back(shown: Shown, one: LabTry) -> None:
    """Show a try again: as if its address had been opened."""
    book, operation = book_of(shown.at), one.operation
    address.read()
    address.write(
        step=one.step,
        question=book.names(one.receiver),
        donor=book.names(one.lender),
        cells=";".join(f"{at},{p}" for at, p in operation.cells),
        activation=operation.component,
        written=operation.source,
        heads=",".join(map(str, operation.heads)) if operation.heads else None,
    )
    address.jump()
    st.session_state["question_hit"], st.session_state["donor_choice"] = one.receiver, one.lender
    st.session_state["question_words"], st.session_state["question_composing"] = "", False
    st.rerun()  # the whole page, which the button is a part of
