"""A page of a run in training: whoever stands at its newest step goes on with it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from app.shell import address, stage


def shown(step: int, steps: list[int], state: str = "training") -> Any:
    run = SimpleNamespace(state=state, steps=steps, corpus=SimpleNamespace(splits={}))
    return SimpleNamespace(name="mine", step=step, run=run)


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The step that an instrument is told, by what is shown."""
    monkeypatch.setattr(stage.st, "session_state", {})
    monkeypatch.setattr(address, "read", dict)
    monkeypatch.setattr(address, "moved", lambda: 0)
    return lambda *given: stage._start("formation", shown(*given), "")["step"]


def test_a_timeline_at_the_newest_step_goes_on_with_the_run(start: Any) -> None:
    assert start(600, [0, 600]) == 600
    assert start(700, [0, 600, 700]) == 700


def test_a_timeline_elsewhere_is_told_nothing_new_until_the_training_ends(start: Any) -> None:
    assert start(600, [0, 600]) == 600
    assert start(0, [0, 600, 700]) == 600  # an instrument at 0 is not at 600, and stays there
    assert start(0, [0, 600, 700], "finished") == 0
