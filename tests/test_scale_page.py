"""The page on scale: its sweep is trained, shorter, and its script runs on the result."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tiny_runs import tiny_recipe
from typer.testing import CliRunner

from app.cli.main import cli
from circuits.recipes.toml import recipe_toml

PAGE = Path(__file__).parents[1] / "docs" / "scale.md"


def test_the_sweep_of_the_page_is_read_by_its_script(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.toml").write_text(recipe_toml(tiny_recipe(training__steps=20)))
    lines = re.findall(r"^hopscope (sweep .*runs/phi)", PAGE.read_text(), flags=re.MULTILINE)
    assert len(lines) == 2
    for line in lines:  # demo's facts would take minutes
        words = line.replace("sweep demo", "sweep tiny.toml").replace("=3,5,7", "=1,2").split()
        result = CliRunner().invoke(cli, [*words, *(["--jobs", "1"] if "--grid" in words else [])])
        assert result.exit_code == 0, result.output
    [script] = re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
    exec(compile(script, str(PAGE), "exec"), {})
    told = capsys.readouterr().out
    assert "finished    6" in told
    assert "phi" in told
