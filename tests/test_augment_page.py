"""The page on facts from a language model: its file is judged as it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli.main import cli

PAGE = Path(__file__).parents[1] / "docs" / "augment.md"


def test_the_facts_of_the_page_are_judged_as_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    page = PAGE.read_text()
    first, last = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    names: dict[str, object] = {}
    exec(compile(first, str(PAGE), "exec"), names)
    command, told = page.split("\n```\n")[-5:-2:2]
    told += "\n"
    words = command.removeprefix("hopscope ").split()
    assert CliRunner().invoke(cli, words, catch_exceptions=False).output == told
    exec(compile(last, str(PAGE), "exec"), names)
    assert capsys.readouterr().out == "1\n"
