"""One question: how the model answers it at every step, and what patching its bridge does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from app.logic.asking import ask_every_checkpoint
from app.logic.question_record import QuestionRecord
from app.shell import frame
from app.shell.choosing import book_of, choose_donor, choose_question, offered_swaps
from app.shell.importing import MODELS, load
from app.shell.opened import Stamp, one_thread, opened
from app.shell.slicing import hits_in
from app.shell.stage import show_instrument, timeline_of

if TYPE_CHECKING:
    from analyses.figures.specs.charts import Spec

READING = (
    "Choose a question; every state shows the name it would answer with, green the right answer, "
    "amber what has to be looked up on the way."
)


def page() -> None:
    """Draw the page."""
    frame.page(READING, _question)


def _question(shown: frame.Shown) -> list[Spec]:
    book = book_of(shown.at)
    *places, lender = st.columns([2.1, 4, 1.45, 4], vertical_alignment="bottom")
    swaps = offered_swaps(shown.at)
    first = swaps[0].question if swaps else None
    tokens = choose_question(
        book, "question", "question", places, first, hits_in(shown.at, str(shown.chosen))
    )
    if tokens is None:
        return []
    with lender:
        donor = choose_donor(book, tokens, swaps)
    record = _record(shown.at, shown.name, tokens, donor)
    body = record.payload(timeline_of(shown.at))
    show_instrument(shown, "question", body, f"{tokens}{donor}")
    return record.figures(shown.step)


@st.cache_resource(max_entries=24, show_spinner=False, hash_funcs={Stamp: str})
def _record(
    at: Stamp, name: str, tokens: tuple[int, ...], donor: tuple[int, ...] | None
) -> QuestionRecord:
    with st.spinner("Preparing the model ..."):
        load(MODELS)
    one_thread()
    run = opened(at)
    bar = st.progress(0.0, "Asking every checkpoint ...")

    def report(share: float) -> None:
        if round(100 * share) % 10 == 0:  # every message to the browser takes time
            bar.progress(share, f"Asking {len(run.steps)} checkpoints ...")

    record = ask_every_checkpoint(run, name, book_of(at), tokens, donor, report)
    bar.empty()
    return record
