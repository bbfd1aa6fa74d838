"""Data: the graph around an entity, phi_r before and after, facts by provenance, splits."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import streamlit as st

from analyses.figures.words import ORIGINS, split_of
from app.instrument.component import mount
from app.instrument.payload import dump
from app.logic.data_tables import facts_table, matching, relations_table, splits_table
from app.logic.name_index import NameIndex
from app.logic.neighbourhood import around_payload, neighbourhood
from app.logic.question_book import SEARCHED
from app.shell import address, frame
from app.shell.choosing import book_of, choose_name
from app.shell.opened import Stamp, opened
from app.shell.plain_text import as_text
from app.shell.stage import show_instrument, timeline_of
from circuits.graph.knowledge_graph import PROVENANCES
from circuits.runs.run import Run

if TYPE_CHECKING:
    from analyses.figures.specs.charts import Spec
    from analyses.figures.specs.facts import Table

READING = "The facts of the run: click a name in the graph to go on from there"
FEW = 10
"""Rows up to which a table is as high as they are."""
PHI = "phi_r: how many two-hop facts run through a relation for each of its facts"


def page() -> None:
    """Draw the page."""
    frame.page(_reading, _data)


def _reading(run: Run) -> str:
    return f"{READING}; {PHI}." if run.corpus.task == "composition" else f"{READING}."


def _data(shown: frame.Shown) -> list[Spec]:
    show_instrument(shown, "compact", dump(timeline_of(shown.at)))
    run = shown.run
    around, relations, facts, splits, report = st.tabs(
        ["Around an entity", "Relations", "Facts", "Splits", "Report"]
    )
    figures: list[Spec] = []
    with around:
        figures.append(_around(shown))
    with relations:
        figures.append(_relations(run, shown.name))
    with facts:
        figures.append(_facts(shown))
    with splits:
        table = splits_table(run, shown.name, shown.step)
        figures.append(table)
        row = _show_table(table, key="splits_rows")
        if row is not None:
            _ask_example(shown, list(run.corpus.splits)[row])
        for note in run.corpus.report.get("notes", []):
            st.caption(as_text(note))
    with report:
        st.json(run.corpus.report, expanded=2)
    return figures


@st.cache_resource(max_entries=6, show_spinner=False, hash_funcs={Stamp: str})
def _entities(at: Stamp) -> tuple[NameIndex, int]:
    """The entities of a run, and of those with facts of their own the one with most facts."""
    graph = opened(at).graph
    own, named = (
        np.bincount(graph.facts[:, columns].ravel(), minlength=len(graph.entities))
        for columns in ([0], [0, 2])
    )
    start = int(np.where(own > 0, named, 0).argmax())
    return NameIndex(range(len(graph.entities)), graph.entities), start


def _around(shown: frame.Shown) -> Spec:
    graph = shown.run.graph
    index, most_known = _entities(shown.at)
    wanted = address.read().get("entity")
    if wanted is not None and wanted not in graph.entities:
        st.warning(as_text(f"There is no entity called {wanted[:60]!r} in this graph."))
        wanted = None
    start = most_known if wanted is None else graph.entity(wanted)
    st.session_state["entity"] = start
    entity = choose_name(
        st.container(),
        index,
        "Entity",
        "entity",
        start,
        on_change=lambda: address.write(entity=index.name(st.session_state["entity"])),
        bare=True,
    )
    if entity != start:  # the typed text selects another one
        address.write(entity=index.name(entity))
    spec = neighbourhood(graph, entity, shown.name)
    body = dump(around_payload(spec))
    header = {"page": "around", "id": hashlib.sha256(body).hexdigest()[:12]}
    mount(header, body, key="around", on_pick=_go_to_picked)
    return spec


def _go_to_picked() -> None:
    name = dict(st.session_state.get("around") or {}).get("pick")
    if name is not None:
        address.write(entity=name)


def _relations(run: Run, name: str) -> Table:
    report = run.corpus.report.get("augmentation", {})
    whole = {
        "phi before augmentation": report.get("phi_before"),
        "phi after augmentation": report.get("phi_after"),
        "phi that is trained": run.corpus.report.get("phi_trained"),
    }
    if run.corpus.task == "comparison":
        whole = {"Trained comparisons per fact": whole["phi that is trained"]}
    elif not len(run.corpus.queries("train_inferred")):
        whole = {}  # what was trained on is unknown
    for column, (label, value) in zip(st.columns(3), whole.items(), strict=False):
        column.metric(label, "–" if value is None else f"{value:.2f}")
    table = relations_table(run, name)
    _show_table(table, height=400 if len(table.rows) > FEW else "auto")
    return table


def _facts(shown: frame.Shown) -> Table:
    run = shown.run
    graph = run.graph
    left, right = st.columns([2, 3], vertical_alignment="bottom")
    words = left.text_input("Search facts", key="fact_words", placeholder=book_of(shown.at).example)
    origins = right.pills(
        "Provenance",
        [p for p in PROVENANCES if graph.count(p)],
        format_func=lambda p: f"{ORIGINS[p]} ({graph.count(p):,})",
        selection_mode="multi",
        key="fact_origins",
    )
    keep = matching(graph, words, origins)
    table = facts_table(run, shown.name, keep, words)
    st.caption(as_text(f"{table.subtitle}; choose a row to ask a question about its fact"))
    row = _show_table(table, height=400, key="facts_rows")
    if row is not None:
        _ask_about(shown, int(np.flatnonzero(keep)[row]))
    return table


def _ask_about(shown: frame.Shown, fact: int) -> None:
    """Go to a question that uses a fact."""
    book, (subject, relation, _) = book_of(shown.at), shown.run.graph.facts[fact].tolist()
    question = book.question_with(subject, relation + book.vocab.first_relation)
    if question is None:
        st.info("No question that can be shown uses this fact.")
    else:
        address.go_to("question", question=book.names(question), donor=None)


def _ask_example(shown: frame.Shown, split: str) -> None:
    """Go to the first question of a split."""
    book = book_of(shown.at)
    if split not in SEARCHED or not len(shown.run.corpus.queries(split)):
        st.info(f"{split_of(split).words} are single facts or empty; choose another split.")
    else:
        address.go_to("question", question=book.names(book.tokens_at(split, 0)), donor=None)


def _show_table(
    table: Table, height: int | Literal["auto"] = "auto", key: str | None = None
) -> int | None:
    """The table with its numbers in the same form as in an exported picture.

    Returns:
        With a key, rows can be chosen: the one that was chosen, if any was.
    """
    kinds = {",": "localized", ".2f": "%.2f", ".1%": "percent"}
    config = {
        column: st.column_config.NumberColumn(format=kinds[kind])
        for column, kind in zip(table.columns, table.formats, strict=True)
        if kind
    }
    rows = table.frame().round(3)
    if key is None:
        st.dataframe(rows, hide_index=True, column_config=config, height=height, placeholder="–")
        return None
    event: Any = st.dataframe(
        rows, hide_index=True, column_config=config, height=height, key=key,
        on_select="rerun", selection_mode="single-row", placeholder="–",
    )  # fmt: skip
    chosen = event.selection.rows
    return int(chosen[0]) if chosen else None
