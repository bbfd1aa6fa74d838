"""The slice of questions that a session looks at: chosen in the frame, kept in the address."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from analyses.slices.errors import learned_ranges
from analyses.slices.properties import SplitQuestions
from analyses.slices.slice import NEVER, WORDS, Slice
from app.logic.question_book import SEARCHED
from app.logic.tables.sliced_results import OnSlice, measured_in, on_slice, rows_of
from app.shell import address
from app.shell.opened import Stamp, opened, results_of
from app.shell.plain_text import as_text
from circuits.errors import HopscopeError

if TYPE_CHECKING:
    import xarray as xr

MOST_LISTED = 1000
"""The most names that are sent to the browser; of more, one is typed."""
ANY = ""


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
    counts = measured_in(measured_splits(at), chosen)
    rows = rows_of(questions_of(at, split), chosen)
    every = len(opened(at).corpus.queries(split))
    if not len(rows):
        return f"No question of this split is in the slice ({chosen.words}); leave out a condition."
    words = f"Slice: {chosen.words}: {len(rows):,} of {every:,} questions of this split"
    if split not in counts:
        return f"{words}; none of its analyses has been run for it."
    known, measured = counts[split]
    return f"{words}, {known:,} of the {measured:,} that the analyses ask."


def slice_popover(at: Stamp, split: str, step: int, place: DeltaGenerator) -> Slice:
    """The button with the conditions of the slice; the address follows them."""
    chosen = chosen_slice()
    # always one label: with another one the popover would close while it is used
    box = place.popover("Slice", icon=":material/filter_alt:", width="stretch")
    with box:
        if not st.toggle("Choose questions", key="slice_open", value=bool(chosen)) and not chosen:
            st.caption(
                "Conditions on questions: relation, bridge, shortcut, right or wrong, when learned."
            )
            return chosen
        questions = questions_of(at, split)
        _conditions(questions, chosen, step)
        if chosen:
            st.button("All questions", on_click=_clear, icon=":material/filter_alt_off:")
    return chosen


def _clear() -> None:
    address.read()
    address.write(slice=None)


def _conditions(questions: SplitQuestions, chosen: Slice, step: int) -> None:
    names = [name for name in questions.named if name != "answer" or chosen.answer]
    for name in names:
        options = _options(questions, name)
        now = getattr(chosen, name) or ANY
        key = f"slice_{name}"
        st.session_state[key] = now
        if len(options) > MOST_LISTED:
            st.text_input(WORDS[name].capitalize(), key=key, on_change=_changed, args=(name,))
            continue
        listed = [ANY, *options] if now in (ANY, *options) else [ANY, now, *options]
        st.selectbox(
            WORDS[name].capitalize(), listed, key=key, on_change=_changed, args=(name,),
            format_func=lambda value: value or "any",
        )  # fmt: skip
    _choose("shortcut", "A shortcut gives the answer", {"yes": "yes", "no": "no"}, chosen)
    try:
        ranges = learned_ranges(questions)
    except HopscopeError as error:
        st.caption(as_text(str(error)))
        return
    at = sorted({step, *([] if chosen.step is None else [chosen.step])})
    right = {f"{a}@{s}": f"{w} at step {s:,}" for s in at for a, w in RIGHT.items()}
    _choose("right", "Answered", right, chosen)
    learned = {name: _learned_words(name) for name in ranges}
    _choose("learned", "Right for good", learned, chosen)


RIGHT = {"yes": "right", "no": "wrong"}


def _learned_words(name: str) -> str:
    if name == NEVER:
        return "never"
    first, _, last = name.partition("-")
    return f"from step {int(first):,} to {int(last):,} on"


def _options(questions: SplitQuestions, name: str) -> list[str]:
    return sorted({str(value) for value in questions.names(name)})


def _choose(name: str, label: str, options: dict[str, str], chosen: Slice) -> None:
    value = getattr(chosen, name)
    now = ANY
    if value is not None:
        now = ("yes" if value else "no") if isinstance(value, bool) else value
        if name == "right" and chosen.step is not None:
            now = f"{now}@{chosen.step}"
    if now not in options and now != ANY:
        options = {now: now, **options}
    st.session_state[f"slice_{name}"] = now
    st.selectbox(
        label, [ANY, *options], key=f"slice_{name}", on_change=_changed, args=(name,),
        format_func=lambda value: options.get(value, "any"),
    )  # fmt: skip


def _changed(name: str) -> None:
    """Write the changed condition into the address, beside the others."""
    address.read()
    given = str(st.session_state[f"slice_{name}"]).strip()
    conditions: dict[str, Any] = {name: given or None}
    if name in ("shortcut", "right"):
        answer, _, step = given.partition("@")
        conditions = {name: {"yes": True, "no": False}.get(answer)}
        if name == "right":
            conditions["step"] = int(step) if step else None
    address.write(slice=str(chosen_slice().having(**conditions)) or None)
