"""Runs that differ in their seed alone, and what they can stand for in the papers' figures.

1. Two runs are seeds of one family if their recipes agree in everything that determines the
   weights: checkpoints, evaluation and device may differ.
2. What a family stands for follows from its recipe: the task, and whether its facts are real
   (*Wild*) or drawn at random (*Grokked*).
3. Of two runs with one recipe and one seed the first named is taken.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from circuits.recipes.schema import Recipe
from circuits.runs.run import Run

SYNTHETIC = ("grokked_composition", "grokked_comparison")
INCIDENTAL = ("checkpoints", "evaluation")
"""Sections that do not change what is trained."""
SIZES = ("n_entities", "n_countries")
"""Options of sources that set the size of the graph."""


@dataclass(frozen=True, eq=False)
class Family:
    """Runs of one recipe, one for each seed."""

    recipe: Recipe
    runs: tuple[Run, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The runs' folders, without where they are."""
        return tuple(run.path.resolve().name for run in self.runs)

    @property
    def phi(self) -> float:
        """Trained inferred facts per ID fact; NaN if all were trained."""
        phi = self.recipe.augmentation.phi
        return float("nan") if phi is None else phi

    @property
    def size(self) -> tuple[str, int] | None:
        """The source's option that sets the size of the graph, with its value."""
        options = self.recipe.source.options
        return next(((key, int(options[key])) for key in SIZES if key in options), None)

    @cached_property
    def trained(self) -> int:
        """Examples in an epoch: trained questions and facts."""
        splits = self.runs[0].corpus.splits
        kinds = ("train_inferred", "identity", "injected", "atomic_id", "atomic_ood")
        facts = self.recipe.splits.train_atomic
        return sum(
            len(splits[k]) for k in kinds if k in splits and (facts or not k.startswith("atomic"))
        )

    def describe(self) -> str:
        """The runs in a few words: names, facts, phi, number of seeds."""
        seeds = f"{len(self.runs)} seed{'s' * (len(self.runs) > 1)}"
        return f"{', '.join(self.names)} ({self.recipe.source.name}, phi {self.phi:g}, {seeds})"


def families(runs: Sequence[Run]) -> list[Family]:
    """The runs by recipe, in the order in which they are named, each seed once."""
    found: dict[str, dict[int, Run]] = {}
    for run in runs:
        found.setdefault(_key(run.recipe), {}).setdefault(run.recipe.seed, run)
    groups = (tuple(by_seed[s] for s in sorted(by_seed)) for by_seed in found.values())
    return [Family(group[0].recipe, group) for group in groups]


def of_kind(found: Sequence[Family], task: str, real: bool | None = None) -> list[Family]:
    """Families of a task; of comparisons, `real` ones ask "the same?" and others for the order."""
    return [
        family for family in found
        if family.recipe.splits.task == task
        and (real is None or (family.recipe.source.name not in SYNTHETIC) == real)
    ]  # fmt: skip


def nearest(found: Sequence[Family], phi: float) -> Family | None:
    """The family whose phi is nearest to a published one; of equal ones that with most seeds."""
    with_phi = [f for f in found if f.phi == f.phi] or list(found)
    return min(with_phi, key=lambda f: (abs(f.phi - phi), -len(f.runs)), default=None)


def series_of(found: Sequence[Family], by: str) -> list[Family]:
    """The longest series of families that differ in phi or size alone, rising; [] below two.

    Args:
        found: Families of one task.
        by: "phi" or "size".
    """
    groups: dict[str, list[Family]] = {}
    for family in found:
        if (value := family.phi if by == "phi" else family.size) is None or value != value:
            continue
        groups.setdefault(_key(family.recipe, without=by), []).append(family)
    longest = max(groups.values(), key=len, default=[])
    return sorted(longest, key=lambda f: f.phi if by == "phi" else f.size[1]) * (len(longest) > 1)  # type: ignore[index]


def _key(recipe: Recipe, without: str = "") -> str:
    """All that determines the weights but the seed, and but what a series varies, as text."""
    table: dict[str, Any] = recipe.model_dump(mode="json", exclude={"seed", *INCIDENTAL})
    for key in ("device", "precision"):
        table["training"].pop(key)
    if without == "phi":
        table["augmentation"].pop("phi")
    if without == "size":
        for key in SIZES:
            table["source"]["options"].pop(key, None)
    return json.dumps(table, sort_keys=True)
