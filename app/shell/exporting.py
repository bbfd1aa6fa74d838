"""Export: any figure of page and run in a paper's size, and all of them as a ZIP.

The files are those that `hopscope export` writes, made by the same function in a temporary folder.
"""

from __future__ import annotations

import io
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from analyses.figures.words import capital, split_of
from analyses.slices.slice import Slice
from app.shell.importing import load
from app.shell.opened import Stamp, opened
from app.shell.plain_text import as_text
from app.shell.slicing import names_without_questions
from circuits.errors import HopscopeError

if TYPE_CHECKING:
    from analyses.figures.run_figures import RunFigure
    from analyses.figures.specs.charts import Spec

MIME = {
    "pdf": "application/pdf",
    "svg": "image/svg+xml",
    "png": "image/png",
    "html": "text/html",
    "csv": "text/csv",
    "zip": "application/zip",
}
WIDTHS = {"column": "column, 3.25 in", "page": "page, 6.75 in"}
EVERYTHING = "all figures of the run (ZIP)"
THIS_PAGE = "all figures of this page (ZIP)"


def export_popover(
    at: Stamp, step: int, split: str, chosen: Slice, shown: Sequence[Spec] = ()
) -> None:
    """The button with everything that can be exported.

    Args:
        at: The run.
        step: The timeline's step.
        split: The split that the first page shows, of which figures of one split are.
        chosen: The slice that the page shows.
        shown: What the page shows besides the run's own figures.
    """
    with st.popover("Export", icon=":material/download:", width="stretch"):
        if not st.toggle("Show the figures", key="export_open"):
            st.caption("Figures as PDF, SVG, PNG, HTML or CSV in the size of a paper's column.")
            return
        own = {spec.name: _of_page(spec) for spec in shown}
        if wrong := names_without_questions(at, str(chosen)):
            st.info(as_text(" ".join(wrong.values())))
            return
        of_run = _figures(at, str(chosen))
        available = {**own, **of_run}
        together = {THIS_PAGE: list(own)} if own else {}
        together[EVERYTHING] = list(of_run)
        name = st.selectbox("Figure", [*together, *available], key="export_figure")
        left, right = st.columns(2)
        file_format = left.selectbox("Format", list(MIME)[:-1], key="export_format")
        width = right.selectbox(
            "Width", list(WIDTHS), format_func=WIDTHS.__getitem__, key="export_width"
        )
        of = f", slice: {chosen.words}" if chosen else ""
        st.caption(as_text(f"Step {step:,}, {split_of(split).words}{of}: as the pages show it."))
        if name not in together:
            st.caption(as_text(available[name].about))
        wanted_names = together.get(name, [name])
        content = tuple(map(repr, shown))  # with the values
        wanted = (at.id, step, split, str(chosen), (*wanted_names,), file_format, width, content)
        if st.button("Make", key="export_make", type="primary"):
            with st.spinner("Drawing ..."):
                figures = [available[stem] for stem in wanted_names]
                try:
                    made = _files(figures, step, split, file_format, width)
                except HopscopeError as error:
                    st.error(as_text(str(error)), icon=":material/error:")
                    return
                st.session_state["exported"] = (wanted, *made)
        kept = st.session_state.get("exported")
        if kept and kept[0] == wanted:
            _download(kept[1], name in together)
            for sentence in kept[2]:
                st.caption(as_text(capital(sentence)))


def shows_figures() -> bool:
    """Whether figures of the page can be chosen or saved, so that they must be the newest."""
    return bool(st.session_state.get("export_open"))


def _download(files: dict[str, bytes], many: bool) -> None:
    if many:
        st.download_button(
            f"Save {len(files)} files",
            _zipped(files),
            "figures.zip",
            MIME["zip"],
            on_click="ignore",
        )
        return
    for file, content in files.items():
        kind = Path(file).suffix.removeprefix(".")
        st.download_button(
            f"Save {as_text(file)}", content, file, MIME.get(kind), on_click="ignore"
        )


@st.cache_resource(max_entries=4, show_spinner="Reading the results ...", hash_funcs={Stamp: str})
def _figures(at: Stamp, written: str) -> dict[str, RunFigure]:
    return load("analyses.figures.sliced_figures").figures_on(opened(at), Slice.parse(written))


def _of_page(spec: Spec) -> RunFigure:
    from analyses.figures.nothing import said_instead
    from analyses.figures.run_figures import RunFigure

    def make(step: int, split: str) -> Spec:
        if sentence := said_instead(spec):
            raise HopscopeError(sentence)
        return spec

    return RunFigure(spec.name, "page", f"{spec.title}: {spec.subtitle}", make)


def _files(
    figures: Sequence[RunFigure],
    step: int,
    split: str,
    file_format: str,
    width: str,
) -> tuple[dict[str, bytes], list[str]]:
    """File name -> content, exactly as `hopscope export --step STEP --split SPLIT --slice WORDS`
    writes them; and of several figures, a sentence on those that cannot be made."""
    from analyses.figures.export import export
    from analyses.figures.left_out import LeftOut, each_made

    left_out = LeftOut()
    with tempfile.TemporaryDirectory() as folder:
        for name, spec in each_made(figures, lambda found: found.make(step, split), left_out):
            export(spec, Path(folder) / f"{name}.{file_format}", width)
        files = {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir())}
    return files, left_out.sentences


def _zipped(files: dict[str, bytes]) -> bytes:
    """The files as a ZIP without timestamps, so that equal files give equal archives."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()
