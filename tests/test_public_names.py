"""The public face: names have types, live where they are said to, and come with the wheel."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
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
