"""Slices: accuracy by group over training, and every analysis on a slice of the questions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from analyses.figures.words import words
from analyses.slices.errors import PAIR, groupings
from analyses.slices.slice import Slice
from analyses.stored import stored_results
from app.instrument.payload import dump
from app.logic.tables.sliced_results import error_table, readings_table
from app.shell import address, boxes, frame
from app.shell.choosing import book_of
from app.shell.markdown_table import markdown_table
from app.shell.opened import Stamp, opened
from app.shell.plain_text import as_text
from app.shell.slicing import hits_in, measured_splits
from app.shell.stage import show_instrument, timeline_of
from circuits.errors import HopscopeError

if TYPE_CHECKING:
    import xarray as xr

    from analyses.figures.specs.charts import Spec
    from analyses.figures.specs.facts import Table

READING = (
    "Which questions are answered when: choose a group to look at its questions alone, here and on "
    "every other page; the lines are its accuracy over training."
)
MOST_QUESTIONS = 60
FEW = 10
"""Groups below which the table is as high as its rows."""
KINDS = {",": "localized", ".2f": "%.2f", ".1%": "percent"}


def page() -> None:
    """Draw the page."""
    _take_over()
    frame.page(READING, _slices)


def _slices(shown: frame.Shown) -> list[Spec]:
    show_instrument(shown, "compact", dump(timeline_of(shown.at)))
    measured = measured_splits(shown.at)
    if not measured:
        st.info(
            "Which questions are answered correctly is read from the logit lens, which has not "
            "been run: press Measure on the page Train, or run "
            f"`hopscope analyze {shown.run.path}`."
        )
        return []
    wanted = address.read().get("split")
    questions = measured[wanted if wanted in measured else _first(list(measured))]
    kinds = groupings(questions)
    choices = st.container(horizontal=True, horizontal_alignment="distribute")
    asked = address.read().get("by")
    boxes.show("slice_by", asked if asked in kinds else kinds[0])
    by = choices.segmented_control(
        "Errors by", kinds, key="slice_by", format_func=words,
        label_visibility="collapsed", width="content",
    )  # fmt: skip
    boxes.show("slice_split", questions.split)
    choices.segmented_control(
        "Split", list(measured), key="slice_split", format_func=words,
        label_visibility="collapsed", width="content",
    )  # fmt: skip
    try:
        errors, curves = error_table(
            questions, by or kinds[0], shown.chosen, shown.step, shown.name
        )
    except HopscopeError as error:
        st.info(as_text(str(error)))
        return []
    if shown.run.corpus.text:
        st.caption("Right: the first token of the answer is the most probable one.")
    _errors(errors, curves, by or kinds[0], shown)
    _questions(shown)
    readings, silence = readings_table(
        _results(shown.at), questions, shown.chosen, shown.step, shown.name
    )
    st.markdown("**Every analysis on these questions**")
    st.caption(as_text(f"{readings.subtitle}."))
    _show(readings)
    if silence:
        st.caption(as_text(silence))
    return [errors, readings]


def _first(splits: list[str]) -> str:
    return "id_test" if "id_test" in splits else splits[0]


def _take_over() -> None:
    """Write what was chosen in the boxes into the address."""
    address.read()
    if (by := boxes.picked("slice_by")) is not None:
        address.write(by=by)
    if (split := boxes.picked("slice_split")) is not None:
        address.write(split=None if split == "id_test" else split)


@st.cache_resource(max_entries=4, show_spinner="Reading the results ...", hash_funcs={Stamp: str})
def _results(at: Stamp) -> dict[str, xr.Dataset]:
    return stored_results(opened(at))[0]


def _errors(table: Table, curves: list[list[float]], by: str, shown: frame.Shown) -> None:
    st.caption(as_text(f"{table.title}: {table.subtitle}. Choose a row to look at it alone."))
    rows = table.frame().round(3)
    rows["over training"] = curves
    config = _config(table) | {
        "over training": st.column_config.LineChartColumn(y_min=0, y_max=1, width="medium")
    }
    event: Any = st.dataframe(
        rows, hide_index=True, column_config=config, key=f"errors_{by}_{shown.chosen}",
        height="auto" if len(rows) < FEW else 330,
        on_select="rerun", selection_mode="single-row",
    )  # fmt: skip
    if event.selection.rows:
        group = str(table.rows[event.selection.rows[0]][0])
        address.write(slice=str(_narrowed(shown.chosen, by, group)))
        st.rerun()


def _narrowed(chosen: Slice, by: str, group: str) -> Slice:
    """The slice with the group as another condition."""
    if by == PAIR:
        names = group.split(" · ")
        return chosen.having(**{f"relation_{i + 1}": name for i, name in enumerate(names)})
    if by == "shortcut":
        return chosen.having(shortcut=group != "no shortcut")
    return chosen.having(**{by: group})


def _config(table: Table) -> dict[str, Any]:
    return {
        column: st.column_config.NumberColumn(format=KINDS[kind])
        for column, kind in zip(table.columns, table.formats, strict=True)
        if kind
    }


def _show(table: Table) -> None:
    """The readings as text, whose cells wrap: on a narrow page the grid hid the numbers."""
    rows = table.texts(len(table.rows))
    st.markdown(markdown_table(table.columns, rows, [bool(kind) for kind in table.formats]))


def _questions(shown: frame.Shown) -> None:
    """The questions of the slice; a chosen one is asked."""
    if not shown.chosen:
        return
    book, keep = book_of(shown.at), hits_in(shown.at, str(shown.chosen))
    hits = book.search("", MOST_QUESTIONS, keep)
    if not hits:
        return
    found = len(keep or ())
    more = f", the first {len(hits)}" if found > len(hits) else ""
    st.markdown("**Its questions**")
    st.caption(f"{found:,} of all splits{more}; choose one to ask it.")
    event: Any = st.dataframe(
        {"split": [words(hit.split) for hit in hits], "question": [hit.text for hit in hits]},
        hide_index=True, height=240, key=f"slice_questions_{shown.chosen}",
        on_select="rerun", selection_mode="single-row",
    )  # fmt: skip
    if event.selection.rows:
        tokens = book.tokens_of(hits[event.selection.rows[0]])
        address.go_to("question", question=book.names(tokens), donor=None)
