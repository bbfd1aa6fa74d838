"""What docs/text.md shows is executed, in order, in one folder."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli.main import cli

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "text.md").read_text(encoding="utf-8")
BLOCKS = re.findall(
    r"<!-- executed by tests/test_text_page.py: (\S+) -->\n```\w+\n(.*?)```", PAGE, re.DOTALL
)


def test_every_block_of_the_page_is_executed() -> None:
    assert len(BLOCKS) == PAGE.count("```") // 2


def test_the_page_runs_from_top_to_bottom(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    printed = ""
    for what, text in BLOCKS:
        if what == "python":
            exec(compile(text, "docs/text.md", "exec"), {})
        elif what == "sh":
            for line in text.splitlines():
                done = CliRunner().invoke(cli, shlex.split(line)[1:])
                assert done.exit_code == 0, done.output
                printed += done.output
        else:
            (tmp_path / what).write_text(text, encoding="utf-8")
    assert "As text" in printed
    assert "first token" in printed
    assert "('subject', 'relation_1', 'relation_2', 'answer')" in capsys.readouterr().out
