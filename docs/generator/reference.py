"""The API reference: one page per package, with the docstrings of its public names."""

from __future__ import annotations

from importlib import import_module

TRAIN = {
    "train": "train.loop",
    "sweep": "train.sweeps.run",
    "sweep_dataset": "train.sweeps.collect",
    "sweep_status": "train.sweeps.status",
    "lengthen": "train.longer",
    "shipped": "train.recipes",
    "recipe_file": "train.recipes",
}
"""`train` has no face of its own: what scripts call, and where it lives."""

INTRODUCTIONS = {
    "circuits": "Graphs, questions, models, patching, circuits, runs: `from circuits import …`.",
    "analyses": "Analyses of a run, their results and their figures: `from analyses import …`.",
    "train": "From a recipe to a run folder, and the recipes that ship.",
}


def pages() -> dict[str, str]:
    """Markdown by package, for mkdocstrings to fill."""
    homes = {face: dict(import_module(face)._HOME) for face in ("circuits", "analyses")}
    return {face: _page(face, names) for face, names in {**homes, "train": TRAIN}.items()}


def _page(face: str, homes: dict[str, str]) -> str:
    blocks = [f"# `{face}`", INTRODUCTIONS[face]]
    for name, home in sorted(homes.items(), key=lambda item: item[0].lower()):
        blocks.append(f"::: {home}.{name}")
    return "\n\n".join(blocks) + "\n"
