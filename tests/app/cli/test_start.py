"""What each command imports on its way: PyTorch and its like only where a model is run.

Each command runs in a process of its own, which then says which heavy packages it has loaded.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
DEMO = "assets/demo"

MODEL = {"torch", "transformer_lens", "transformers", "datasets", "sklearn", "scipy.stats"}
DRAWING = {"matplotlib", "plotly", "streamlit"}
DATA = {"numpy", "pandas", "xarray", "zarr", "scipy", "pydantic"}  # typer itself needs pydantic
HEAVY = {*MODEL, *DRAWING, *DATA, "rich"}

COMMANDS: dict[str, tuple[list[str], set[str]]] = {
    "help": (["--help"], set()),
    "help of a command": (["analyze", "--help"], {"pydantic"}),
    "the analyses": (["analyze", "--list"], {"numpy", "pydantic", "scipy"}),
    "a run without its folder": (["analyze"], {"pydantic"}),
    "one figure as a table": (
        ["export", DEMO, "accuracy", "circuit", "--format", "csv", "--out", "OUT"],
        DATA,
    ),
    "one figure as a page": (  # matplotlib measures letters
        ["export", DEMO, "mrr", "--format", "html", "--out", "OUT"],
        {*DATA, "plotly", "matplotlib"},
    ),
    "one figure as a picture": (
        ["export", DEMO, "mrr", "--format", "svg", "--out", "OUT"],
        {*DATA, "matplotlib"},
    ),
    "two runs": (["compare", DEMO, "OUT/again"], DATA),
    "a source": (["data", "OUT/facts.tsv"], {*DATA, "rich"} - {"xarray", "zarr"}),
}

SCRIPT = """
import sys
from app.cli.main import main
sys.argv = ["hopscope", *sys.argv[1:]]
try:
    main()
finally:
    print("loaded:", *sorted(sys.modules), file=sys.stderr)
"""


def loaded(arguments: list[str]) -> set[str]:
    command = [sys.executable, "-c", SCRIPT, *arguments]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert "Traceback" not in told.stderr
    line = told.stderr.splitlines()[-1]
    assert line.startswith("loaded: ")
    return set(line.split()) & HEAVY


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_imports_no_more_than_it_needs(name: str, tmp_path: Path) -> None:
    arguments, allowed = COMMANDS[name]
    (tmp_path / "again").symlink_to(ROOT / DEMO)
    (tmp_path / "facts.tsv").write_text("Lyon\tcountry\tFrance\nFrance\tcurrency\tEuro\n")
    found = loaded([part.replace("OUT", str(tmp_path)) for part in arguments])
    assert found <= allowed, f"imported without need: {sorted(found - allowed)}"
    assert found & DRAWING == allowed & DRAWING, "the list of what was imported is empty"


def test_pages_that_run_no_model_are_imported_without_pytorch() -> None:
    pages = ", ".join(f"app.views.{page}" for page in ("formation", "training", "data", "compare"))
    code = f"import sys, {pages}; print(*sys.modules)"
    command = [sys.executable, "-c", code]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert not set(told.stdout.split()) & MODEL
