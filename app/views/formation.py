"""Formation: the certificate, the circuit, accuracy, edge strengths and maps at one step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import streamlit as st

from analyses.figures.words import target_of
from analyses.stored import Reader, reader
from app.instrument.component import send_slice, send_values
from app.instrument.further import further_results
from app.instrument.payload import dump, formation_parts, lens_targets, sliced_payload
from app.logic.certificate_record import CertificateRecord, certificate_record
from app.logic.tables.question_values import MOST_BYTES, question_values, size_of
from app.logic.tables.sliced_results import conditions_of
from app.logic.tour import GuidedTour, tour_of
from app.shell import address, frame
from app.shell.markdown_table import markdown_table
from app.shell.opened import Stamp, opened, results_of, stamp
from app.shell.plain_text import as_text
from app.shell.slicing import choosing, measured_splits, results_on, told
from app.shell.stage import content_id, show_instrument, timeline_of
from circuits.runs.run import Run

if TYPE_CHECKING:
    import xarray as xr

READING = (
    "Move along training with the timeline, the arrow keys or play: discs show what can be read "
    "in a state ({symbols}; hatched: the answer cannot depend on it), widths how much the answer "
    "depends on it."
)


def page() -> None:
    """Draw the page."""
    frame.page(_reading, _formation)


def _reading(run: Run) -> str:
    lens = results_of(stamp(run.path))[0].get("logit_lens")
    targets = (target_of(name) for name in lens_targets(run, lens))
    return READING.format(symbols=", ".join(f"{t.symbol} {t.words}" for t in targets))


def _formation(shown: frame.Shown) -> None:
    _, problems = results_of(shown.at)
    for problem in problems:
        st.warning(as_text(problem), icon=":material/query_stats:")
    _certificate(shown)
    _say_what_the_tour_lacks(shown.at)
    show_instrument(shown, "formation", _payload(shown.at))
    _slice(shown)
    pages = st.session_state.get("pages") or {}
    if "circuit" in pages and "circuit_discovery" in results_of(shown.at)[0]:
        words = "Work with the circuit: remove edges, set a threshold, note and save"
        st.page_link(pages["circuit"], label=words, icon=":material/schema:")


def _slice(shown: frame.Shown) -> None:
    """The slice, and for whoever comes to choose one what the browser takes means of others from.

    Those values are sent once, and after the picture.
    """
    at = shown.at
    there = st.session_state.get("slice_values") == at.id
    chosen = "" if there else str(shown.chosen)
    name = f"{at.id}:{chosen}" if chosen else ""
    send_slice("formation", name, conditions_of(shown.chosen), told(), _on(at, chosen))
    if there or (choosing() and _fits(shown)):
        send_values("formation", content_id(shown), _values(at))
        st.session_state["slice_values"] = at.id
    else:
        send_values("formation", "", b"")


def _fits(shown: frame.Shown) -> bool:
    """Whether a browser can be given the values of single questions.

    Those of a run in training would be sent again with every checkpoint.
    """
    measured = shown.run.state != "training" and measured_splits(shown.at)
    return bool(measured) and size_of(results_of(shown.at)[0]) <= MOST_BYTES


@st.cache_resource(max_entries=4, show_spinner=False, hash_funcs={Stamp: str})
def _values(at: Stamp) -> bytes:
    return question_values(opened(at), results_of(at)[0], measured_splits(at))


@st.cache_resource(max_entries=4, show_spinner="Drawing the run ...", hash_funcs={Stamp: str})
def _payload(at: Stamp) -> bytes:
    tour = _tour(at)
    parts = formation_parts(opened(at), _derived(at), timeline_of(at))
    return dump({**parts, "tour": tour.sent} if tour else parts)


@st.cache_resource(max_entries=12, show_spinner=False, hash_funcs={Stamp: str})
def _on(at: Stamp, written: str) -> bytes:
    if not written:
        return dump({"measures": {}})
    found = results_on(at, written)
    return sliced_payload(opened(at), found.datasets, found.accuracy)


@st.cache_resource(max_entries=4, show_spinner=False, hash_funcs={Stamp: str})
def _tour(at: Stamp) -> GuidedTour | None:
    return tour_of(opened(at), _derived(at), _reader(at))


@st.cache_resource(max_entries=4, show_spinner=False, hash_funcs={Stamp: str})
def _derived(at: Stamp) -> Mapping[str, xr.Dataset]:
    return further_results(results_of(at)[0])


@st.cache_resource(max_entries=4, show_spinner=False, hash_funcs={Stamp: str})
def _reader(at: Stamp) -> Reader:
    """What tour and certificate both read is read once."""
    return reader(opened(at))


def _say_what_the_tour_lacks(at: Stamp) -> None:
    """A run that was asked for a tour which it cannot give, or not all of it."""
    place = st.container()  # always there, as that of the certificate: what follows stays
    if "tour" not in address.read():
        return
    tour = _tour(at)
    if tour is None:
        words = "The guided tour follows two-hop composition; this run learns something else."
        place.info(f"{words} The run textbook has it.", icon=":material/signpost:")
    elif tour.missing:
        place.info(as_text(tour.missing), icon=":material/signpost:")


def _certificate(shown: frame.Shown) -> None:
    """The verdict on what the accuracy curve means, folded away beside it."""
    place = st.container()
    if shown.run.corpus.task != "composition":
        return
    record = _record(shown.at, shown.step)
    if record.sentence is None:
        place.caption(as_text(record.missing))
        return
    with place.expander(as_text(record.heading), icon=":material/verified:"):
        st.markdown(as_text(record.sentence))
        heads = list(record.table[0])
        rows = [
            [f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row.values()]
            for row in record.table
        ]
        st.markdown(markdown_table(heads, rows, [head in ("share", "n") for head in heads]))
        st.caption(as_text(record.note))


@st.cache_resource(max_entries=8, show_spinner=False, hash_funcs={Stamp: str})
def _record(at: Stamp, step: int) -> CertificateRecord:
    return certificate_record(opened(at), at.path, step, _reader(at))
