"""A run whose names look like markup, addresses and dates, on the pages that show names."""

from __future__ import annotations

from pathlib import Path

import pytest
import streamlit as st
from hand_wired import random_model, save_as_run
from streamlit.testing.v1 import AppTest

from app.shell import folders
from circuits.corpus.build import build_corpus
from circuits.recipes.schema import parse_recipe

NAMES = (
    "<b>Lyon|Rhône</b>", "[in] :smile:", "$\\frac$", "_hidden_", "1853-03-07", "a\\|b",
    *(f"University of California, {c}" for c in ("Riverside", "Irvine", "Davis", "Merced")),
)  # fmt: skip
RELATIONS = ("next|one", "<i>before</i>", "*third*")


@pytest.fixture(scope="module")
def marked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A runs folder with one run, each of whose names would be something else to some reader."""
    root = tmp_path_factory.mktemp("marked")
    n = len(NAMES)
    facts = [
        f"{NAMES[i]}\t{relation}\t{NAMES[(i + 1 + 2 * r) % n]}"
        for i in range(n)
        for r, relation in enumerate(RELATIONS)
    ]
    (root / "facts.tsv").write_text("\n".join(facts) + "\n", encoding="utf-8")
    table = {
        "source": {"name": str(root / "facts.tsv")},
        "augmentation": {"phi": 1.0, "modes": []},
        "splits": {"id_test_items": 10},
    }
    corpus = build_corpus(parse_recipe(table, "a recipe of odd names"))
    runs = root / "runs"
    models = {step: random_model(corpus, seed=step) for step in (0, 10)}
    save_as_run(runs / "odd*name*", corpus, models)
    return runs


def opened(page: str, marked: Path, monkeypatch: pytest.MonkeyPatch, **address: str) -> AppTest:
    st.cache_resource.clear()
    monkeypatch.setenv(folders.ENVIRONMENT, str(marked))
    monkeypatch.setattr(folders, "DEMOS", ())
    app = AppTest.from_string(f"from app.views.{page} import page\npage()", default_timeout=60)
    for key, value in address.items():
        app.query_params[key] = value
    return app.run()


def clean(app: AppTest) -> bool:
    return not app.error and not app.exception and not app.warning


@pytest.mark.parametrize("page", ["question", "lab"])
def test_the_address_that_a_page_writes_is_read_again(
    marked: Path, monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    asked = r"<b>Lyon\|Rhône</b>|next\|one|*third*"
    app = opened(page, marked, monkeypatch, question=asked)
    assert clean(app)
    assert app.query_params["question"] == asked
    again = opened(page, marked, monkeypatch, **dict(app.query_params))
    assert clean(again)
    assert dict(again.query_params) == dict(app.query_params)


@pytest.mark.parametrize("page", ["question", "lab", "data", "compare"])
@pytest.mark.parametrize("file_format", ["csv", "svg", "html"])
def test_every_figure_of_a_page_can_be_exported_whatever_its_names(
    marked: Path, monkeypatch: pytest.MonkeyPatch, page: str, file_format: str
) -> None:
    app = opened(page, marked, monkeypatch)
    app.toggle(key="export_open").set_value(True).run()
    app.selectbox(key="export_format").set_value(file_format)
    app.button(key="export_make").click().run()
    assert clean(app)
    files = app.session_state["exported"][1]
    assert files
    if (page, file_format) == ("data", "csv"):
        facts = files["data_facts.csv"].decode()
        assert all(name in facts for name in NAMES)


def test_names_of_runs_and_entities_in_messages_are_no_markdown(
    marked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = opened("data", marked, monkeypatch, entity="*nobody*")
    (warning,) = app.warning
    assert r"\*nobody\*" in warning.value


def test_an_entity_is_chosen_among_many_by_what_is_typed(
    marked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from app.shell import choosing

    monkeypatch.setattr(choosing, "MOST_LISTED", 5)
    monkeypatch.setattr(choosing, "MOST_FOUND", 3)
    app = opened("data", marked, monkeypatch, entity="_hidden_")
    assert len(app.selectbox(key="entity").options) <= 4
    app.text_input(key="entity_typed").set_value("california davis").run()
    assert app.query_params["entity"] == "University of California, Davis"
    assert clean(app)
    app.text_input(key="entity_typed").set_value("nothing like it").run()
    assert app.query_params["entity"] == "University of California, Davis"
