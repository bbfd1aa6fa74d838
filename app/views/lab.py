"""Patching lab: write activations of a donor question into another and see the answer change."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import streamlit as st

from app.instrument.packing import pack
from app.instrument.payload import POSITIONS, described, dump, label_of
from app.logic.question_book import QuestionBook
from app.shell import frame
from app.shell.choosing import book_of, choose_donor, choose_question
from app.shell.opened import model_of
from app.shell.page_figures import lab_figures
from app.shell.stage import picked, show_instrument, timeline_of

if TYPE_CHECKING:
    from analyses.figures.specs.charts import Spec
    from app.logic.patch_lab import Operation, Outcome

READING = (
    "Click cells to write the donor's activations there into the question's run; each cell says "
    "what writing it alone would do."
)
SHOWN = 7
"""Answers before and after."""
SOURCES = {"cache": "the donor's activation", "zero": "zero", "mean": "the donors' mean"}
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
    body, target, after = _patched(shown, book, receiver, donor, operation)
    show_instrument(shown, "lab", body, hashlib.sha256(body).hexdigest()[:12])
    left, right = st.columns(2)
    with left:
        _batch(shown, book, operation)
    with right:
        _script(shown, book, receiver, donor, operation, target, after)
    where = {
        "run": shown.name,
        "question": book.text(receiver),
        "donor": book.text(donor),
        "source": SOURCES[operation.source],
    }
    return lab_figures(body, shown.step, where)


def _choose_operation(n_heads: int, depth: int, n_positions: int) -> Operation:
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
) -> tuple[bytes, int, float]:
    """Payload of the instrument, the token that is watched, and its probability afterwards."""
    from app.logic import patch_lab

    model = model_of(shown.at, shown.step)
    asked = book.asked(receiver)
    swapped = book.swapped_answer(asked, book.asked(donor))
    result = patch_lab.outcome(model, receiver, donor, operation)
    target = swapped if swapped is not None else asked.answer
    if target is None:
        target = int(result.after.argmax())
    effect = patch_lab.grid(model, receiver, donor, operation, target)
    kinds = {asked.answer: ("✓", "answer"), swapped: ("⇄", "swap")}
    positions = described(book.corpus.queries("train_inferred").positions, POSITIONS)
    lab: dict[str, Any] = {
        "component": operation.component,
        "cells": [list(cell) for cell in operation.cells],
        "effect": pack(effect),
        "rows": [str(layer) for layer in range(len(effect))],
        "positions": [p["short"] for p in positions][: len(receiver)],
        "target": book.vocab.name(target),
        **_answers(book, result, kinds),
    }
    payload = dump({**timeline_of(shown.at), "lab": lab})
    return payload, target, float(result.after[target])


def _answers(
    book: QuestionBook, result: Outcome, kinds: dict[int | None, tuple[str, str]]
) -> dict[str, Any]:
    def rows(probabilities: Any) -> list[dict[str, Any]]:
        top = probabilities.topk(min(SHOWN, len(probabilities)))
        found = []
        for token, share in zip(top.indices.tolist(), top.values.tolist(), strict=True):
            mark, kind = kinds.get(token, ("", "baseline"))
            name = book.vocab.name(token)
            found.append({"name": name, "share": round(share, 5), "mark": mark, "kind": kind})
        return found

    return {"before": rows(result.before), "after": rows(result.after)}


def _batch(shown: frame.Shown, book: QuestionBook, operation: Operation) -> None:
    from app.logic import patch_lab

    splits = [s for s in ("id_test", "train_inferred", "ood_test") if s in book.corpus.splits]
    choice, button = st.columns([2, 2], vertical_alignment="bottom")
    split = choice.selectbox("The same on a split", splits, format_func=label_of, key="lab_split")
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


def _script(
    shown: frame.Shown,
    book: QuestionBook,
    receiver: tuple[int, ...],
    donor: tuple[int, ...],
    operation: Operation,
    target: int,
    after: float,
) -> None:
    from app.logic import patch_lab

    with st.expander("Copy as script", icon=":material/code:"):
        if not operation.cells:
            st.caption("Choose a cell first; then the script that reproduces the number is here.")
            return
        st.caption(f"Prints {book.vocab.name(target)} and {after:.6f}.")
        path = shown.run.path.resolve()
        text = patch_lab.script(
            path, shown.step, receiver, donor, operation, target, book.text(receiver)
        )
        st.code(text, language="python")
