"""The commands and the Python of docs/papers.md run, in order, in a folder with the two runs."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli.main import cli

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "papers.md").read_text(encoding="utf-8")
MARK = "<!-- executed by tests/test_papers_page.py -->"
BLOCKS = re.findall(MARK + r"\n```(\w+)\n(.*?)```", PAGE, re.DOTALL)


def test_every_block_of_the_page_is_executed() -> None:
    assert len(BLOCKS) == PAGE.count("```") // 2 == PAGE.count(MARK)


def test_the_page_runs_from_top_to_bottom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "assets").symlink_to(ROOT / "assets")
    monkeypatch.chdir(tmp_path)
    for language, text in BLOCKS:
        if language == "toml":
            (tmp_path / "two_runs.toml").write_text(text, encoding="utf-8")
        elif language == "python":
            exec(compile(text, "docs/papers.md", "exec"), {})
        else:
            for line in text.splitlines():
                words = shlex.split(line)
                drawn_elsewhere = words[1] == "paper" or {"webp", "pgf"} & set(words)
                short = ["--format", "csv"] if drawn_elsewhere else []
                done = CliRunner().invoke(cli, [*words[1:], *short])
                assert done.exit_code == 0, (line, done.output, done.exception)
    assert done.output.splitlines()[-1] == "none of 2 differs"
    figures = tmp_path / "figures"
    assert {"two_runs.pdf", "two_runs_d.csv", "two_runs_d.json"} <= {
        path.name for path in figures.iterdir()
    }
    assert (figures / "papers" / "wild_table_3.tex").is_file()
    assert (tmp_path / "tracing.pdf").is_file()
