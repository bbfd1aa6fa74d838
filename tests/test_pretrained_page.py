"""The commands and the script of docs/pretrained.md are executed, on a series made here."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
from pathlib import Path

from asked_series import write_questions, write_series
from typer.testing import CliRunner

from app.cli.main import cli

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "pretrained.md").read_text(encoding="utf-8")
BLOCK = re.compile(
    r"<!-- executed by tests/test_pretrained_page.py -->\n```(\w+)\n(.*?)```", re.DOTALL
)


def test_the_commands_lead_to_the_figures_and_the_script_runs(tmp_path: Path) -> None:
    more = [("Rome", "country", "Italy", "currency", "lira", "What?", "The country of Rome is",
             "The currency of Italy is")]  # fmt: skip
    write_series(tmp_path / "steps", "gpt2", (0, 5))
    write_questions(tmp_path / "TwoHopFact.csv", more)
    (commands,) = (text for kind, text in BLOCK.findall(PAGE) if kind == "sh")
    (script,) = (text for kind, text in BLOCK.findall(PAGE) if kind == "python")
    said = {}
    for line in commands.splitlines():
        words = shlex.split(line)
        if words[1] == "app":  # opens a server
            continue
        if words[1] == "export":
            words += ["composability_answered", "composability_answered_over_training",
                      "patchscopes_mrr", "first_usable_patchscopes_order"]  # fmt: skip
        with contextlib.chdir(tmp_path):
            done = CliRunner().invoke(cli, words[1:], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        said[words[1]] = done.output
    assert "left out: 1 questions (no words for relation 1" in said["import"]
    for name in ("composability_answered", "patchscopes_mrr", "first_usable_patchscopes_order"):
        assert (tmp_path / "figures" / f"{name}.pdf").exists()
    printed = io.StringIO()
    with contextlib.chdir(tmp_path), contextlib.redirect_stdout(printed):
        exec(compile(script, "<the script of the page>", "exec"), {"__name__": "page"})
    assert "1 of 13 questions are left out" in printed.getvalue()
