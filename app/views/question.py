"""One question: how the model answers it at every step, and what patching its bridge does."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app.instrument import mount
from app.instrument.payload import dump, label_of, timeline_payload
from app.views import address, frame
from app.views.opened import Stamp, opened
from app.views.question_book import QuestionBook
from circuits.errors import HopscopeError

READING = (
    "Choose a question; every state shows the name it would answer with, green the right answer, "
    "orange the bridge."
)


def page() -> None:
    """Draw the page."""
    frame.page(READING, _question)


def _question(shown: frame.Shown) -> None:
    book = book_of(shown.at)
    *places, lender = st.columns([1.6, 4.2, 1.1, 4.2], vertical_alignment="bottom")
    tokens = choose_question(book, "question", "question", places)
    if tokens is None:
        return
    with lender:
        donor = _choose_donor(book, tokens)
    body = _payload(shown.at, tokens, donor)
    key = "one_question"
    header = {
        "page": "question",
        "id": f"{shown.at.id}:{tokens}:{donor}",
        **frame.start_of_timeline(key, shown),
    }
    if st.session_state.get("question_shown") != header["id"]:
        # A new question begins where the timeline rests, not where the last one began.
        st.session_state["question_shown"] = header["id"]
        header |= frame.start_of_timeline(key, shown, anew=True)
    result = mount(header, body, key=key)
    if result.step is not None and result.step != shown.step:
        address.write(step=address.step_near(str(result.step), shown.run.steps))


@st.cache_resource(max_entries=6, show_spinner="Reading the questions ...", hash_funcs={Stamp: str})
def book_of(at: Stamp) -> QuestionBook:
    """The questions of a run."""
    return QuestionBook(opened(at).corpus)


def choose_question(
    book: QuestionBook, parameter: str, label: str, places: Sequence[DeltaGenerator]
) -> tuple[int, ...] | None:
    """Search or compose a question; the choice is in the address under `parameter`.

    Args:
        book: The run's questions.
        parameter: Name in the address and of the widgets.
        label: What the question is called on the page.
        places: Where the search, the found questions and the switch to composing go.
    """
    search, found, switch = places
    composing = switch.toggle("Compose", key=f"{parameter}_composing")
    wanted = _from_address(book, parameter)
    if composing:
        with found:
            tokens: tuple[int, ...] | None = _compose(book, parameter, wanted)
    else:
        words = search.text_input(
            f"Search {label}", key=f"{parameter}_words", placeholder="e.g. France currency"
        )
        tokens = _pick(book, parameter, label, words, wanted, found)
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
        st.warning(f"The address asks for something else: {error}")
        return None


def _pick(
    book: QuestionBook,
    parameter: str,
    label: str,
    words: str,
    wanted: tuple[int, ...] | None,
    column: DeltaGenerator,
) -> tuple[int, ...] | None:
    hits = book.search(words)
    if not hits:
        column.info(f"No question contains all of {words!r}; try fewer words, or compose one.")
        return wanted
    options = {book.tokens_of(hit): f"{hit.text}   ({label_of(hit.split)})" for hit in hits}
    if wanted is not None and wanted not in options and not words:
        options = {wanted: book.text(wanted), **options}
    key = f"{parameter}_hit"
    if st.session_state.get(key) not in options:
        st.session_state[key] = wanted if wanted in options else next(iter(options))
    return column.selectbox(
        f"{label.capitalize()} ({len(options)} of {len(book.hits):,} shown)",
        list(options),
        format_func=options.__getitem__,
        key=key,
    )


def _compose(book: QuestionBook, parameter: str, wanted: tuple[int, ...] | None) -> tuple[int, ...]:
    vocab = book.vocab
    start = wanted or book.tokens_of(book.hits[0])
    columns = st.columns(len(start), vertical_alignment="bottom")
    names = ("Subject", "First relation", "Second relation", "Third relation")
    tokens = []
    for i, column in enumerate(columns):
        options = range(len(vocab.entities)) if i == 0 else _relation_tokens(book)
        key = f"{parameter}_part_{i}"
        if key not in st.session_state:
            st.session_state[key] = start[i]
        tokens.append(column.selectbox(names[i], options, format_func=vocab.name, key=key))
    return tuple(tokens)


def _relation_tokens(book: QuestionBook) -> range:
    first = book.vocab.first_relation
    return range(first, first + len(book.vocab.relations))


def _choose_donor(book: QuestionBook, tokens: tuple[int, ...]) -> tuple[int, ...] | None:
    asked = book.asked(tokens)
    donors = book.donors(asked)
    wanted = _from_address(book, "donor")
    if wanted is not None and len(wanted) == len(tokens) and wanted != tokens:
        donors = [wanted, *(d for d in donors if d != wanted)]
    if not donors:
        st.caption("No other question can lend its bridge to this one, so nothing is swapped.")
        return None
    key = "donor_choice"
    if st.session_state.get(key) not in donors:
        st.session_state[key] = donors[0]

    def described(donor: tuple[int, ...]) -> str:
        answer = book.swapped_answer(asked, book.asked(donor))
        then = "no answer known" if answer is None else book.vocab.name(answer)
        return f"{book.text(donor)}   (its bridge would make the answer: {then})"

    donor = st.selectbox(
        "Donor, whose states are swapped in", donors, format_func=described, key=key
    )
    address.write(donor=book.names(donor))
    return donor


@st.cache_resource(max_entries=24, show_spinner=False, hash_funcs={Stamp: str})
def _payload(at: Stamp, tokens: tuple[int, ...], donor: tuple[int, ...] | None) -> bytes:
    run, book = opened(at), book_of(at)
    with st.spinner("Preparing the model ..."):
        from app.views.question_trace import trace_question
    asked = book.asked(tokens)
    lent = None if donor is None else book.asked(donor)
    target = None if lent is None else book.swapped_answer(asked, lent)
    bar = st.progress(0.0, "Asking every checkpoint ...")

    def report(share: float) -> None:
        bar.progress(share, f"Asking {len(run.steps)} checkpoints ...")

    traced = trace_question(run.model, run.steps, asked, lent, target, report)
    bar.empty()
    used = {*asked.tokens, *(t for t in (asked.bridge, asked.answer, target) if t is not None)}
    if lent is not None:
        used |= {*lent.tokens, *(t for t in (lent.bridge,) if t is not None)}
    used |= {*traced.pop("tokens_named"), *(c["token"] for c in traced["curves"])}
    question = {
        **traced,
        "names": {str(t): book.vocab.name(t) for t in sorted(used)},
        "tokens": list(asked.tokens),
        "bridge": asked.bridge,
        "answer": asked.answer,
    }
    if lent is not None:
        short = " · ".join(book.vocab.name(t) for t in lent.tokens)
        question["donor"] = {"short": short, "bridge": lent.bridge, "swapped": target}
    return dump({**timeline_payload(run), "question": question})
