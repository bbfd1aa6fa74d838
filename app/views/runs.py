"""Runs: all runs of the folder in a table, with tags, notes and recipe diff."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from app.logic.listed_names import join_names
from app.logic.tables.run_table import (
    BY_RECIPE,
    BY_STATE,
    BY_TAG,
    MOST_SETTINGS,
    RunRow,
    column_width,
    columns_of,
    differing_settings,
    grouped_rows,
    kept_rows,
    recipe_diff,
    run_row,
)
from app.shell import address, frame, live
from app.shell.folders import find_runs
from app.shell.plain_text import as_text
from circuits.errors import HopscopeError
from circuits.runs.notes import Notes, tags_of, write_notes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

READING = (
    "Every run of the folder: click a column's name to sort, choose rows to tag them, to see in "
    "what they differ, or to compare their curves."
)
FEW = 15
"""Runs up to which a table is as high as its rows."""
LONGEST, LONGEST_NAME = 300, 470
"""Pixels of the widest column of text, and of the column of names, which stays in view."""
TAG_GAP = " " * 5
"""As wide as what stands between two tags."""
LONGEST_SETTING = 190  # pixels
GROUPS = {BY_RECIPE: "seeds of one recipe", BY_STATE: "state", BY_TAG: "tag"}


def page() -> None:
    """Draw the page."""
    frame.plain_page(READING, _runs)


@st.cache_resource(max_entries=200, show_spinner=False)
def _row(name: str, path: str, seen: tuple[int, ...], notes: int) -> RunRow:
    return run_row(name, Path(path))


def _rows() -> list[RunRow]:
    return [
        _row(name, str(path), (live.is_locked(path), *live.grown([path])), _notes_at(path))
        for name, path in find_runs().paths.items()
    ]


def _notes_at(path: Path) -> int:
    try:
        return (path / "notes.json").lstat().st_mtime_ns
    except OSError:
        return 0


def _runs() -> None:
    rows = _rows()
    if not rows:
        frame.say_no_runs()
        return
    live.follow([row.path for row in rows])
    kept, keys = _filtered(rows)
    if not kept:
        st.info("No run fits; use fewer words, or another tag.")
        return
    chosen: list[RunRow] = []
    for heading, members in grouped_rows(kept, _grouping(keys)).items():
        if heading:
            st.markdown(f"**{as_text(heading)}** ({len(members)})")
        chosen += _table(heading, members, keys[:MOST_SETTINGS])
    for row in kept:
        if row.problem:
            st.caption(as_text(f"{row.name}: {row.problem}"))
    _about_chosen(list({row.name: row for row in chosen}.values()))


def _filtered(rows: Sequence[RunRow]) -> tuple[list[RunRow], list[str]]:
    keys = differing_settings(rows)
    text, tags, group, shown = st.columns([2.4, 2, 2, 1.2], vertical_alignment="bottom")
    words = text.text_input("Filter", key="runs_words", placeholder="name, tag or phi=9")
    known = sorted({tag for row in rows for tag in row.notes.tags})
    wanted = tags.multiselect("Tags", known, key="runs_tags", disabled=not known)
    group.selectbox(
        "Group", ["", *GROUPS, *keys], key="runs_group",
        format_func=lambda key: GROUPS.get(key, key) or "none",
    )  # fmt: skip
    with shown.popover("Settings", icon=":material/view_column:", width="stretch"):
        columns = st.multiselect(
            "Columns of settings in which the runs differ", keys, default=keys[:MOST_SETTINGS],
            key="runs_settings", max_selections=MOST_SETTINGS, wrap=True,
        )  # fmt: skip
    return kept_rows(rows, words, wanted), columns


def _grouping(keys: Sequence[str]) -> str | None:
    by = st.session_state.get("runs_group")
    return by if isinstance(by, str) and by else None


def _table(heading: str, rows: Sequence[RunRow], keys: Sequence[str]) -> list[RunRow]:
    columns = columns_of(rows, keys)
    event: Any = st.dataframe(
        columns, hide_index=True, column_config=_config(columns), key=f"runs_table_{heading}",
        on_select="rerun", selection_mode="multi-row",
        height="content" if len(rows) <= FEW else 560, placeholder="–",
    )  # fmt: skip
    return [rows[i] for i in event.selection.rows if i < len(rows)]


def _config(columns: Mapping[str, list[Any]]) -> dict[str, Any]:
    """How each column is drawn; text is as wide as its longest cell, so that none is cut."""
    config: dict[str, Any] = {
        "step": st.column_config.NumberColumn(format="localized", width="small"),
        **dict.fromkeys(
            ("trained %", "ID %", "OOD %"),
            st.column_config.NumberColumn(format="%.1f", width="small"),
        ),
        "ID over training": st.column_config.LineChartColumn(y_min=0, y_max=1, width=130),
        "n": st.column_config.NumberColumn(
            format="localized", width="small", help="Questions behind the ID accuracy."
        ),
        "MB": st.column_config.NumberColumn(format="%.1f", width="small"),
        "tags": st.column_config.ListColumn(
            width=column_width("tags", [TAG_GAP.join(tags) for tags in columns["tags"]], LONGEST)
        ),
    }
    for name, cells in columns.items():
        if name not in config:
            most = LONGEST_NAME if name == "run" else LONGEST
            width = column_width(name, cells, most)
            config[name] = st.column_config.TextColumn(width=width, pinned=name == "run" or None)
    return config


def _about_chosen(chosen: Sequence[RunRow]) -> None:
    if not chosen:
        st.caption("Choose one run to write tags and a note; two or more to compare them.")
        return
    left, right = st.columns([1.2, 2])
    with left, st.container(border=True):
        _notes(chosen)
    with right:
        _go(chosen)
        if len(chosen) > 1:
            diff = recipe_diff(chosen)
            st.caption(as_text(f"{diff.title}: {diff.subtitle}."))
            wide = {"setting": st.column_config.TextColumn(width=LONGEST_SETTING)}
            st.dataframe(diff.frame(), hide_index=True, width="stretch", column_config=wide)


def _go(chosen: Sequence[RunRow]) -> None:
    if len(chosen) == 1:
        if st.button("Open this run", icon=":material/hub:", disabled=not chosen[0].settings):
            address.go_to("formation", run=chosen[0].name, step=None)
    elif st.button("Compare their curves", icon=":material/stacked_line_chart:"):
        names = [row.name for row in chosen]
        st.session_state.pop("compared", None)
        address.go_to("compare", run=names[0], **{"with": join_names(names, ",")})


def _notes(chosen: Sequence[RunRow]) -> None:
    """Tags and note of one run, or a tag for several; written into their folders."""
    key = "+".join(row.name for row in chosen)
    if len(chosen) == 1:
        row = chosen[0]
        st.caption(as_text(f"Kept in {row.name}/notes.json."))
        tags = st.text_input(
            "Tags, between commas", ", ".join(row.notes.tags), key=f"notes_tags_{key}"
        )
        note = st.text_area("Note", row.notes.note, key=f"notes_note_{key}", height=110)
        if st.button("Save", type="primary", key=f"notes_save_{key}"):
            _save(chosen, lambda _: Notes(tags_of(tags), note))
        return
    st.caption(f"{len(chosen)} runs are chosen.")
    tag = st.text_input("Tag them all", key=f"notes_all_{key}")
    add, remove = st.columns(2)
    if add.button("Add", key=f"notes_add_{key}", disabled=not tag.strip()):
        _save(chosen, lambda old: Notes(tags_of([*old.tags, *tags_of(tag)]), old.note))
    if remove.button("Take off", key=f"notes_remove_{key}", disabled=not tag.strip()):
        gone = tags_of(tag)
        _save(chosen, lambda old: Notes(tuple(t for t in old.tags if t not in gone), old.note))


def _save(chosen: Sequence[RunRow], change: Any) -> None:
    try:
        for row in chosen:
            write_notes(row.path, change(row.notes))
    except HopscopeError as error:
        st.error(as_text(str(error)))
        return
    st.toast("Saved.")
    st.rerun()
