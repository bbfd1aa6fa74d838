"""The report of the GPU benchmarks is readable, also of a command that did not end in time."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

from bench_gpu import Part, run

SPEAK = "import sys, time; print('Grüße', flush=True); sys.stderr.write('why\\n'); "


@pytest.mark.parametrize(
    ("code", "minutes", "told"),
    [
        ("sys.stderr.flush(); time.sleep(60)", 0.01, "none within 0.01 minutes"),
        ("sys.exit(3)", 1, "Exit code 3,"),
    ],
)
def test_what_a_failed_command_printed_is_text(code: str, minutes: float, told: str) -> None:
    said = run(Part(1, "A part", [sys.executable, "-c", SPEAK + code]), minutes)
    assert said.startswith("## A part\n")
    assert told in said
    assert "```\nGrüße\nwhy\n```" in said


def test_a_table_is_shown_as_one_and_warnings_of_a_success_are_left_out() -> None:
    said = run(Part(1, "A part", [sys.executable, "-c", SPEAK + "print('| a | b |')"]), 1)
    assert said.endswith("Grüße\n| a | b |\n")
