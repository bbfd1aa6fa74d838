"""Which runs a sweep consists of, with every recipe validated before the first is trained."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from circuits.errors import HopscopeError
from circuits.recipes.schema import Recipe, load_recipe

MOST_RUNS = 20_000
"""Each run is a folder and a validated recipe; larger grids are mistakes more often than plans."""


@dataclass(frozen=True)
class SweepRun:
    """One cell of the grid with one seed."""

    overrides: dict[str, str]
    """Values as written, by section.key; without the seed."""
    seed: int
    recipe: Recipe
    path: Path


def plan_sweep(
    recipe: Path, grid: Sequence[str], *, out: Path, seeds: int, overrides: list[str]
) -> list[SweepRun]:
    """All runs of a sweep.

    Args:
        recipe: The recipe file.
        grid: Axes "section.key=a,b,c".
        out: Folder for all runs.
        seeds: Number of seeds of every combination, counted up from the recipe's own.
        overrides: Settings `section.key=value` for all runs.

    Raises:
        HopscopeError: for a wrong key or value, no seed, two runs of one folder, or too many runs.
    """
    if seeds < 1:
        raise HopscopeError(f"seeds = {seeds}; a sweep needs at least one.")
    axes, out = [parse_axis(axis) for axis in grid], out.absolute()
    if (n := seeds * math.prod(len(values) for _, values in axes)) > MOST_RUNS:
        raise HopscopeError(
            f"this grid has {n:,} runs and a sweep at most {MOST_RUNS:,}; give fewer values, or "
            "several sweeps with an --out each."
        )
    first_seed = load_recipe(recipe, overrides).seed
    runs = []
    for values in itertools.product(*(values for _, values in axes)):
        cell = {key: value for (key, _), value in zip(axes, values, strict=True)}
        for seed in range(first_seed, first_seed + seeds):
            settings = [f"{key}={value}" for key, value in cell.items()]
            resolved = load_recipe(recipe, [*overrides, *settings, f"seed={seed}"]).absolute()
            runs.append(SweepRun(cell, seed, resolved, out / _folder_name(cell, seed)))
    folders = Counter(run.path for run in runs)
    if shared := [path for path, n in folders.items() if n > 1]:
        raise HopscopeError(
            f"{len(runs)} runs of the sweep need as many folders, but {folders[shared[0]]} of them "
            f"would use {shared[0]}; give every value of --grid once."
        )
    _refuse_equal(runs)
    return runs


def _refuse_equal(runs: Sequence[SweepRun]) -> None:
    """Refuse to train one recipe twice, as with lr=0.001,1e-3, or a seed in the grid."""
    first: dict[str, SweepRun] = {}
    for run in runs:
        before = first.setdefault(run.recipe.model_dump_json(), run)
        if before is not run:
            raise HopscopeError(
                f"{before.path.name} and {run.path.name} are one and the same recipe; give every "
                "value of --grid once, and seeds by --seeds."
            )


def parse_axis(axis: str) -> tuple[str, list[str]]:
    """Split "section.key=a,b" into key and values; a comma inside brackets does not separate."""
    key, separator, text = axis.partition("=")
    values, depth, start = [], 0, 0
    for i, character in enumerate(text):
        depth += (character in "[{") - (character in "]}")
        if character == "," and depth == 0:
            values.append(text[start:i].strip())
            start = i + 1
    values.append(text[start:].strip())
    if not separator or not key.strip() or not all(values):
        raise HopscopeError(
            f"grid {axis!r} is not of the form section.key=a,b,c, "
            "e.g. --grid augmentation.phi=3.6,9,18."
        )
    return key.strip(), values


def _folder_name(cell: dict[str, str], seed: int) -> str:
    parts = [f"{key.rpartition('.')[2]}={value}" for key, value in cell.items()]
    name = "_".join([*parts, f"seed={seed}"])
    return "".join(c if c.isalnum() or c in "=._-" else "-" for c in name)
