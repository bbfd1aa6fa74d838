"""The import table of the design: who may import whom."""

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ALLOWED = {
    "circuits": {"circuits"},
    "train": {"circuits", "train"},
    "analyses": {"circuits", "analyses"},
    "app": {"circuits", "train", "analyses", "app"},
}
SOURCES = sorted(path for package in ALLOWED for path in (ROOT / package).rglob("*.py"))


def imported_packages(path: Path) -> set[str]:
    """Top-level names imported anywhere in a file, also inside functions."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_go_in_one_direction(path: Path) -> None:
    package = path.relative_to(ROOT).parts[0]
    ours = imported_packages(path) & set(ALLOWED)
    assert ours <= ALLOWED[package]


@pytest.mark.parametrize("path", [p for p in SOURCES if p.is_relative_to(ROOT / "circuits")])
def test_circuits_needs_no_drawing_library(path: Path) -> None:
    assert not imported_packages(path) & {"plotly", "matplotlib", "streamlit"}


def test_importing_circuits_loads_neither_torch_nor_transformer_lens() -> None:
    code = "import circuits, sys; print({'torch', 'transformer_lens'} & set(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "set()"


def test_app_has_no_module_named_like_a_package() -> None:
    """Streamlit puts app/ first on the path: a name of ours there would hide the package."""
    taken = set(ALLOWED) | {"streamlit", "plotly", "torch", "numpy", "pandas", "xarray", "typer"}
    assert not {path.stem for path in (ROOT / "app").iterdir()} & taken


def test_every_package_and_its_data_are_in_the_distribution() -> None:
    """Packages are listed by hand, so that nothing else in the checkout is installed."""
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    folders = {path.parent.relative_to(ROOT) for path in SOURCES}
    assert set(setuptools["packages"]) == {".".join(folder.parts) for folder in folders}
    data = {folder: set() for folder in folders}
    for path in (p for top in {f.parts[0] for f in folders} for p in (ROOT / top).rglob("*.*")):
        package = next((f for f in path.relative_to(ROOT).parents if f in folders), None)
        if package and path.is_file() and path.suffix not in (".py", ".pyc"):
            data[package].add(path)
    for folder, files in data.items():
        patterns = setuptools["package-data"].get(".".join(folder.parts), [])
        assert files == {path for pattern in patterns for path in (ROOT / folder).glob(pattern)}
