"""The commands of docs/import.md are executed, on a small series in the same folders."""

from __future__ import annotations

import contextlib
import re
import shlex
from pathlib import Path

import pytest
from grokked_folders import composition_data, grokked_series
from typer.testing import CliRunner

from app.cli.main import cli
from circuits.series.grokked import read_grokked

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "import.md").read_text(encoding="utf-8")
MARK = "<!-- executed by tests/test_import_page.py -->"
NAME = "composition.2000.200.9.0"


def commands(part: str) -> list[str]:
    """The lines of the executed block that has this text."""
    blocks = re.findall(MARK + r"\n```sh\n(.*?)```", PAGE, re.DOTALL)
    return next(block for block in blocks if part in block).splitlines()


def run(line: str, cwd: Path) -> str:
    words = shlex.split(line, comments=True)
    assert words[0] == "hopscope"
    if words[1] == "app":
        return ""  # opens a server; tests/app/test_imported_run.py opens the pages
    if words[1] == "analyze":
        words = [*words[:3], "logit_lens", "causal_tracing"]
    if words[1] == "export":
        words += ["circuit", "causal_tracing_strength", "training_accuracy"]
    with contextlib.chdir(cwd):
        done = CliRunner().invoke(cli, words[1:], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    data = composition_data(folder / "data" / NAME)
    grokked_series(folder / "output" / f"{NAME}_0.1_8", data, (0, 20), n_layer=1)
    return folder


def test_the_four_commands_lead_to_the_figures(here: Path) -> None:
    said = [run(line, here) for line in commands("--cut-vocab")]
    assert f"Imported from {NAME}_0.1_8" in said[0]
    assert {path.stem for path in (here / "figures").glob("*.pdf")} >= {
        "circuit", "causal_tracing_strength", "training_accuracy"
    }  # fmt: skip


def test_questions_of_a_file_are_asked(here: Path) -> None:
    rows = questions_of_data(here)
    header = next(line for line in PAGE.splitlines() if line.startswith("subject,"))
    (here / "questions.csv").write_text("\n".join([header, *rows]) + "\n")
    for line in commands("--questions"):
        assert "asked" in run(line, here)


def questions_of_data(here: Path) -> list[str]:
    """The trained questions as rows of a file."""
    queries = read_grokked(here / "data" / NAME).corpus.queries("train_inferred")
    name = queries.vocab.name
    return [
        ",".join(f"<{name(t)}>" for t in (*q.tokens[:2], q.bridge, q.tokens[2], q.answer)) + ","
        for q in queries
    ]


def test_every_option_of_import_is_on_the_page(here: Path) -> None:
    shown = set(re.findall(r"--[a-z-]+", run("hopscope import --help", here))) - {"--help"}
    assert shown == {option for option in shown if option in PAGE}
    assert len(shown) == 7
