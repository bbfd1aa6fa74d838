"""Whatever README and guide show is executed: their Python, and their commands on small runs.

Each command and script has a process of its own; the README's Python has one that imported nothing.
"""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from real_processes import run_command, run_python

from circuits.runs.run import open_run

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
MARK = "<!-- executed by tests/test_readme.py -->"
CHECK_PAGE = (ROOT / "docs" / "check.md").read_text(encoding="utf-8")
GUIDE = (ROOT / "docs" / "guide.md").read_text(encoding="utf-8")


def block(language: str, page: str = README, part: str = "") -> str:
    """A page's executed block in this language, the first one that has some text."""
    executed = re.findall(MARK + r"\n```(\w+)\n(.*?)```", page, re.DOTALL)
    return next(text for found, text in executed if found == language and part in text)


slow_first = pytest.mark.slow_first


@slow_first
def test_the_python_of_the_readme_runs(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "assets" / "demo", tmp_path / "assets" / "demo")
    command = [sys.executable, "-c", block("python")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[:4] == [
        "Abuja -farthest city-> Yokohama -next city east-> Tokyo",
        "Colombia -capital-> Bogotá -nearest foreign city-> Iztapalapa",
        "New York City",
        "composes through the bridge in part",
    ]
    for suffix in ("pdf", "csv", "json"):
        assert (tmp_path / f"tracing.{suffix}").stat().st_size > 0


@slow_first
def test_the_commands_of_the_readme_run_on_a_short_training(tmp_path: Path) -> None:
    run_commands(README, tmp_path)
    assert list((tmp_path / "figures").glob("*.pdf"))


@slow_first
def test_the_walk_through_of_the_guide_runs_on_a_short_training(tmp_path: Path) -> None:
    (tmp_path / "assets").symlink_to(ROOT / "assets")
    run_python(block("python", GUIDE), tmp_path)
    assert len((tmp_path / "facts.tsv").read_text(encoding="utf-8").splitlines()) == 810
    run_commands(GUIDE, tmp_path)
    assert open_run(tmp_path / "runs" / "facts").graph.count("real") == 810
    assert list((tmp_path / "figures").glob("*.pdf"))


@slow_first
def test_the_circuit_of_the_guide_is_found_kept_and_drawn(tmp_path: Path) -> None:
    (tmp_path / "assets").symlink_to(ROOT / "assets")
    out = run_python(block("python", GUIDE, "find_circuit"), tmp_path)
    assert out.startswith("mlp.1[relation 2]>output: 2")
    assert "the whole model on 100%" in out
    for name in ("demo_circuit.json", "circuit.pdf", "importances.json", "lens.safetensors"):
        assert (tmp_path / name).stat().st_size > 0


@slow_first
def test_the_page_on_checking_a_series_does_what_it_says(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "assets" / "demo", tmp_path / "assets" / "demo")
    out = run_python(block("python", CHECK_PAGE), tmp_path)
    shown = re.findall(r"```text\n(.*?)```", CHECK_PAGE, re.DOTALL)[0]
    assert out == shown
    run_commands(CHECK_PAGE, tmp_path)
    assert (tmp_path / "figures" / "neighbour_distances.pdf").stat().st_size > 0
    assert (tmp_path / "assets" / "demo" / "check.json").is_file()


def run_commands(page: str, tmp_path: Path) -> None:
    """Run a page's commands in a folder, with little training and little to analyze."""
    short = ["--set", "training.steps=3", "--set", "checkpoints.dense_every=3"]
    short += ["--set", "splits.id_test_items=20", "--set", "evaluation.items=20"]
    (tmp_path / "train").symlink_to(ROOT / "train")
    for line in block("sh", page).splitlines():
        words = shlex.split(line, comments=True)
        assert words[0] == "hopscope"
        if words[1] == "app":
            continue  # opens a server; tests/app/test_browser_dashboard.py does so
        if words[1] == "train":
            words += short
        if words[1] == "analyze":
            words = [*words[:3], "logit_lens", "causal_tracing"]
        run_command(*words[1:], cwd=tmp_path)


@pytest.mark.parametrize("link", re.findall(r"\]\((?!https?:)([^)]+)\)", README))
def test_every_file_the_readme_points_to_is_there(link: str) -> None:
    assert (ROOT / link.partition("#")[0]).exists()


def test_ci_runs_the_test_line_of_the_readme() -> None:
    line = README.split("<!-- test line -->")[1].split("```")[1].splitlines()[1]
    assert line.startswith("pip install -q -c constraints.txt -e '.[test]' && ")
    assert line.endswith("pytest -n 2 --dist worksteal")
