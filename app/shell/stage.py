"""An instrument on a page: the first step of its timeline, and the address that follows it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import streamlit as st

from analyses.figures.words import FIRST_SPLIT
from app.instrument.component import mount
from app.instrument.fields import Payload
from app.instrument.payload import timeline_payload
from app.shell import address, exporting
from app.shell.frame import Shown
from app.shell.opened import Stamp, opened, results_of
from circuits.runs.run import Run


def show_instrument(
    shown: Shown, page: str, body: bytes, content: str = "", *, part: bool = False, **header: Any
) -> Any:
    """Mount the instrument of a page; the address follows its timeline once that has settled.

    Args:
        shown: The run.
        page: Which instrument; also Streamlit's key.
        body: Its payload.
        content: Names the payload: a new name rebuilds the instrument at the timeline's current
            step.
        part: Whether this is called in a fragment, which is all that a pick draws anew.
        header: More small values for the instrument.

    Returns:
        The component's result; `picked(page)` gives the last pick.
    """
    header = {
        "page": page,
        "id": content_id(shown, content),
        **({"live": shown.name} if shown.run.state == "training" else {}),
        **header,
        **_start(page, shown, content),
    }
    steps = shown.run.steps

    def at_step(step: Any) -> None:
        address.write(step=address.step_near(str(step), steps))

    def picked_something() -> None:
        value = _state(page).get("pick")
        if value is not None:
            st.session_state[f"picked_{page}"] = value
        if part and exporting.shows_figures():
            st.rerun()

    def with_choices(choices: Any) -> None:
        kept = _kept(choices, shown.run)
        # what a page lets be chosen
        own = {"formation": tuple(kept), "heads": ("split", "present")}.get(page, ("present",))
        address.write(**{name: kept[name] for name in own})

    def stepped() -> None:
        _follow(page, "step", at_step)
        if part:
            st.rerun()

    def chosen() -> None:
        _follow(page, "kept", with_choices)

    if _is_new(page, "step") or _is_new(page, "kept"):
        _follow(page, "step", at_step)
        _follow(page, "kept", with_choices)
        st.rerun()  # the page was drawn for the address before
    return mount(header, body, key=page, on_step=stepped, on_pick=picked_something, on_kept=chosen)


def content_id(shown: Shown, content: str = "") -> str:
    """Names the payload of an instrument: of which run, and which of its contents."""
    return f"{shown.at.id}:{content}"


def _follow(page: str, name: str, write: Callable[[Any], None]) -> None:
    """Write a value of an instrument to the address, and note last of all that this was done.

    The next request interrupts a callback at its first use of the session's state, and Streamlit
    does not call it again.
    """
    value = _state(page).get(name)
    if value is not None:
        write(value)
    st.session_state[f"followed_{page}_{name}"] = value


def _is_new(page: str, name: str) -> bool:
    value = _state(page).get(name)
    return value is not None and value != st.session_state.get(f"followed_{page}_{name}")


@st.cache_resource(max_entries=4, show_spinner=False, hash_funcs={Stamp: str})
def timeline_of(at: Stamp) -> Payload:
    """What every page's timeline needs to know of a run."""
    return timeline_payload(opened(at), results_of(at)[0])


def picked(page: str) -> Any:
    """The last pick in the instrument of a page; None if there was none."""
    return st.session_state.get(f"picked_{page}")


def _kept(choices: Any, run: Run) -> dict[str, str | None]:
    """Choices made in the instrument, for the address; defaults are left out."""
    chosen = choices or {}
    split, circuit = chosen.get("split"), chosen.get("circuit")
    return {
        "split": split if split != FIRST_SPLIT and split in run.corpus.splits else None,
        "circuit": circuit if circuit == "edges" else None,
        "tour": _stop_of(chosen.get("tour")),
        "present": _panel_of(chosen.get("present")),
    }


def _stop_of(wanted: Any) -> str | None:
    """A stop of the tour, from 1; there are never more than nine."""
    text = str(wanted or "")
    return text if re.fullmatch("[1-9]", text) else None


def _panel_of(wanted: Any) -> str | None:
    """The name of a panel, which only the browser knows."""
    text = str(wanted or "")
    return text if re.fullmatch(r"[a-z0-9-]{1,60}", text) else None


def _state(page: str) -> dict[str, Any]:
    return dict(st.session_state.get(page) or {})


def _start(page: str, shown: Shown, content: str) -> dict[str, Any]:
    """Header fields `step`, `split`, `circuit` and `jump`.

    They do not change while the user moves the timeline, so that the payload is not sent again.
    They change when the address changes, another run or content is chosen, the run's training ends,
    or the page is entered.
    """
    cause = (shown.name, address.moved(), content, shown.run.state)
    known = st.session_state.get(f"start_{page}")
    if st.session_state.get("instrument_shown") != page:
        known, st.session_state["instrument_shown"] = None, page
    if known is None or known[0] != cause:
        asked = _kept(address.read(), shown.run)
        begin = {"step": shown.step, "jump": str(cause[:2])}
        begin |= {"split": asked["split"] or FIRST_SPLIT, "circuit": asked["circuit"]}
        begin |= {"tour": int(asked["tour"] or 0), "present": asked["present"]}
        known = (cause, begin)
        st.session_state[f"start_{page}"] = known
    if shown.run.state == "training" and shown.step == shown.run.steps[-1]:
        known[1]["step"] = shown.step  # a timeline that stands there goes on with the run
    return dict(known[1])
