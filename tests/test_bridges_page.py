"""The commands and scripts of docs/bridges.md are executed, on a series made here."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
from pathlib import Path

import pytest
from hf_series import tiny_corpus, write_questions, write_series
from typer.testing import CliRunner

from app.cli.main import cli

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "bridges.md").read_text(encoding="utf-8")
BLOCK = re.compile(
    r"<!-- executed by tests/test_bridges_page.py -->\n```(\w+)\n(.*?)```", re.DOTALL
)
SCRIPTS = [text for kind, text in BLOCK.findall(PAGE) if kind == "python"]


def test_the_four_commands_lead_to_the_figures(tmp_path: Path) -> None:
    write_series(tmp_path / "steps", tiny_corpus(), "neox", steps=(0, 5), words=True)
    write_questions(tmp_path / "questions.csv", tiny_corpus(), ("train_inferred", "id_test"))
    (commands,) = (text for kind, text in BLOCK.findall(PAGE) if kind == "sh")
    for line in commands.splitlines():
        words = shlex.split(line)
        if words[1] == "app":  # opens a server; test_importing_bridges opens the pages
            continue
        if words[1] == "analyze":
            words += ["logit_lens", "component_patching"]
        if words[1] == "export":
            words += ["logit_lens_mrr"]
        with contextlib.chdir(tmp_path):
            done = CliRunner().invoke(cli, words[1:], catch_exceptions=False)
        assert done.exit_code == 0, done.output
    assert (tmp_path / "figures/logit_lens_mrr.pdf").exists()


@pytest.mark.parametrize("script", SCRIPTS, ids=["open_series", "patch_grid", "walk_bridge"])
def test_a_script_of_the_page_runs(script: str, tmp_path: Path) -> None:
    (tmp_path / "assets").symlink_to(ROOT / "assets")
    said = io.StringIO()
    with contextlib.chdir(tmp_path), contextlib.redirect_stdout(said):
        exec(compile(script, "<a script of the page>", "exec"), {"__name__": "page"})
    assert "nan" not in said.getvalue()
    assert said.getvalue().count("\n") >= 1
