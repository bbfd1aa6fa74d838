"""The dashboard: `streamlit run app/main.py [-- RUNS_FOLDER]` or `hopscope app [RUNS_FOLDER]`.

Pages are imported when they are first shown, since the model's library takes seconds to import
and the first page does not need it.
"""

from __future__ import annotations

import threading
from importlib import import_module
from pathlib import Path

import streamlit as st


def formation() -> None:
    """The circuit forming."""
    from app.views.formation import page

    page()


def question() -> None:
    """One question."""
    from app.views.question import page

    page()


def lab() -> None:
    """Patching lab."""
    from app.views.lab import page

    page()


def data() -> None:
    """Data."""
    from app.views.data import page

    page()


def compare() -> None:
    """Compare runs."""
    from app.views.compare import page

    page()


def training() -> None:
    """Train."""
    from app.views.training import page

    page()


@st.cache_resource(show_spinner=False)
def _import_models_meanwhile() -> threading.Timer:
    """Import the model's library once the first page is there, so that later ones need not wait."""
    timer = threading.Timer(SECONDS_OF_REST, import_module, ("circuits.patching",))
    timer.daemon = True
    timer.start()
    return timer


SECONDS_OF_REST = 2.0  # given to the browser to draw the first picture

PAGES = [
    st.Page(formation, title="Formation", icon=":material/hub:", default=True),
    st.Page(question, title="One question", icon=":material/contact_support:"),
    st.Page(lab, title="Patching lab", icon=":material/science:"),
    st.Page(data, title="Data", icon=":material/database:"),
    st.Page(compare, title="Compare", icon=":material/stacked_line_chart:"),
    st.Page(training, title="Train", icon=":material/model_training:", url_path="train"),
]

ICON = Path(__file__).parent / "instrument" / "icon.svg"
st.set_page_config(page_title="Hopscope", page_icon=str(ICON), layout="wide")
st.navigation(PAGES, position="top").run()
_import_models_meanwhile()
