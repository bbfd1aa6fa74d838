"""Choosing questions of a run: by searching, by composing, and donors for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from analyses.figures.words import split_of
from app.logic.comparison_book import book_of_corpus
from app.logic.lab.example_swaps import ExampleSwap, example_swaps
from app.logic.name_index import NameIndex
from app.logic.question_book import QuestionBook
from app.shell import address
from app.shell.opened import Stamp, model_of, opened, results_of
from app.shell.plain_text import as_text
from circuits.errors import HopscopeError

MOST_LISTED = 1000
"""The most names that are all sent to the browser."""
MOST_FOUND = 60
"""Number of names that are sent if there are more."""


@st.cache_resource(max_entries=6, show_spinner="Reading the questions ...", hash_funcs={Stamp: str})
def book_of(at: Stamp) -> QuestionBook:
    """The questions of a run."""
    return book_of_corpus(opened(at).corpus)


def choose_question(
    book: QuestionBook,
    parameter: str,
    label: str,
    places: Sequence[DeltaGenerator],
    first: tuple[int, ...] | None = None,
    keep: frozenset[int] | None = None,
) -> tuple[int, ...] | None:
    """Search or compose a question; the address keeps the choice under `parameter`.

    Args:
        book: The run's questions.
        parameter: Name in the address and of the widgets.
        label: What the question is called on the page.
        places: Containers for the search, the found questions and the switch to composing.
        first: The question that is chosen at first; None: any.
        keep: Places of the questions of the slice; None: all.
    """
    search, found, switch = places
    composing = switch.toggle("Compose", key=f"{parameter}_composing")
    wanted = _from_address(book, parameter)
    if composing:
        with found:
            tokens: tuple[int, ...] | None = _compose(book, parameter, wanted)
    else:
        words = search.text_input(
            f"Search {label}", key=f"{parameter}_words", placeholder=book.example
        )
        tokens = _pick(book, parameter, label, words, wanted, found, first, keep)
    if tokens is not None:
        address.write(**{parameter: book.names(tokens)})
    return tokens


def _from_address(book: QuestionBook, parameter: str) -> tuple[int, ...] | None:
    names = address.read().get(parameter)
    if names is None:
        return None
    try:
        return book.parse(names)
    except HopscopeError as error:
        st.warning(as_text(f"The question in the address cannot be shown: {error}"))
        return None


def _pick(
    book: QuestionBook,
    parameter: str,
    label: str,
    words: str,
    wanted: tuple[int, ...] | None,
    column: DeltaGenerator,
    first: tuple[int, ...] | None,
    keep: frozenset[int] | None,
) -> tuple[int, ...] | None:
    hits = book.search(words, keep=keep)
    if not hits and keep is not None:
        column.info("No question of the slice fits; choose another slice or other words.")
        return wanted
    if not hits:
        column.info(as_text(f"No question contains {words!r}; try fewer words, or compose one."))
        return wanted
    options = {book.tokens_of(hit): f"{split_of(hit.split).short}: {hit.text}" for hit in hits}
    first = first or book.tokens_of(book.first)
    if keep is not None:  # a slice is chosen: begin inside it
        first = first if first in options else next(iter(options))
    for asked in (first, wanted):
        if asked is not None and asked not in options and not words:
            options = {asked: book.text(asked), **options}
    key = f"{parameter}_hit"
    chosen = st.session_state.get(key)
    if chosen not in options:
        start = wanted if wanted in options else first
        chosen = start if start in options else next(iter(options))
    _keep(key, chosen)
    every = len(book.hits) if keep is None else len(keep)
    return column.selectbox(
        f"{label.capitalize()} ({_counted(len(options), book.count(words, keep), every)})",
        list(options),
        format_func=options.__getitem__,
        key=key,
    )


def _counted(shown: int, found: int, every: int) -> str:
    """How many questions the list shows, of how many that were found."""
    if found == every:
        return f"{shown} of {every:,} shown; search all of them"
    return f"{found:,} of {every:,} found" + (f", the best {shown} shown" if found > shown else "")


def _compose(book: QuestionBook, parameter: str, wanted: tuple[int, ...] | None) -> tuple[int, ...]:
    start = book.named(wanted or book.tokens_of(book.first))
    columns = st.columns(len(start), vertical_alignment="bottom")
    tokens = []
    for i, (column, (label, index)) in enumerate(zip(columns, book.parts, strict=False)):
        tokens.append(choose_name(column, index, label, f"{parameter}_part_{i}", start[i]))
    return book.whole(tokens)


def choose_name(
    place: DeltaGenerator,
    index: NameIndex,
    label: str,
    key: str,
    start: int,
    *,
    on_change: Callable[[], None] | None = None,
    bare: bool = False,
) -> int:
    """One of the names; of very many, one of those that contain what is typed.

    Args:
        place: The container to draw into.
        index: The names.
        label: What is chosen.
        key: Streamlit's key.
        start: What is chosen at first.
        on_change: Called before the rerun after another choice.
        bare: Whether the label is only for screen readers.
    """
    hidden: dict[str, Any] = {"label_visibility": "collapsed"} if bare else {}
    options = index.keys
    known = st.session_state.get(key)
    chosen = start if known is None or known not in index else int(known)
    if len(index) > MOST_LISTED:
        typed = place.text_input(
            f"Search {label.lower()}", key=f"{key}_typed", placeholder=f"{len(index):,} names",
            label_visibility="collapsed",
        )  # fmt: skip
        options = index.search(typed, MOST_FOUND) or [chosen]
        if typed != st.session_state.get(f"{key}_searched", "") and chosen not in options:
            chosen = options[0]
        st.session_state[f"{key}_searched"] = typed
        options = options if chosen in options else [chosen, *options]
    _keep(key, chosen)
    return place.selectbox(
        label, options, format_func=index.name, key=key, on_change=on_change, **hidden
    )


def _keep(key: str, value: Any) -> None:
    """Set a widget's value, also where it is the same: on another page the widget of that key is
    a new one to Streamlit, and would begin with its first option."""
    st.session_state[key] = value


def offered_swaps(at: Stamp) -> list[ExampleSwap]:
    """A line with swaps to try: one that works and one that does not, if the run has both."""
    swaps, why = _example_swaps(at), ", and why" * (opened(at).corpus.task == "composition")
    if len(swaps) > 1:
        line = st.container(horizontal=True, vertical_alignment="center")
        line.caption("Try", width="content")
        for swap in swaps:
            words = "a swap that works" if swap.works else f"one that does not{why}"
            key = f"try_{swap.works}"
            line.button(words, key=key, type="tertiary", on_click=_go_to_swap, args=(at, swap))
    return swaps


@st.cache_resource(max_entries=6, show_spinner=False, hash_funcs={Stamp: str})
def _example_swaps(at: Stamp) -> list[ExampleSwap]:
    run, found = opened(at), results_of(at)[0]
    if run.corpus.task != "comparison":
        return example_swaps(book_of(at), found.get("bridge_patching"))
    tracing = found.get("causal_tracing")
    if tracing is None or int(tracing["step"][-1]) not in run.steps:
        return []
    model = model_of(at, int(tracing["step"][-1]))
    from app.logic.lab.comparison_swaps import comparison_swaps

    return comparison_swaps(book_of(at), tracing, model)


def _go_to_swap(at: Stamp, swap: ExampleSwap) -> None:
    book = book_of(at)
    address.read()
    address.write(question=book.names(swap.question), donor=book.names(swap.donor))
    st.session_state["question_hit"], st.session_state["donor_choice"] = swap.question, swap.donor
    st.session_state["question_words"] = ""
    st.session_state["question_composing"] = False


def can_lend(
    book: QuestionBook,
    donor: tuple[int, ...],
    tokens: tuple[int, ...],
    donors: Sequence[tuple[int, ...]],
) -> bool:
    """Whether the donor in the address, which may be that of another question, is kept."""
    if len(donor) != len(tokens) or donor == tokens:
        return False
    asked = book.asked(tokens)
    expected = book.swapped_answer(asked, book.asked(donor))
    return not donors or expected not in (None, asked.answer)


def choose_donor(
    book: QuestionBook, tokens: tuple[int, ...], swaps: Sequence[ExampleSwap] = ()
) -> tuple[int, ...] | None:
    """A question whose bridge or value can be lent to this one; the address keeps the choice.

    Of a question with an example swap, its donor is the one chosen at first.
    """
    asked = book.asked(tokens)
    first = [swap.donor for swap in swaps if swap.question == tokens]
    donors = [*first, *(donor for donor in book.donors(asked) if donor not in first)]
    wanted = _from_address(book, "donor")
    if wanted is not None and can_lend(book, wanted, tokens, donors):
        donors = [wanted, *(d for d in donors if d != wanted)]
    if not donors:
        apart = "" if book.text_tokens is None else " and change the answer's first token"
        st.caption(
            f"No other question can lend {book.lent} to this one{apart}, so nothing is swapped."
        )
        return None
    key = "donor_choice"
    chosen = st.session_state.get(key)
    _keep(key, chosen if chosen in donors else donors[0])

    def described(donor: tuple[int, ...]) -> str:
        answer = book.swapped_answer(asked, book.asked(donor))
        then = "?" if answer is None else book.name(answer)
        return f"{then} ⇐ {book.text(donor)}"

    donor = st.selectbox(
        "Donor, with the answer to expect",
        donors,
        format_func=described,
        key=key,
    )
    address.write(donor=book.names(donor))
    return donor
