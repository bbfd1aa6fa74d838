"""Examples in docstrings run as they stand, and every public name has one."""

from __future__ import annotations

import doctest
import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest
from import_graph import MODULES, ROOT

import analyses
import circuits

WITH_EXAMPLES = sorted(m for m, path in MODULES.items() if ">>> " in path.read_text())
PUBLIC = [(face, name) for face in (circuits, analyses) for name in face.__all__]
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


@pytest.fixture(scope="module")
def untouched_demo() -> Iterator[None]:
    """The demo, into which no example writes."""
    before = {path: path.stat().st_mtime_ns for path in (ROOT / "assets" / "demo").rglob("*")}
    yield
    after = {path: path.stat().st_mtime_ns for path in (ROOT / "assets" / "demo").rglob("*")}
    assert before == after, "an example wrote into the demo"


@pytest.mark.usefixtures("untouched_demo")
@pytest.mark.parametrize("module", WITH_EXAMPLES)
def test_the_examples_of_a_module_run(
    module: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """In a folder of their own, where `assets/demo` is the demo run."""
    (tmp_path / "assets").symlink_to(ROOT / "assets")
    (tmp_path / "train").symlink_to(ROOT / "train")
    monkeypatch.chdir(tmp_path)
    outcome = doctest.testmod(importlib.import_module(module), optionflags=FLAGS)
    assert outcome.attempted > 0
    assert outcome.failed == 0, "see the captured output"


@pytest.mark.parametrize("name", [f"{face.__name__}.{name}" for face, name in PUBLIC])
def test_every_public_name_has_an_example(name: str) -> None:
    face, _, last = name.partition(".")
    thing = getattr(importlib.import_module(face), last)
    if inspect.isclass(thing) or inspect.isfunction(thing):
        assert ">>> " in (thing.__doc__ or ""), f"{name} has no example"
