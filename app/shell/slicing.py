"""The slice of questions that a session looks at: chosen in the frame, kept in the address."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from analyses.figures.words import split_of
from analyses.slices.absent import none_in, unknown_names
from analyses.slices.errors import learned_ranges
from analyses.slices.properties import SplitQuestions
from analyses.slices.slice import NEVER, WORDS, NoneInSlice, Slice
from app.instrument.component import choose_slice
from app.instrument.value_fields import SliceCondition
from app.logic.question_book import SEARCHED
from app.logic.tables.sliced_results import (
    OnSlice,
    conditions_of,
    measured_in,
    on_slice,
    rows_of,
    slice_of,
)
from app.shell import address
from app.shell.opened import Stamp, opened, results_of
from app.shell.plain_text import as_text
from circuits.errors import HopscopeError

if TYPE_CHECKING:
    import xarray as xr

MOST_LISTED = 60
"""The most names in a list to choose from; of more, one is typed, with suggestions."""
MOST_SUGGESTED = 1000
"""The most names that are sent to the browser."""
NO_ROWS = np.zeros(0, np.int64)
PANEL = "slice_panel"
TOLD = "slice_told"


def chosen_slice() -> Slice:
    """The slice in the address; all questions if that cannot be read."""
    try:
        return Slice.parse(address.read().get("slice", ""))
    except HopscopeError as error:
        st.warning(as_text(f"The slice in the address cannot be read: {error}"))
        address.write(slice=None)
        return Slice()


@st.cache_resource(max_entries=24, show_spinner=False, hash_funcs={Stamp: str})
def questions_of(at: Stamp, split: str) -> SplitQuestions:
    """The questions of a split with what is stored of each."""
    datasets: Mapping[str, xr.Dataset] = results_of(at)[0]
    return SplitQuestions(opened(at), split, datasets.get)


def measured_splits(at: Stamp) -> dict[str, SplitQuestions]:
    """The splits whose answers are stored."""
    lens = results_of(at)[0].get("logit_lens")
    if lens is None or "rank_example" not in lens:
        return {}
    return {str(split): questions_of(at, str(split)) for split in lens["split"].values}


@st.cache_resource(max_entries=32, show_spinner=False, hash_funcs={Stamp: str})
def results_on(at: Stamp, written: str) -> OnSlice:
    """The drawn results on a slice (as `str` writes it)."""
    return on_slice(results_of(at)[0], measured_splits(at), Slice.parse(written))


@st.cache_resource(max_entries=32, show_spinner=False, hash_funcs={Stamp: str})
def hits_in(at: Stamp, written: str) -> frozenset[int] | None:
    """Places in the list of all questions that are in the slice; None: all are."""
    chosen, corpus = Slice.parse(written), opened(at).corpus
    if not chosen:
        return None
    found, before = [], 0
    for split in (name for name in SEARCHED if name in corpus.splits):
        found.append(rows_of(questions_of(at, split), chosen) + before)
        before += len(corpus.splits[split])
    return frozenset(np.concatenate(found).tolist())


def in_words(at: Stamp, split: str, chosen: Slice) -> str:
    """How many questions of a split are in the slice; that there are none, and what to do."""
    if wrong := names_without_questions(at, str(chosen)):
        return " ".join(wrong.values())
    questions = questions_of(at, split)
    try:
        rows = questions.rows(chosen)
    except NoneInSlice:
        rows = NO_ROWS
    except HopscopeError as error:  # what it asks is not stored
        return str(error)
    counts = measured_in(measured_splits(at), chosen)
    if not len(rows):
        there = (split_of(name).words for name, (known, _) in counts.items() if known)
        return str(none_in(chosen, split_of(split).words, there))
    every = len(questions.queries)
    words = f"Slice: {chosen.words}: {len(rows):,} of {every:,} questions of this split"
    if split not in counts:
        return f"{words}; none of its analyses has been run for it."
    known, measured = counts[split]
    return f"{words}, {known:,} of the {measured:,} that the analyses ask."


@st.cache_resource(max_entries=32, show_spinner=False, hash_funcs={Stamp: str})
def names_without_questions(at: Stamp, written: str) -> dict[str, str]:
    """A sentence on each condition of a slice whose name no question of the run has."""
    return unknown_names(opened(at), Slice.parse(written))


def slice_popover(at: Stamp, split: str, step: int, place: DeltaGenerator) -> Slice:
    """The button with the conditions of the slice; the address follows them."""
    _take_over()
    chosen = chosen_slice()
    # always one label: with another one the popover would close while it is used
    box = place.popover("Slice", icon=":material/filter_alt:", width="stretch")
    with box:
        if not st.toggle("Choose questions", key="slice_open", value=bool(chosen)) and not chosen:
            st.caption(
                "Conditions on questions: relation, bridge, shortcut, right or wrong, when learned."
            )
            return chosen
        wrong = names_without_questions(at, str(chosen))
        conditions, note = _conditions(questions_of(at, split), chosen, step, wrong)
        said: Any = {"conditions": conditions, "chosen": conditions_of(chosen)}
        said["note"] = note.replace("`", "").replace(f"of {split} ", f"of {split_of(split).short} ")
        choose_slice(said | {"told": told()}, key=PANEL)
    return chosen


def told() -> int:
    """How many choices in the panel the address follows."""
    return int(st.session_state.get(TOLD, 0))


def choosing() -> bool:
    """Whether the session has come to look at slices."""
    return bool(st.session_state.get("slice_open")) or "slice" in address.read()


def _take_over() -> None:
    """Write what was chosen in the panel into the address, and note last of all that this was done.

    In a callback the next choice could interrupt it, and Streamlit does not call one again.
    """
    said = (st.session_state.get(PANEL) or {}).get("chosen") or {}
    if said.get("told", 0) <= told():
        return
    try:
        address.write(slice=str(slice_of(said["conditions"])) or None)
    except HopscopeError as error:
        st.warning(as_text(str(error)))
    st.session_state[TOLD] = said["told"]


def _conditions(
    questions: SplitQuestions, chosen: Slice, step: int, wrong: Mapping[str, str]
) -> tuple[list[SliceCondition], str]:
    """What can be chosen, with what is wrong with what was, and why not more."""
    now = conditions_of(chosen)
    found = [
        _condition(
            name,
            WORDS[name].capitalize(),
            {n: n for n in questions.asked(name)},
            now,
            wrong.get(name) or _elsewhere(questions, name, now),
        )
        for name in questions.named
        if name != "answer" or chosen.answer
    ]
    without_box = " ".join(why for name, why in wrong.items() if name not in questions.named)
    yes_or_no = {"yes": "yes", "no": "no"}
    found.append(_condition("shortcut", "A shortcut gives the answer", yes_or_no, now))
    try:
        ranges = learned_ranges(questions)
    except HopscopeError as error:
        return found, f"{without_box} {error}".strip()
    at = sorted({step, *([] if chosen.step is None else [chosen.step])})
    right = {f"{a}@{s}": f"{w} at step {s:,}" for s in at for a, w in RIGHT.items()}
    found.append(_condition("right", "Answered", right, now))
    learned = {name: _learned_words(name) for name in ranges}
    found.append(_condition("learned", "Right from then on", learned, now))
    return found, without_box


def _elsewhere(questions: SplitQuestions, name: str, now: Mapping[str, str]) -> str:
    """That questions of other splits alone have the chosen name; "" if that is not so."""
    if now.get(name) in (None, *questions.asked(name)):
        return ""
    return f"No question of {split_of(questions.split).words} has it; those of another split do."


def _condition(
    name: str, label: str, options: dict[str, str], now: Mapping[str, str], note: str = ""
) -> SliceCondition:
    typed = len(options) > MOST_LISTED
    if name in now and now[name] not in options:
        options = {now[name]: now[name], **options}
    pairs = [[value, words] for value, words in options.items()]
    if len(pairs) > MOST_SUGGESTED:
        pairs = []
    return {"name": name, "label": label, "options": pairs, "typed": typed, "note": note}


RIGHT = {"yes": "right", "no": "wrong"}


def _learned_words(name: str) -> str:
    if name == NEVER:
        return "never"
    first, _, last = name.partition("-")
    return f"from step {int(first):,} to {int(last):,} on"
