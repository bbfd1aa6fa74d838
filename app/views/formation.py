"""Formation: the circuit, accuracy, edge strengths and maps at one step of training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from app.instrument.payload import formation_payload
from app.views import frame
from app.views.importing import load
from app.views.opened import Stamp, opened, results_of
from app.views.stage import show_instrument

if TYPE_CHECKING:
    import xarray as xr

READING = (
    "Move along training with the timeline, the arrow keys or play: discs show what can be read "
    "in a state (b bridge, r2 relation, t answer), widths how much the answer depends on it."
)
FOUND = (
    "Show the discovered circuit: edges between components that do more than their placebos, by "
    "path patching (dashed: against the answer)"
)


def page() -> None:
    """Draw the page."""
    frame.page(READING, _formation)


def _formation(shown: frame.Shown) -> None:
    datasets, problems = results_of(shown.at)
    show_instrument(shown, "formation", _payload(shown.at), split="id_test")
    for problem in problems:
        st.warning(problem, icon=":material/query_stats:")
    if "circuit_discovery" in datasets and st.toggle(FOUND, key="found_circuit"):
        _found_circuit(datasets["circuit_discovery"], shown.step)


def _found_circuit(ds: xr.Dataset, step: int) -> None:
    """The figure of circuit discovery at the checkpoint where the timeline rests."""
    measured = ds["step"].values.tolist()
    nearest = min(measured, key=lambda other: abs(other - step))
    figures = load("analyses.figures")
    splits = [str(name) for name in ds["split"].values]
    split = "id_test" if "id_test" in splits else splits[0]
    spec = figures.figure(ds, "found_circuit", nearest, split=split)
    theme = "dark" if st.context.theme.type == "dark" else "light"
    st.plotly_chart(figures.to_plotly(spec, theme=theme), theme=None, key="found_circuit_chart")


@st.cache_resource(max_entries=4, show_spinner="Drawing the run ...", hash_funcs={Stamp: str})
def _payload(at: Stamp) -> bytes:
    datasets, _ = results_of(at)
    return formation_payload(opened(at), datasets)
