"""An imported run goes through analyses, export and the pages like one of ours."""

from __future__ import annotations

from pathlib import Path

import pytest
from grokked_folders import comparison_data, composition_data, grokked_series
from streamlit.testing.v1 import AppTest
from typer.testing import CliRunner

from app.cli.main import cli
from app.logic.comparison_book import ComparisonBook
from app.logic.run_groups import UNKNOWN, differing, settings
from app.shell import folders
from circuits.errors import HopscopeError
from circuits.runs.run import Run, open_run
from circuits.series.grokked import read_grokked
from circuits.series.importing import import_series
from train.loop import train

ROOT = Path(__file__).parents[2]
PAGES = ("formation", "question", "lab", "data", "compare")


def hopscope(*words: object) -> str:
    done = CliRunner().invoke(cli, [str(word) for word in words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("imported")
    data = composition_data(folder / "data" / "composition.14")
    grokked_series(folder / "out", data, (0, 20, 40))
    said = hopscope("import", folder / "out", "--data", data, "--out", folder / "runs" / "theirs")
    assert "Imported from out: optimizer and settings of training are unknown" in said
    assert "id_test" in said
    (folder / "runs" / "demo").symlink_to(ROOT / "assets" / "demo")
    return open_run(folder / "runs" / "theirs")


def open_pages(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every page opens without an error, and says what is unknown."""
    monkeypatch.setenv(folders.ENVIRONMENT, str(run.path.parent))
    for page in PAGES:
        app = AppTest.from_string(f"from app.views.{page} import page\npage()", default_timeout=60)
        app.query_params["run"] = run.path.name
        app.run()
        assert [*app.error, *app.exception] == [], page
        if page == "formation":
            said = " ".join(caption.value for caption in app.caption)
            assert "optimizer and settings of training are unknown" in said


def test_it_is_analyzed_exported_and_shown(
    imported: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("logit_lens", "causal_tracing", "bridge_patching", "circuit_discovery")
    hopscope("analyze", imported.path, *names)
    hopscope("export", imported.path, "causal_tracing_strength", "--out", tmp_path)
    assert list(tmp_path.glob("*.pdf"))
    open_pages(imported, monkeypatch)


def test_comparisons_with_marks_are_analyzed_and_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = comparison_data(tmp_path / "data")
    grokked_series(tmp_path / "out", data, (0, 10), n_layer=1)
    run = import_series(tmp_path / "out", tmp_path / "runs" / "compared", data=data)
    hopscope("analyze", run.path, "comparison_lens", "comparison_tracing", "attention_knockout")
    open_pages(run, monkeypatch)


def test_the_book_of_marked_comparisons_has_three_names_and_asks_five_tokens(
    tmp_path: Path,
) -> None:
    corpus = read_grokked(comparison_data(tmp_path / "data")).corpus
    book = ComparisonBook(corpus)
    hit = book.hits[0]
    tokens = book.tokens_of(hit)
    assert len(tokens) == 5
    assert book.parse(book.names(tokens)) == tokens
    assert book.names(tokens).count("|") == 2
    assert book.text(tokens) == hit.text
    assert book.asked(tokens).answer == corpus.queries(hit.split).answer_ids[hit.row]
    assert len(book.parts) == len(book.named(tokens)) == 3
    assert book.donors(book.asked(tokens))


def test_what_is_unknown_is_said_to_be(imported: Run) -> None:
    table = settings(imported)
    assert table["training.lr"] == table["seed"] == UNKNOWN
    assert table["model.d_model"] == 32
    demo = open_run(ROOT / "assets" / "demo")
    keys = differing({"theirs": imported, "demo": demo})
    assert "model.d_model" in keys
    assert not [key for key in keys if key.startswith(("training.", "checkpoints."))]
    assert "lr" not in (imported.path / "recipe.toml").read_text()
    assert imported.seed is None
    with pytest.raises(HopscopeError, match="was imported: its optimizer is unknown"):
        train(None, imported.path, resume=True)


def test_the_train_page_does_not_say_of_how_many_steps_an_imported_run_is(imported: Run) -> None:
    lines = (
        "from app.views.training import _progress",
        "from circuits import open_run",
        f"_progress(open_run({str(imported.path)!r}), [], False)",
    )
    app = AppTest.from_string("\n".join(lines), default_timeout=60).run()
    assert app.markdown[0].value == "imported up to step 40, 3 checkpoints"
