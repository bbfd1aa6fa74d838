"""The GPU benchmark keeps what it measured, however its parts end, within its time."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

from bench_gpu import SHARES, Outcome, run, share_of, table
from gpu_parts import PARTS

ROW = 'print(\'{"what": "Größe", "value": "1 | 2", "goal": "3"}\', flush=True); '


@pytest.mark.parametrize(
    ("code", "seconds", "ended"),
    [
        ("import time; time.sleep(60)", 0.5, "cut short after 0 s"),
        ("import sys; sys.exit('why')", 30, "failed with exit code 1"),
        ("print('noise {')", 30, "done"),
    ],
)
def test_rows_are_kept_however_a_part_ends(code: str, seconds: float, ended: str) -> None:
    outcome = run([sys.executable, "-c", ROW + code], "a part", seconds)
    assert [row["what"] for row in outcome.rows] == ["Größe"]
    assert outcome.ended == ended
    assert ("why" in outcome.said) == ("why" in code)
    text = table([outcome], "a machine")
    assert "| a part | Größe | 1 \\| 2 | 3 |" in text


def test_a_part_that_is_cut_short_leaves_no_process() -> None:
    child = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; "
    child += "time.sleep(60)'])"
    started = time.monotonic()
    assert run([sys.executable, "-c", child], "a part", 0.5).ended.startswith("cut short")
    assert time.monotonic() - started < 20


def test_time_that_a_part_leaves_goes_to_those_behind_it() -> None:
    assert list(SHARES) == list(PARTS)
    total = float(sum(SHARES.values()))
    assert share_of("tests", total) == SHARES["tests"]
    assert share_of("step", total) > SHARES["step"]
    assert share_of("patching", 77.0) == 77.0
    assert share_of("tests", 50.0, ["step", "packed", "grok", "patching"]) == 50.0


def test_a_part_that_was_not_begun_is_said() -> None:
    assert "| grok | *not begun, 0 s* | | |" in table([Outcome("grok", "not begun", 0)], "here")
