"""Patching lab: write activations of a donor question into another and see the answer change."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import streamlit as st

from analyses.figures.words import split_of
from app.logic.question_book import SEARCHED, QuestionBook
from app.shell import frame
from app.shell.choosing import book_of, choose_donor, choose_question
from app.shell.opened import model_of
from app.shell.plain_text import as_text
from app.shell.stage import picked, show_instrument, timeline_of

if TYPE_CHECKING:
    from analyses.figures.specs.charts import Spec
    from app.logic.lab_record import LabRecord
    from app.logic.patch_lab import Operation

READING = (
    "Click cells to write the donor's activations there into the question's run; each cell says "
    "what writing it alone would do."
)
BATCH = 300


def page() -> None:
    """Draw the page."""
    frame.page(READING, _lab)


def _lab(shown: frame.Shown) -> list[Spec]:
    book = book_of(shown.at)
    *places, lender = st.columns([1.4, 4.6, 1, 4.6], vertical_alignment="bottom")
    receiver = choose_question(book, "question", "question", places)
    if receiver is None:
        return []
    with lender:
        donor = choose_donor(book, receiver)
    if donor is None:
        return []
    with st.spinner("Preparing the model ..."):
        model = model_of(shown.at, shown.step)
    operation = _choose_operation(model.cfg.n_heads, model.depth, len(receiver))
    record = _patched(shown, book, receiver, donor, operation)
    body = record.payload(timeline_of(shown.at))
    show_instrument(shown, "lab", body, hashlib.sha256(body).hexdigest()[:12])
    left, right = st.columns(2)
    with left:
        _batch(shown, book, operation)
    with right:
        _script(shown, record)
    return record.figures(shown.step)


def _choose_operation(n_heads: int, depth: int, n_positions: int) -> Operation:
    from app.logic.lab_record import SOURCES
    from app.logic.patch_lab import Operation
    from circuits.patching import COMPONENTS, HEAD_COMPONENTS

    left, middle, right = st.columns([2, 2, 5], vertical_alignment="bottom")
    component = left.selectbox("Activation", COMPONENTS, key="lab_component")
    source = middle.selectbox(
        "What is written", list(SOURCES), format_func=SOURCES.__getitem__, key="lab_source"
    )
    heads: tuple[int, ...] | None = None
    if component in HEAD_COMPONENTS:
        chosen = right.pills(
            "Attention heads (none chosen: all)",
            list(range(n_heads)),
            selection_mode="multi",
            key="lab_heads",
        )
        heads = tuple(sorted(chosen)) or None
    cells = picked("lab")
    if cells is None:
        cells = [[min(2, depth - 1), min(1, n_positions - 1)]]
    inside = {(int(layer), int(p)) for layer, p in cells if layer < depth and p < n_positions}
    return Operation(component, tuple(sorted(inside)), heads, source)


def _patched(
    shown: frame.Shown,
    book: QuestionBook,
    receiver: tuple[int, ...],
    donor: tuple[int, ...],
    operation: Operation,
) -> LabRecord:
    """What the operation does at this step."""
    from app.logic import patch_lab
    from app.logic.lab_record import LabRecord

    model = model_of(shown.at, shown.step)
    asked = book.asked(receiver)
    swapped = book.swapped_answer(asked, book.asked(donor))
    result = patch_lab.outcome(model, receiver, donor, operation)
    target = swapped if swapped is not None else asked.answer
    if target is None:
        target = int(result.after.argmax())
    effect = patch_lab.grid(model, receiver, donor, operation, target)
    marks = {asked.answer: ("✓", "answer"), swapped: ("⇄", "swap")}
    known = {token: mark for token, mark in marks.items() if token is not None}
    return LabRecord(shown.name, book, receiver, donor, operation, result, target, effect, known)


def _batch(shown: frame.Shown, book: QuestionBook, operation: Operation) -> None:
    from app.logic import patch_lab

    splits = [s for s in SEARCHED[:4] if len(book.corpus.splits.get(s, ()))]
    choice, button = st.columns([2, 2], vertical_alignment="bottom")
    split = choice.selectbox(
        "The same on a split",
        splits,
        format_func=lambda name: split_of(name).short,
        key="lab_split",
    )
    n = min(BATCH, len(book.corpus.queries(split)))
    run = button.button(f"Patch {n} questions", icon=":material/stacks:", disabled=n < 2)
    if not run:
        return
    if not operation.cells:
        st.info("No cell is chosen, so nothing is written; click a cell of the grid first.")
        return
    with st.spinner(f"Patching {n} questions ..."):
        found = patch_lab.batch(model_of(shown.at, shown.step), book, split, operation, n, seed=0)
    share, low, high = found.changed
    words = f"**{share:.1%}** of {found.n} answers change (95% interval {low:.1%} to {high:.1%})."
    if found.swapped is not None:
        share, low, high = found.swapped
        words += (
            f" **{share:.1%}** of {found.n_swappable} become what {book.lent} of the donor gives "
            f"({low:.1%} to {high:.1%})."
        )
    st.markdown(words)


def _script(shown: frame.Shown, record: LabRecord) -> None:
    from app.logic import patch_lab

    book = record.book
    with st.expander("Copy as script", icon=":material/code:"):
        if not record.operation.cells:
            st.caption("Choose a cell first; then the script that reproduces the number is here.")
            return
        after = float(record.outcome.after[record.target])
        st.caption(f"Prints {as_text(book.name(record.target))} and {after:.6f}.")
        text = patch_lab.script(
            shown.run.path.resolve(), shown.step, record.receiver, record.donor,
            record.operation, record.target, book.text(record.receiver),
        )  # fmt: skip
        st.code(text, language="python")
