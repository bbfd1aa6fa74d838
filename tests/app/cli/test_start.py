"""What each command imports on its way: PyTorch and its like only where a model is run.

Commands run in a process that then says which heavy packages it has loaded: one after the other,
where each may import what those before it may.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli import COMMANDS, MODULES
from app.cli.__main__ import main
from app.cli.main import cli

ROOT = Path(__file__).parents[3]
DEMO = "assets/demo"

MODEL = {"torch", "transformer_lens", "transformers", "datasets", "sklearn", "scipy.stats"}
DRAWING = {"matplotlib", "plotly", "streamlit"}
DATA = {"numpy", "pandas", "xarray", "zarr", "scipy", "pydantic"}  # typer itself needs pydantic
HEAVY = {*MODEL, *DRAWING, *DATA, "rich"}

CASES: dict[str, tuple[list[str], set[str]]] = {
    "version": (["--version"], set()),
    "help of a command": (["analyze", "--help"], {"pydantic"}),
    "a run without its folder": (["analyze"], {"pydantic"}),
    "the analyses": (["analyze", "--list"], {"numpy", "pydantic"}),
    "one figure as a table": (
        ["export", DEMO, "accuracy", "circuit", "--format", "csv", "--out", "OUT"],
        DATA,
    ),
    "two runs": (["compare", DEMO, "OUT/again"], DATA),
    "one figure as a picture": (
        ["export", DEMO, "mrr", "--format", "svg", "--out", "OUT"],
        {*DATA, "matplotlib"},
    ),
    "one figure as a page": (  # matplotlib measures letters
        ["export", DEMO, "mrr", "--format", "html", "--out", "OUT"],
        {*DATA, "plotly", "matplotlib"},
    ),
    "a source": (["data", "OUT/facts.tsv"], {*DATA, "rich"} - {"xarray", "zarr"}),
}

SCRIPT = """
import sys
from app.cli.__main__ import main
for command in sys.argv[1].split("\\n"):
    sys.argv = ["hopscope", *command.split("\\t")]
    try:
        main()
    except SystemExit:
        pass
    print("loaded:", *sorted(sys.modules), file=sys.stderr)
"""


def modules_after(*commands: list[str]) -> list[set[str]]:
    """Everything that one process has imported when each of these commands ends."""
    text = "\n".join("\t".join(words) for words in commands)
    command = [sys.executable, "-c", SCRIPT, text]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert "Traceback" not in told.stderr
    lines = [line for line in told.stderr.splitlines() if line.startswith("loaded: ")]
    assert len(lines) == len(commands), told.stderr
    return [set(line.split()) for line in lines]


def modules_of(*arguments: str) -> set[str]:
    """Everything that a command has imported when it ends."""
    return modules_after([*arguments])[0]


@pytest.mark.parametrize("names", [[*CASES][:-1], [*CASES][-1:]], ids=["runs", "a source"])
def test_a_command_imports_no_more_than_it_needs(names: list[str], tmp_path: Path) -> None:
    (tmp_path / "again").symlink_to(ROOT / DEMO)
    (tmp_path / "facts.tsv").write_text("Lyon\tcountry\tFrance\nFrance\tcurrency\tEuro\n")
    commands = [[part.replace("OUT", str(tmp_path)) for part in CASES[n][0]] for n in names]
    before: set[str] = set()
    for name, modules in zip(names, modules_after(*commands), strict=True):
        found, allowed = HEAVY & modules, CASES[name][1]
        assert before <= allowed, "what one may import, all after it may"
        assert found <= allowed, f"{name} imported without need: {sorted(found - allowed)}"
        assert found & DRAWING == allowed & DRAWING, "the list of what was imported is empty"
        before = allowed


@pytest.mark.parametrize("columns", ["80", "66"])
def test_the_page_of_help_is_the_one_that_typer_lays_out_from_the_docstrings(
    columns: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    with pytest.raises(SystemExit):
        cli(["--help"], prog_name="hopscope")
    typers = capsys.readouterr().out
    monkeypatch.setattr("sys.argv", ["hopscope", "--help"])
    main()
    assert capsys.readouterr().out == typers


def test_the_page_of_help_imports_neither_typer_nor_a_command() -> None:
    modules = modules_of("--help")
    assert "typer" not in modules
    ours = {name for name in modules if name.startswith("app.cli.")}
    assert ours == {"app.cli.__main__"}


def test_a_command_imports_no_other_command() -> None:
    commands = {f"app.cli.{MODULES.get(name, name)}" for name in COMMANDS}
    assert commands & modules_of("runs", "--help") == {"app.cli.runs"}


def test_an_unknown_command_is_told_the_nearest_one() -> None:
    told = CliRunner().invoke(cli, ["analize"])
    assert told.exit_code == 2
    assert "Did you mean 'analyze'?" in told.output


def test_pages_that_run_no_model_are_imported_without_pytorch() -> None:
    pages = ", ".join(f"app.views.{page}" for page in ("formation", "training", "data", "compare"))
    code = f"import sys, {pages}; print(*sys.modules)"
    command = [sys.executable, "-c", code]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert not set(told.stdout.split()) & MODEL
