"""The plan of the house as a table: which room may import which, and that no imports go round."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from import_graph import FILES, MODULES, PACKAGES, ROOT, circles, imported_modules, room_of

MODULES_PER_ROOM = 24

# Every room, and the rooms whose modules it may import beside its own. `circuits` as a room is
# errors, files and statistics; `analyses` the catalog, the walk, and what all analyses share.
ROOMS: dict[str, str] = {
    "circuits": "",
    "circuits.remote": "circuits",
    "circuits.recipes": "circuits circuits.remote",
    "circuits.graph": "circuits circuits.recipes",
    "circuits.graph.sources": "circuits circuits.graph circuits.graph.sources.formats",
    "circuits.graph.sources.formats": "circuits circuits.graph",
    "circuits.graph.sources.two_wiki": "circuits circuits.graph circuits.graph.sources "
    "circuits.graph.sources.formats",
    "circuits.graph.sources.question_files": "circuits circuits.graph circuits.graph.sources "
    "circuits.graph.sources.formats circuits.graph.sources.two_wiki",
    "circuits.corpus": "circuits circuits.recipes circuits.graph circuits.graph.sources "
    "circuits.graph.sources.two_wiki circuits.corpus.augmentation",
    "circuits.corpus.augmentation": "circuits circuits.recipes circuits.graph circuits.corpus",
    "circuits.corpus.proposals": "circuits circuits.recipes circuits.graph "
    "circuits.corpus.augmentation",
    "circuits.model": "circuits circuits.recipes circuits.model.cpu",
    "circuits.model.cpu": "circuits circuits.model",
    "circuits.patching": "circuits circuits.corpus circuits.model circuits.model.cpu",
    "circuits.circuit": "circuits circuits.model circuits.patching",
    "circuits.runs": "circuits circuits.remote circuits.recipes circuits.corpus circuits.model "
    "circuits.series circuits.series.checking circuits.text circuits.pretrained",
    "circuits.series": "circuits circuits.recipes circuits.graph circuits.corpus circuits.model "
    "circuits.runs circuits.series.checking",
    "circuits.series.checking": "circuits circuits.runs circuits.series",
    "circuits.text": "circuits circuits.recipes circuits.graph.sources.question_files "
    "circuits.corpus",
    "circuits.pretrained": "circuits circuits.graph circuits.corpus circuits.model circuits.runs "
    "circuits.series circuits.text",
    "train": "circuits circuits.remote circuits.recipes circuits.corpus circuits.model "
    "circuits.model.cpu circuits.runs circuits.text",
    "train.recipes": "circuits",
    "train.sweeps": "circuits circuits.remote circuits.recipes circuits.runs train train.packs",
    "train.packs": "circuits circuits.remote circuits.recipes circuits.corpus circuits.model "
    "circuits.runs train",
    "analyses": "circuits circuits.recipes circuits.model circuits.runs analyses.options "
    "analyses.questions",
    "analyses.options": "circuits circuits.corpus circuits.patching",
    "analyses.questions": "circuits circuits.graph circuits.corpus circuits.model "
    "circuits.patching circuits.circuit",
    "analyses.readouts": "circuits circuits.corpus circuits.model circuits.patching analyses "
    "analyses.options analyses.questions",
    "analyses.interventions": "circuits circuits.corpus circuits.model circuits.patching "
    "circuits.circuit circuits.text analyses analyses.options analyses.questions",
    "analyses.latent": "circuits circuits.corpus circuits.model circuits.patching circuits.text "
    "circuits.pretrained analyses analyses.options analyses.questions analyses.readouts",
    "analyses.circuits": "circuits circuits.corpus circuits.model circuits.patching "
    "circuits.circuit circuits.runs analyses analyses.options analyses.questions",
    "analyses.certificate": "circuits circuits.corpus circuits.model circuits.patching "
    "circuits.circuit circuits.runs analyses analyses.options analyses.questions "
    "analyses.readouts analyses.interventions analyses.circuits",
    "analyses.slices": "circuits circuits.corpus circuits.runs analyses",
    "analyses.over_training": "circuits circuits.corpus circuits.model circuits.patching "
    "circuits.runs analyses analyses.options analyses.readouts analyses.circuits",
    "analyses.figures": "circuits circuits.corpus circuits.runs analyses analyses.certificate "
    "analyses.slices analyses.over_training analyses.figures.specs analyses.figures.builders "
    "analyses.figures.builders.over_training analyses.figures.builders.interventions "
    "analyses.figures.builders.readouts analyses.figures.renderers "
    "analyses.figures.renderers.matplotlib analyses.figures.renderers.plotly",
    "analyses.figures.papers": "circuits circuits.recipes circuits.runs analyses "
    "analyses.figures analyses.figures.specs analyses.figures.builders",
    "analyses.figures.sheets": "circuits circuits.runs analyses analyses.figures "
    "analyses.figures.specs",
    "analyses.figures.specs": "circuits",
    "analyses.figures.builders": "circuits circuits.corpus circuits.circuit analyses "
    "analyses.circuits analyses.certificate analyses.over_training analyses.figures "
    "analyses.figures.specs analyses.figures.builders.interventions",
    "analyses.figures.builders.over_training": "circuits analyses.figures analyses.figures.specs "
    "analyses.figures.builders",
    "analyses.figures.builders.interventions": "analyses analyses.figures analyses.figures.specs "
    "analyses.figures.builders",
    "analyses.figures.builders.readouts": "analyses analyses.figures analyses.figures.specs "
    "analyses.figures.builders",
    "analyses.figures.renderers": "circuits analyses.figures analyses.figures.specs",
    "analyses.figures.renderers.matplotlib": "circuits analyses.figures analyses.figures.specs "
    "analyses.figures.renderers",
    "analyses.figures.renderers.plotly": "analyses.figures analyses.figures.specs "
    "analyses.figures.renderers",
    "app": "app.shell",
    "app.cli": "circuits circuits.remote circuits.recipes circuits.graph circuits.graph.sources "
    "circuits.corpus circuits.corpus.proposals circuits.runs circuits.series circuits.text "
    "circuits.pretrained train train.recipes train.sweeps train.packs analyses analyses.circuits "
    "analyses.certificate analyses.slices analyses.over_training analyses.figures "
    "analyses.figures.papers analyses.figures.sheets analyses.figures.specs "
    "analyses.figures.builders analyses.figures.renderers app.logic app.published",
    "app.instrument": "circuits circuits.circuit circuits.runs circuits.series analyses "
    "analyses.over_training analyses.figures analyses.figures.builders analyses.figures.renderers",
    "app.logic": "circuits circuits.graph circuits.corpus circuits.model circuits.patching "
    "circuits.circuit circuits.pretrained circuits.runs circuits.text analyses analyses.questions "
    "analyses.circuits analyses.certificate analyses.figures analyses.figures.specs "
    "analyses.figures.renderers app.instrument",
    "app.logic.tables": "circuits circuits.corpus circuits.runs analyses analyses.slices "
    "analyses.figures analyses.figures.specs app.instrument app.logic",
    "app.logic.lab": "circuits circuits.corpus circuits.model circuits.patching circuits.text "
    "analyses analyses.questions analyses.figures analyses.figures.specs app.instrument app.logic",
    "app.published": "circuits circuits.recipes circuits.runs analyses analyses.figures "
    "analyses.figures.renderers.matplotlib app.instrument app.logic app.logic.lab",
    "app.shell": "circuits circuits.remote circuits.runs circuits.series analyses "
    "analyses.circuits analyses.slices analyses.figures app.instrument app.logic "
    "app.logic.tables app.logic.lab",
    "app.background": "circuits circuits.runs analyses app.logic",
    "app.views": "circuits circuits.recipes circuits.graph circuits.patching circuits.runs "
    "train.recipes analyses analyses.circuits analyses.slices analyses.figures app.instrument "
    "app.logic app.logic.tables app.logic.lab app.shell app.background",
    "app.results": "circuits circuits.corpus circuits.recipes circuits.runs train.recipes "
    "train.sweeps analyses analyses.certificate analyses.slices",
}
DRAWING = {"plotly", "matplotlib", "streamlit"}


@pytest.mark.parametrize("module", sorted(MODULES))
def test_a_module_imports_only_from_rooms_that_its_own_may_enter(module: str) -> None:
    room = room_of(module)
    assert room in ROOMS, f"{room} is not in the table: add the room, and what it may import"
    entered = {room_of(m) for m in imported_modules(MODULES[module]) if m in MODULES}
    assert entered <= {room, *ROOMS[room].split()}


def test_no_imports_go_round() -> None:
    assert circles({name: imported_modules(path) for name, path in MODULES.items()}) == []


def test_a_circle_is_found_where_there_is_one() -> None:
    graph = {"a": {"b"}, "b": {"c", "numpy"}, "c": {"a"}, "d": {"a"}}
    assert circles(graph) == [["a", "b", "c"]]


def test_every_room_is_small_and_says_what_lives_there() -> None:
    for room in ROOMS:
        folder = ROOT / room.replace(".", "/")
        modules = [path for path in folder.glob("*.py") if path.name != "__init__.py"]
        assert len(modules) <= MODULES_PER_ROOM, room
        assert (folder / "__init__.py").read_text(encoding="utf-8").startswith('"""'), room


@pytest.mark.parametrize("path", [p for p in FILES if p.is_relative_to(ROOT / "circuits")])
def test_circuits_needs_no_drawing_library(path: Path) -> None:
    assert not imported_modules(path) & DRAWING


def test_logic_needs_no_streamlit() -> None:
    payload = {"app.instrument"} | {m for m in MODULES if m.startswith("app.instrument.")}
    logic = {m for m in MODULES if m.startswith("app.logic")}
    for module in (logic | payload) - {"app.instrument.component"}:
        assert "streamlit" not in imported_modules(MODULES[module]), module


def test_importing_page_logic_loads_no_streamlit() -> None:
    logic = sorted(module for module in MODULES if module.startswith("app.logic"))
    code = f"import sys, {', '.join(logic)}; print('streamlit' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"


def test_the_first_page_is_imported_without_what_it_does_not_need() -> None:
    """It draws what is stored; a session that asks no model need not wait for the libraries."""
    heavy = {"torch", "tokenizers", "scipy", "matplotlib", "sklearn"}
    code = f"import app.views.formation, zarr, sys; print({heavy} & set(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "set()"


def test_importing_circuits_loads_neither_torch_nor_transformer_lens() -> None:
    code = "import circuits, sys; print({'torch', 'transformer_lens'} & set(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "set()"


def test_app_has_no_module_named_like_a_package() -> None:
    """Streamlit puts app/ first on the path: a name of ours there would hide the package."""
    taken = {*PACKAGES, "streamlit", "plotly", "torch", "numpy", "pandas", "xarray", "typer"}
    assert not {path.stem for path in (ROOT / "app").iterdir()} & taken


def test_every_package_and_its_data_are_in_the_distribution() -> None:
    """Packages are listed by hand, so that nothing else in the checkout is installed."""
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    folders = {path.parent.relative_to(ROOT) for path in FILES}
    assert set(setuptools["packages"]) == {".".join(folder.parts) for folder in folders}
    data = {folder: set() for folder in folders}
    for path in (p for top in {f.parts[0] for f in folders} for p in (ROOT / top).rglob("*.*")):
        package = next((f for f in path.relative_to(ROOT).parents if f in folders), None)
        if package and path.is_file() and path.suffix not in (".py", ".pyc"):
            data[package].add(path)
    for folder, files in data.items():
        patterns = setuptools["package-data"].get(".".join(folder.parts), [])
        assert files == {path for pattern in patterns for path in (ROOT / folder).glob(pattern)}
