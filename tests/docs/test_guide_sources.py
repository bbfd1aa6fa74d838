"""The guide's section on sources lists all of them, and its example prints what it should."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from circuits.graph.sources import SOURCES

GUIDE = (Path(__file__).parents[2] / "docs" / "guide.md").read_text(encoding="utf-8")
MARK = "<!-- executed by tests/docs/test_guide_sources.py -->"


def test_every_source_is_in_the_guide() -> None:
    section = GUIDE.split("## Sources\n")[1].split("\n## ")[0]
    rows = " ".join(line.split("|")[1] for line in section.splitlines() if line.startswith("| `"))
    assert set(re.findall(r"`(\w+)`", rows)) == set(SOURCES)


def test_the_example_of_the_guide_reads_a_question_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    exec(GUIDE.split(MARK)[1].split("```")[1].removeprefix("python\n"), {})
    assert capsys.readouterr().out.splitlines() == [
        "KnowledgeGraph('lre': 3 entities, 1 relations, 2 facts)",
        "The mother of Ada is -> ('Eve',)",
        "The mother of the mother of Ada is -> ('Una',)",
        "('composed',)",
    ]
