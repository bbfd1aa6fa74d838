"""What the dashboard shows: the script that Streamlit runs for every session.

Pages are imported when they are first shown, because their libraries take seconds to import; the
navigation and a notice appear meanwhile. The other pages are imported once the first is shown.
"""

from __future__ import annotations

import threading
from pathlib import Path

import streamlit as st

from app.shell.importing import MODELS, is_loaded, load


def formation() -> None:
    """The circuit forming."""
    _show("formation")


def circuit() -> None:
    """The circuit as an object to work with."""
    _show("circuit")


def heads() -> None:
    """What heads attend to and carry."""
    _show("heads")


def question() -> None:
    """One question."""
    _show("question")


def lab() -> None:
    """Patching lab."""
    _show("lab")


def data() -> None:
    """Data."""
    _show("data")


def slices() -> None:
    """Slices."""
    _show("slices")


def runs() -> None:
    """Runs."""
    _show("runs")


def compare() -> None:
    """Compare runs."""
    _show("compare")


def training() -> None:
    """Train."""
    _show("training")


def _show(name: str) -> None:
    """Draw a page of `app.views`."""
    module = f"app.views.{name}"
    body = st.container()  # before the notice, or all would move and be drawn anew without it
    if not is_loaded(module):
        notice = st.empty()
        notice.html(OPENING)
        load(module)
        notice.empty()
    with body:
        load(module).page()


@st.cache_resource(show_spinner=False)
def _import_the_rest_meanwhile() -> threading.Timer:
    """Import the other pages and the model's library once the first page is there."""
    timer = threading.Timer(SECONDS_OF_REST, _import_the_rest)
    timer.daemon = True
    timer.start()
    return timer


def _import_the_rest() -> None:
    for name in (MODELS, *(f"app.views.{view}" for view in VIEWS)):
        load(name)


SECONDS_OF_REST = 2.0  # given to the browser to draw the first picture
VIEWS = (
    "formation", "circuit", "heads", "question", "lab", "slices", "data", "runs", "compare",
    "training",
)  # fmt: skip

TIGHTER = """<style>
[data-testid=stMainBlockContainer] { padding: 4.2rem 1.4rem 1rem; max-width: 1700px; }
[data-testid=stVerticalBlock] { gap: 0.5rem; }
[data-testid=stCaptionContainer] { color: inherit !important; opacity: 0.8; }
[data-testid=stTab][aria-selected=true], button[data-selected=true] { color: inherit !important; }
button[data-selected=true] :is(div, span, p) { color: inherit !important; }
@media (min-width: 700px) {
  [data-testid=stHorizontalBlock]:has(> [data-testid=stColumn] button) { flex-wrap: nowrap; }
  [data-testid=stColumn]:has(button):not(:has([data-testid=stMultiSelect])) {
    min-width: min-content;
  }
}
[data-testid=stMarkdownContainer] :is(td, th) { font-size: 0.85rem; padding: 0.25rem 0.55rem; }
[data-testid=stMarkdownContainer] :is(td, th)[style*=right] { white-space: nowrap; }
[data-testid=stColumn] button p { white-space: nowrap; overflow: visible; }
[data-testid=stBaseButton-tertiary] p { text-decoration: underline; text-underline-offset: 3px; }
.st-key-train .st-key-train_form [data-testid=stColumn],
.st-key-train [data-testid=stColumn]:has(.st-key-watched_run) { min-width: 0; }
.st-key-train [data-testid=stColumn]:has(.st-key-train_form) { min-width: 300px; }
@media (max-width: 1150px) {
  .st-key-train [data-testid=stHorizontalBlock]:has(.st-key-train_form) { flex-wrap: wrap; }
  .st-key-train [data-testid=stColumn]:is(:has(.st-key-train_form), :has(.st-key-watched_run)) {
    flex: 1 1 100%; min-width: 100%;
  }
}
</style>"""
OPENING = """<style>
.opening p { font-size: 1.05rem; margin: 0.4rem 0 1rem; }
.opening div { height: 64px; margin: 10px 0; border-radius: 8px; background: #8882;
  animation: opening 1.6s ease-in-out infinite; }
.opening div:last-child { height: 380px; }
@keyframes opening { 50% { opacity: 0.45; } }
</style>
<section class="opening" role="status"><p>Hopscope is starting: it reads its libraries, which takes
a few seconds the first time.</p><div></div><div></div></section>"""

PAGES = [
    st.Page(formation, title="Formation", icon=":material/hub:", default=True),
    st.Page(circuit, title="Circuit", icon=":material/schema:"),
    st.Page(heads, title="Heads", icon=":material/grid_on:"),
    st.Page(question, title="One question", icon=":material/contact_support:"),
    st.Page(lab, title="Patching lab", icon=":material/science:"),
    st.Page(slices, title="Slices", icon=":material/filter_alt:"),
    st.Page(data, title="Data", icon=":material/database:"),
    st.Page(runs, title="Runs", icon=":material/table_rows:"),
    st.Page(compare, title="Compare", icon=":material/stacked_line_chart:"),
    st.Page(training, title="Train", icon=":material/model_training:", url_path="train"),
]

ICON = Path(__file__).parent / "instrument" / "icon.svg"
st.set_page_config(page_title="Hopscope", page_icon=str(ICON), layout="wide")
st.html(TIGHTER)
st.session_state["pages"] = dict(zip(VIEWS, PAGES, strict=True))
st.navigation(PAGES, position="top").run()
_import_the_rest_meanwhile()
