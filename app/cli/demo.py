"""A small demo run for an installation without a checkout, made in a minute or two."""

from __future__ import annotations

from pathlib import Path

from app.cli.terminal import say
from circuits.runs.reading import MANIFEST

SETTINGS = (
    "training.steps=1500",
    "training.cooldown=300",
    "checkpoints.dense_every=250",
    "checkpoints.every=250",
)
"""A quarter of the demo's training: memorized, and on the way to the general circuit."""

ANALYSES = ("logit_lens", "causal_tracing", "bridge_patching")


def small_demo(runs: Path) -> Path:
    """The folder of the small demo among these runs; it is trained and measured if missing.

    Args:
        runs: The folder of the runs.

    Raises:
        HopscopeError: if the folder cannot be written.
    """
    folder = runs / "demo"
    if (folder / MANIFEST).is_file():
        return folder
    from analyses.walk import analyze
    from circuits.recipes.schema import load_recipe
    from train.loop import train
    from train.recipes import shipped

    say(f"A small demo is trained into {folder} and measured, which takes a minute or two.")
    run = train(load_recipe(shipped()["demo"], SETTINGS), folder)
    for name in ANALYSES:
        analyze(run, name)
    return folder
