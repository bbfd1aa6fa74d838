"""The frame of every page: the run's name, where its facts come from, and errors as sentences."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from analyses.figures.words import first_split
from analyses.slices.slice import NoneInSlice, Slice
from app.logic.listed_names import split_names
from app.logic.run_words import facts_in_words
from app.shell import address, boxes, live
from app.shell.exporting import export_popover
from app.shell.folders import RunFolders, find_runs, runs_folder
from app.shell.opened import Stamp, opened, stamp
from app.shell.plain_text import as_text
from app.shell.slicing import in_words, slice_popover
from circuits.errors import HopscopeError
from circuits.runs.run import Run

if TYPE_CHECKING:
    from analyses.figures.specs.charts import Spec


ALL = Slice()
BOX = "run_choice"


class NothingToShow(HopscopeError):
    """A page that has nothing to show of a run, although nothing is wrong with the run."""


@dataclass(frozen=True)
class Shown:
    """The run that a page shows and its first step on the timeline."""

    name: str
    at: Stamp
    run: Run
    step: int
    """The checkpoint that the address names."""
    chosen: Slice = ALL
    """The questions that are looked at."""
    unknown: str = ""
    """The run of the address, if a page of several runs has none of this name."""


def page(
    reading: str | Callable[[Run], str],
    body: Callable[[Shown], Sequence[Spec] | None],
    *,
    choosing: bool = True,
    sliced: bool = True,
) -> None:
    """Show the frame and then `body`; every error a user can meet becomes a sentence.

    Args:
        reading: One sentence on how to read the page, or a function that makes it from the run.
        body: Draws the page for the chosen run; returns what it shows besides the run's own
            figures, for export.
        choosing: Whether the page shows one run, which is chosen and described here.
        sliced: Whether it looks at the questions of the chosen slice.
    """
    parameters = address.read()
    if choosing:
        _go_to_picked()
    folders = find_runs()
    *first, right, slicer, corner = st.columns(
        [2, 5.8, 1.6, 1.6] if choosing else [10, 0.01, 1.2], vertical_alignment="center"
    )
    asked = parameters.get("run") or ""
    unknown = "" if choosing or asked in folders.paths else asked
    name = (
        _choose(folders, parameters.get("run"), first[0])
        if choosing
        else _first_of_several(folders, parameters)
    )
    for problem in folders.problems:
        st.warning(as_text(problem), icon=":material/folder_off:")
    if name is None:
        say_no_runs()
        return
    with errors_in_words(folders.paths[name]):
        at = stamp(folders.paths[name])
        run = opened(at)
        if not run.steps:
            raise HopscopeError("this run has no checkpoint yet; wait a moment and reload.")
        near = address.step_near(parameters.get("step"), run.steps)
        step = live.gone_on(st.session_state.get("newest"), name, near, run.steps)
        st.session_state["newest"] = (name, run.steps[-1])
        address.write(run=name, step=step)
        words = reading if isinstance(reading, str) else reading(run)
        right.caption(f"{as_text(facts_in_words(run))} {words}" if choosing else words)
        if live.follow([folders.paths[name]]):
            st.caption(f"{as_text(name)} is being trained; the page follows it.")
        chosen = ALL
        if choosing and sliced:
            chosen = slice_popover(at, _split(run), step, slicer)
            line = st.empty()  # always there: what follows keeps its place and is not drawn anew
            if chosen:
                line.caption(as_text(in_words(at, _split(run), chosen)))
        figures = body(Shown(name, at, run, step, chosen, unknown)) or ()
        with corner:
            export_popover(at, step, _split(run), chosen, figures)


@contextmanager
def errors_in_words(run: Path) -> Iterator[None]:
    """Say in a sentence what a user can meet of errors; a fragment of a page needs its own."""
    try:
        yield
    except (NothingToShow, NoneInSlice) as told:
        st.info(as_text(str(told)))
    except HopscopeError as error:
        st.error(as_text(str(error)), icon=":material/error:")
        st.caption("Choose another run above, or repair this one and reload the page.")
    except OSError as error:
        _unreadable(error, run)


def _split(run: Run) -> str:
    """The split in the address, which the first page shows."""
    wanted = address.read().get("split")
    splits = run.corpus.splits
    return wanted if wanted is not None and wanted in splits else first_split(splits)


def _unreadable(error: OSError, run: Path) -> None:
    st.error(
        f"{as_text(str(error.filename or run))} cannot be read ({as_text(error.strerror or '')}): "
        "was the run moved or deleted "
        "while it was open? Reload the page or choose another run.",
        icon=":material/error:",
    )


def plain_page(reading: str, body: Callable[[], None]) -> None:
    """The frame of a page that is not about a single run.

    Args:
        reading: One sentence on how to read the page.
        body: Draws the page.
    """
    parameters = address.read()
    folders = find_runs()
    st.caption(reading)
    for problem in folders.problems:
        st.warning(as_text(problem), icon=":material/folder_off:")
    if parameters.get("run") in folders.paths:
        address.write()
    try:
        body()
    except HopscopeError as error:
        st.error(as_text(str(error)), icon=":material/error:")
    except OSError as error:
        words = f"{error.filename} cannot be used ({error.strerror})."
        st.error(as_text(words), icon=":material/error:")


def _choose(folders: RunFolders, wanted: str | None, column: DeltaGenerator) -> str | None:
    """The run's name; its chooser is drawn into the column."""
    names = list(folders.paths)
    if not names:
        return None
    if wanted is not None and wanted not in names:
        shown = wanted.encode("unicode_escape").decode()[:60]
        st.warning(as_text(f"There is no run called {shown!r} here; showing {names[0]!r} instead."))
    chosen = wanted if wanted in names else names[0]
    boxes.show(BOX, chosen)  # on another page the box begins with the first run
    column.selectbox("Run", names, key=BOX, label_visibility="collapsed")
    return chosen


def _first_of_several(folders: RunFolders, parameters: Mapping[str, str]) -> str | None:
    """The run that a page of several runs begins with: of the address, or one that can be opened.

    Such a page has no chooser to leave a broken run with.
    """
    wanted, several = parameters.get("run"), split_names(parameters.get("with") or "", ",")
    names = [n for n in (wanted, *several, *folders.paths) if n is not None and n in folders.paths]
    for name in names:
        with suppress(HopscopeError, OSError):
            if opened(stamp(folders.paths[name])).steps:
                return name
    return names[0] if names else None


def _go_to_picked() -> None:
    """Show the run that was chosen in the box, from its last step on."""
    name = boxes.picked(BOX)
    if name is not None:
        address.write(
            run=name, step=None, question=None, donor=None, saved=None, size=None, toggled=None
        )


def say_no_runs() -> None:
    """How to get a first run."""
    st.info(
        f"There is no run in {as_text(str(runs_folder()))} yet. `hopscope app --demo` makes a "
        "small one in a minute or two, `hopscope train demo` (or the Train page) the whole demo; "
        "then reload. A folder with runs is named by `hopscope app FOLDER`.",
        icon=":material/school:",
    )
