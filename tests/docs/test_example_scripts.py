"""Every script and notebook of docs/examples runs as it stands and says what it should.

Notebooks are run cell by cell in this process: a kernel (nbclient) would cost a dozen packages and
several seconds each.
"""

from __future__ import annotations

import ast
import json
import re
import runpy
import shutil
from pathlib import Path
from typing import Any

import pytest
from import_graph import ROOT

from analyses.catalog import CATALOG

EXAMPLES = ROOT / "docs" / "examples"

SAYS = {
    "patch_the_bridge": "answer: Tokyo; with the donor's bridge: New York City",
    "custom_metric": r"subject +relation 1 +relation 2",
    "custom_analysis": r"6000 +0\.\d+",
    "paper_figure": "forming.pdf\nforming_a.csv",
    "compare_two_runs": r"textbook: [\d,]+ facts(.|\n)*  composes through the bridge",
    "follow_a_training_run": r"step 20: mean reciprocal rank of the bridge 0\.",
    "others_checkpoints": r"right answers: \[0\.\d+ 0\.9\d*\]",
}
"""What a script prints, in part."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with copies of the two runs, for examples store results in them."""
    place = tmp_path_factory.mktemp("examples")
    shutil.copytree(ROOT / "assets", place / "assets")
    return place


@pytest.fixture
def folder(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """That folder as the working folder."""
    monkeypatch.chdir(place)
    return place


@pytest.mark.parametrize("name", sorted(path.stem for path in EXAMPLES.glob("*.py")))
def test_an_example_runs_and_says_what_it_should(
    name: str, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    known = dict(CATALOG)
    try:
        monkeypatch.syspath_prepend(str(EXAMPLES))
        runpy.run_module(name, run_name=name, alter_sys=True)
    finally:
        CATALOG.clear()
        CATALOG.update(known)
    assert re.search(SAYS[name], capsys.readouterr().out)


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.ipynb")), ids=lambda path: path.stem)
def test_a_notebook_runs_and_its_last_cell_shows_a_picture(path: Path, folder: Path) -> None:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    names: dict[str, Any] = {}
    shown = None
    for cell in (cell for cell in cells if cell["cell_type"] == "code"):
        assert cell["outputs"] == []
        assert cell["execution_count"] is None
        shown = last_value("".join(cell["source"]), names)
    assert shown is not None
    assert shown._repr_png_().startswith(b"\x89PNG")


def last_value(code: str, names: dict[str, Any]) -> Any:
    """Run a cell; the value of its last line, as a notebook shows it."""
    body = ast.parse(code).body
    last = body.pop() if isinstance(body[-1], ast.Expr) else None
    exec(compile(ast.Module(body, []), "cell", "exec"), names)
    return last and eval(compile(ast.Expression(last.value), "cell", "eval"), names)


def test_examples_are_short() -> None:
    for path in EXAMPLES.glob("*.py"):
        assert 10 <= len(path.read_text(encoding="utf-8").splitlines()) <= 50, path.name
