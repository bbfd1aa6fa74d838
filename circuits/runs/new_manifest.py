"""What a run's manifest says when the run begins: versions, commit, baselines, diversity."""

from __future__ import annotations

import datetime
import importlib.metadata
import platform
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from circuits.corpus.shortcuts import baselines
from circuits.recipes.schema import Recipe
from circuits.runs.reading import SCHEMA_VERSION

if TYPE_CHECKING:
    from circuits.corpus.corpus import Corpus

_LIBRARIES = ("hopscope", "torch", "transformer-lens", "numpy", "safetensors")


def new_manifest(recipe: Recipe, corpus: Corpus, facts: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest of a run of which nothing is trained yet; `facts` are further entries."""
    versions = dict(_versions())
    return {
        "schema": SCHEMA_VERSION,
        "hopscope": versions.pop("hopscope"),
        "versions": versions,
        "commit": _commit(),
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "seed": recipe.seed,
        "state": "training",
        "checkpoints": [],
        "grok": {},
        "baselines": baselines(corpus),
        "diversity": corpus.report.get("diversity", {}),
        "seconds": 0.0,
        "notes": [],
        **facts,
    }


@cache
def _versions() -> dict[str, str]:
    """Of Python and `_LIBRARIES`, as this process runs them."""
    versions = {"python": platform.python_version()}
    for library in _LIBRARIES:
        try:
            versions[library] = importlib.metadata.version(library)
        except importlib.metadata.PackageNotFoundError:
            versions[library] = "not installed"
    return versions


@cache
def _commit() -> str | None:
    """Commit of the checkout that this code runs from, if it is one."""
    here = Path(__file__).resolve().parent
    try:
        found = subprocess.run(
            ["git", "-C", str(here), "rev-parse", "HEAD"],
            capture_output=True,
            text=True,
            timeout=5,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return found.stdout.strip() or None if found.returncode == 0 else None
