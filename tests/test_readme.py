"""Whatever the README shows is executed: its Python, and its commands on a small run."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
MARK = "<!-- executed by tests/test_readme.py -->"
EXECUTED = re.findall(MARK + r"\n```(\w+)\n(.*?)```", README, re.DOTALL)


def block(language: str) -> str:
    """The README's executed block in this language."""
    return next(text for found, text in EXECUTED if found == language)


def run(*command: str, cwd: Path) -> str:
    """Standard output of a command that must succeed."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_python_of_the_readme_runs(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "assets" / "demo", tmp_path / "assets" / "demo")
    out = run(sys.executable, "-c", block("python"), cwd=tmp_path)
    assert out.startswith("Abuja -country-> Nigeria -capital-> Abuja\n")
    for suffix in ("pdf", "csv", "json"):
        assert (tmp_path / f"tracing.{suffix}").stat().st_size > 0


def test_the_commands_of_the_readme_run_on_a_short_training(tmp_path: Path) -> None:
    short = ["--set", "training.steps=3", "--set", "checkpoints.dense_every=3"]
    short += ["--set", "splits.id_test_items=20", "--set", "evaluation.items=20"]
    (tmp_path / "train").symlink_to(ROOT / "train")
    for line in block("sh").splitlines():
        words = shlex.split(line, comments=True)
        assert words[0] == "hopscope"
        if words[1] == "app":
            continue  # opens a server; tests/test_browser_dashboard.py does so
        if words[1] == "train":
            words += short
        if words[1] == "analyze":
            words += ["logit_lens", "causal_tracing"]
        run(sys.executable, "-m", "app.cli", *words[1:], cwd=tmp_path)
    assert list((tmp_path / "figures").glob("*.pdf"))


@pytest.mark.parametrize("link", re.findall(r"\]\((?!https?:)([^)]+)\)", README))
def test_every_file_the_readme_points_to_is_there(link: str) -> None:
    assert (ROOT / link).exists()


def test_ci_runs_the_test_line_of_the_readme() -> None:
    line = README.split("<!-- test line -->")[1].split("```")[1].splitlines()[1]
    assert line.startswith("pip install -q -c constraints.txt -e '.[test]' && ")
    assert line.endswith("pytest -n 2")
