"""The public face: names have types, live where they are said to, and come with the wheel."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from import_graph import ROOT

FACES = ("circuits", "analyses")
SCRIPT = """
from analyses import CATALOG, analyze
from circuits import Patch, __version__, load_recipe, open_run, patch_grid, run_patched
run = open_run("assets/demo")
model = run.model(step=run.steps[-1])
queries = run.queries("id_test")
logits, cache = model.run_with_cache(queries.tokens)
grid = patch_grid(model, queries.tokens, queries.tokens)
patched = run_patched(model, queries.tokens, Patch("resid_pre", 0, 1))
reveal_type(__version__); reveal_type(run); reveal_type(model); reveal_type(queries)
reveal_type(queries.tokens); reveal_type(grid)
reveal_type(patched)
reveal_type(load_recipe("demo.toml")); reveal_type(analyze(run, "logit_lens")); reveal_type(CATALOG)
"""
REVEALED = (
    "str",
    "circuits.runs.run.Run",
    "circuits.model.transformer.HookedTransformer",
    "circuits.corpus.queries.Queries",
    "torch._tensor.Tensor",
    "xarray.core.dataarray.DataArray",
    "torch._tensor.Tensor",
    "circuits.recipes.schema.Recipe",
    "xarray.core.dataset.Dataset",
    "analyses.analysis.Analysis",
)


def test_a_users_script_sees_real_types(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    # From the checkout and with its settings, so that the cache of the check before serves here.
    command = [sys.executable, "-m", "mypy", str(script)]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout
    revealed = [line.split('"')[1] for line in told.splitlines() if "Revealed type" in line]
    assert len(revealed) == len(REVEALED), told
    for seen, expected in zip(revealed, REVEALED, strict=True):
        assert expected in seen
    assert "error:" not in told


@pytest.mark.parametrize("face", FACES)
def test_types_and_homes_of_public_names_agree(face: str) -> None:
    module = importlib.import_module(face)
    tree = ast.parse(Path(module.__file__ or "").read_text(encoding="utf-8"))
    typed = {
        alias.name: node.module
        for block in tree.body
        if isinstance(block, ast.If)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert typed == module._HOME
    assert set(module.__all__) - {"__version__"} == set(typed)
    for name in module.__all__:
        assert getattr(module, name) is not None


def test_a_name_that_does_not_exist_is_refused_by_name() -> None:
    for face in FACES:
        with pytest.raises(AttributeError, match=f"'{face}' has no attribute 'nothing'"):
            importlib.import_module(face).nothing  # noqa: B018


def test_the_wheel_alone_brings_every_public_name(tmp_path: Path) -> None:
    """Built from a copy of the checkout's files and imported in an environment without it."""
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    copy = tmp_path / "checkout"
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    names = [n for n in tracked.stdout.splitlines() if not n.startswith(("assets/", "tests/"))]
    for name in names:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_bytes((ROOT / name).read_bytes())
    build = [*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(tmp_path)]
    subprocess.run([*build, str(copy)], check=True)
    (wheel,) = tmp_path.glob("hopscope-*.whl")
    empty = tmp_path / "empty"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(empty)], check=True)
    site = next(empty.glob("lib/python3*/site-packages"))
    subprocess.run([*pip, "install", "--no-deps", "--target", str(site), str(wheel)], check=True)
    # Dependencies by path alone: an editable install of ours there takes no part.
    code = (
        "import sys; sys.path.append(sys.argv[1]); import analyses, circuits, train;"
        "print(*(getattr(face, name) for face in (circuits, analyses) for name in face.__all__));"
        "import pathlib; print(*(pathlib.Path(m.__file__).parents[1] for m in (circuits, train)));"
        "print((pathlib.Path(circuits.__file__).parent / 'py.typed').exists())"
    )
    command = [str(empty / "bin" / "python"), "-I", "-c", code, sysconfig.get_paths()["purelib"]]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    *_, homes, typed = done.stdout.splitlines()
    assert homes.split() == [str(site)] * 2
    assert typed == "True"
