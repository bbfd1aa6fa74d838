"""Formation: the circuit, accuracy, edge strengths and maps at one step of training."""

from __future__ import annotations

import streamlit as st

from app.instrument.payload import formation_payload
from app.shell import frame
from app.shell.opened import Stamp, opened, results_of
from app.shell.stage import show_instrument

READING = (
    "Move along training with the timeline, the arrow keys or play: discs show what can be read "
    "in a state ({symbols}), widths how much the answer depends on it."
)
SYMBOLS = {
    "composition": "b bridge, r2 relation, t answer",
    "comparison": "v1 and v2 the values compared, t answer",
}


def page() -> None:
    """Draw the page."""
    frame.page(lambda run: READING.format(symbols=SYMBOLS[run.corpus.task]), _formation)


def _formation(shown: frame.Shown) -> None:
    _, problems = results_of(shown.at)
    for problem in problems:
        st.warning(problem, icon=":material/query_stats:")
    show_instrument(shown, "formation", _payload(shown.at))


@st.cache_resource(max_entries=4, show_spinner="Drawing the run ...", hash_funcs={Stamp: str})
def _payload(at: Stamp) -> bytes:
    datasets, _ = results_of(at)
    return formation_payload(opened(at), datasets)
