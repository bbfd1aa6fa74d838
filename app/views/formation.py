"""Formation: the circuit, accuracy, edge strengths and maps at one step of training."""

from __future__ import annotations

import streamlit as st

from app.instrument import mount
from app.instrument.payload import formation_payload
from app.views import address, frame
from app.views.opened import Stamp, opened, results_of

READING = (
    "Move along training with the timeline, the arrow keys or play: discs show what can be read "
    "in a state (b bridge, r2 relation, t answer), widths how much the answer depends on it."
)


def page() -> None:
    """Draw the page."""
    frame.page(READING, _formation)


def _formation(shown: frame.Shown) -> None:
    _, problems = results_of(shown.at)
    key = "formation"
    start = frame.start_of_timeline(key, shown)
    header = {"page": "formation", "id": shown.at.id, "split": "id_test", **start}
    result = mount(header, _payload(shown.at), key=key)
    if result.step is not None and result.step != shown.step:
        address.write(step=address.step_near(str(result.step), shown.run.steps))
    for problem in problems:
        st.warning(problem, icon=":material/query_stats:")


@st.cache_resource(max_entries=4, show_spinner="Drawing the run ...", hash_funcs={Stamp: str})
def _payload(at: Stamp) -> bytes:
    datasets, _ = results_of(at)
    return formation_payload(opened(at), datasets)
