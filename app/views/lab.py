"""Patching lab: write activations of a donor question into another and see the answer change."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from analyses.figures.words import split_of
from app.logic.question_book import SEARCHED, QuestionBook
from app.shell import address, frame
from app.shell.choosing import book_of, choose_donor, choose_question, offered_swaps
from app.shell.opened import Stamp, model_of
from app.shell.plain_text import as_text
from app.shell.slicing import hits_in
from app.shell.stage import picked, show_instrument, timeline_of

if TYPE_CHECKING:
    from analyses.figures.specs.charts import Spec
    from app.logic.lab.patch_lab import Cell, DonorLens, Operation
    from app.logic.lab.record import LabRecord

READING = (
    "Drag a state of the donor to the question, or click cells, to write it there; each cell of "
    "the question says what writing it alone would do."
)
BATCH = 300


def page() -> None:
    """Draw the page."""
    frame.page(READING, _lab)


def _lab(shown: frame.Shown) -> list[Spec]:
    book = book_of(shown.at)
    *places, lender = st.columns([2.1, 4, 1.45, 4], vertical_alignment="bottom")
    swaps = offered_swaps(shown.at)
    first = swaps[0].question if swaps else None
    receiver = choose_question(
        book, "question", "question", places, first, hits_in(shown.at, str(shown.chosen))
    )
    if receiver is None:
        return []
    with lender:
        donor = choose_donor(book, receiver, swaps)
    if donor is None:
        return []
    with st.spinner("Preparing the model ..."):
        model = model_of(shown.at, shown.step)
    columns = book.prompts(receiver).role_columns[0].tolist()
    looked_up = book.asked(receiver).places(columns)[0]
    cell = next(((s.layer, s.position) for s in swaps if s.question == receiver), (2, looked_up))
    operation, metric = _choose_operation(model.cfg.n_heads, cell)
    return _at_cells(shown, book, receiver, donor, operation, metric) or []


@st.fragment
def _at_cells(
    shown: frame.Shown,
    book: QuestionBook,
    receiver: tuple[int, ...],
    donor: tuple[int, ...],
    operation: Operation,
    metric: str,
) -> list[Spec] | None:
    """All that depends on the chosen cells: a click on one draws this anew and nothing else."""
    from app.shell.lab_history import lab_history

    with frame.errors_in_words(shown.run.path):
        depth, prompts = model_of(shown.at, shown.step).depth, book.prompts(receiver)
        cells = _chosen_cells(operation.cells, depth, len(prompts.role_columns[0]))
        operation = replace(operation, cells=cells)
        record = _patched(shown, book, receiver, donor, operation, metric)
        body = record.payload(timeline_of(shown.at))
        content = hashlib.sha256(body).hexdigest()[:12]
        show_instrument(shown, "lab", body, content, part=True)
        _batch(shown, book, operation)
        _script(shown, record)
        lab_history(shown, record)
        return record.figures(shown.step)
    return None


def _choose_operation(n_heads: int, cell: tuple[int, int]) -> tuple[Operation, str]:
    """What is written, at first into this cell, and what the map shows; the address keeps both."""
    from app.logic.lab.metrics import METRICS
    from app.logic.lab.patch_lab import Operation
    from app.logic.lab.record import SOURCES
    from circuits.patching import COMPONENTS, HEAD_COMPONENTS

    _follow_the_address()
    left, middle, map_, right = st.columns([2, 2, 2.8, 2.2], vertical_alignment="bottom")
    _from_address("lab_component", "activation", COMPONENTS)
    component = left.selectbox("Activation", COMPONENTS, key="lab_component")
    _from_address("lab_source", "written", SOURCES)
    source = middle.selectbox(
        "What is written", list(SOURCES), format_func=SOURCES.__getitem__, key="lab_source"
    )
    _from_address("lab_metric", "metric", METRICS)
    metric = map_.selectbox(
        "The map shows", list(METRICS), format_func=_metric_in_words, key="lab_metric"
    )
    heads: tuple[int, ...] | None = None
    if component in HEAD_COMPONENTS:
        if "lab_heads" not in st.session_state:
            asked = address.read().get("heads", "").split(",")
            st.session_state["lab_heads"] = [h for h in range(n_heads) if str(h) in asked]
        chosen = right.pills(
            "Attention heads (none chosen: all)",
            list(range(n_heads)),
            selection_mode="multi",
            key="lab_heads",
        )
        heads = tuple(sorted(chosen)) or None
    address.write(
        activation=component if component != COMPONENTS[0] else None,
        written=source if source != next(iter(SOURCES)) else None,
        metric=metric if metric != next(iter(METRICS)) else None,
        heads=",".join(map(str, heads)) if heads else None,
    )
    return Operation(component, (cell,), heads, source), metric


def _chosen_cells(first: Sequence[Cell], depth: int, n_positions: int) -> tuple[Cell, ...]:
    """Where it is written, as clicked or in the address, which keeps it."""
    cells = picked("lab")
    if cells is None:
        cells = cells_in(address.read().get("cells"))
    if cells is None:
        cells = [(min(at, depth - 1), min(p, n_positions - 1)) for at, p in first]
    inside = sorted({(int(at), int(p)) for at, p in cells if at < depth and p < n_positions})
    address.write(cells=";".join(f"{at},{p}" for at, p in inside) or "none")
    return tuple(inside)


def cells_in(text: str | None) -> list[tuple[int, int]] | None:
    """Cells as the address has them, "layer,position;..." or "none"; None if there are none.

    >>> cells_in("1,1;0,2"), cells_in("none"), cells_in("nonsense"), cells_in(None)
    ([(1, 1), (0, 2)], [], None, None)
    """
    if text is None or text == "none":
        return None if text is None else []
    found = re.findall(r"(\d{1,4}),(\d{1,4})", text)
    return [(int(layer), int(position)) for layer, position in found] or None


def _follow_the_address() -> None:
    """Forget what was chosen on the page once the user has changed the address."""
    if st.session_state.get("lab_moved") != address.moved():
        st.session_state["lab_moved"] = address.moved()
        for key in ("picked_lab", "lab_component", "lab_source", "lab_metric", "lab_heads"):
            st.session_state.pop(key, None)


def _from_address(key: str, parameter: str, allowed: Collection[str]) -> None:
    """Begin a widget with what the address says, if that is allowed."""
    wanted = address.read().get(parameter)
    if key not in st.session_state and wanted in allowed:
        st.session_state[key] = wanted


def _metric_in_words(name: str) -> str:
    from app.logic.lab.metrics import METRICS

    return METRICS[name].title.format(X="swapped answer", A="own answer")


def _patched(
    shown: frame.Shown,
    book: QuestionBook,
    receiver: tuple[int, ...],
    donor: tuple[int, ...],
    operation: Operation,
    metric: str,
) -> LabRecord:
    """What the operation does at this step."""
    from app.logic.lab import patch_lab
    from app.logic.lab.record import LabRecord

    model = model_of(shown.at, shown.step)
    asked = book.asked(receiver)
    swapped = book.swapped_answer(asked, book.asked(donor))
    pair = book.prompts(receiver, donor)
    result = patch_lab.outcome(model, pair, operation, book.text_tokens)
    target = swapped if swapped is not None else asked.answer
    if target is None:
        target = int(result.after.argmax())
    own = None if asked.answer is None else book.first_token(asked.answer)
    effect, lens = _over_cells(
        shown.at, shown.step, receiver, donor, f"{operation.component} {operation.heads}",
        book.first_token(target), own, metric, operation,
    )  # fmt: skip
    marks = {asked.answer: ("✓", "answer"), swapped: ("⇄", "swap")}
    known = {token: mark for token, mark in marks.items() if token is not None}
    return LabRecord(
        shown.name, book, receiver, donor, operation, result, target, effect, known,
        asked.answer, metric, lens,
    )  # fmt: skip


@st.cache_resource(max_entries=32, show_spinner=False, hash_funcs={Stamp: str})
def _over_cells(
    at: Stamp,
    step: int,
    receiver: tuple[int, ...],
    donor: tuple[int, ...],
    written: str,
    target: int,
    own: int | None,
    metric: str,
    _operation: Operation,
) -> tuple[np.ndarray, DonorLens | None]:
    """The grid and the lens on the donor, which stay while cells are chosen; key: `written`."""
    from app.logic.lab import patch_lab

    model, pair = model_of(at, step), book_of(at).prompts(receiver, donor)
    effect = patch_lab.grid(model, pair, _operation, target, own, metric)
    states = _operation.component == "resid_pre"
    return effect, patch_lab.donor_lens(model, pair[1:]) if states else None


def _batch(shown: frame.Shown, book: QuestionBook, operation: Operation) -> None:
    from app.logic.lab import patch_lab

    splits = [s for s in SEARCHED[:4] if len(book.corpus.splits.get(s, ()))]
    choice, button, _ = st.columns([2, 2, 4], vertical_alignment="bottom")
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
    judged = "answers" if book.text_tokens is None else "answers, judged by their first tokens,"
    words = f"**{share:.1%}** of {found.n} {judged} change (95% interval {low:.1%} to {high:.1%})."
    if found.swapped is not None:
        share, low, high = found.swapped
        words += (
            f" **{share:.1%}** of {found.n_swappable} become what {book.lent} of the donor gives "
            f"({low:.1%} to {high:.1%})."
        )
    st.markdown(words)


def _script(shown: frame.Shown, record: LabRecord) -> None:
    from app.logic.lab import patch_lab

    book = record.book
    box = st.expander("Copy as script", icon=":material/code:", key="lab_script", on_change="rerun")
    if not box.open:
        return
    with box:
        if not record.operation.cells:
            st.caption("Choose a cell first; then the script that reproduces the number is here.")
            return
        name = as_text(book.begun(record.target))
        if book.text_tokens is None:
            st.caption(f"Prints {name} and {float(record.outcome.after[record.target]):.6f}.")
        else:
            st.caption(f"Prints {name} and the probability of this first token.")
        text = patch_lab.script(
            shown.run.path.resolve(), shown.step, book, record.receiver, record.donor,
            record.operation, record.target,
        )  # fmt: skip
        st.code(text, language="python")
