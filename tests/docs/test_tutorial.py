"""The commands of the tutorial, run in this process with little training."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from import_graph import ROOT
from typer.testing import CliRunner

from app.cli.main import cli

MARK = "<!-- executed by tests/docs/test_tutorial.py -->"
TUTORIAL = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
SHORT = "training.steps=3 checkpoints.dense_every=3 splits.id_test_items=20 evaluation.items=20"


def test_the_tutorial_leads_from_nothing_to_the_main_figure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(MARK + r"\n```sh\n(.*?)```", TUTORIAL, re.DOTALL)
    lines = [shlex.split(line) for block in blocks for line in block.splitlines()]
    assert [words[1] for words in lines] == ["data", "train", "analyze", "export"]
    for words in lines:
        if words[1] == "train":
            words += [word for setting in SHORT.split() for word in ("--set", setting)]
        done = CliRunner().invoke(cli, words[1:])
        assert done.exit_code == 0, done.output
    assert (tmp_path / "figures" / "bridge_patching_success.pdf").read_bytes().startswith(b"%PDF")
