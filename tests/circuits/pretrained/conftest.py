"""A GPT-2 and a GPT-NeoX series, each imported once with the same file of questions."""

from __future__ import annotations

from pathlib import Path

import pytest
from asked_series import write_questions, write_series

from circuits import Run
from circuits.pretrained.importing import import_pretrained


@pytest.fixture(scope="session", params=["gpt2", "neox"])
def imported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The run; its series is in `steps` beside it."""
    folder: Path = tmp_path_factory.mktemp(request.param)
    series = write_series(folder / "steps", request.param)
    return import_pretrained(series, folder / "run", write_questions(folder / "asked.csv"))
