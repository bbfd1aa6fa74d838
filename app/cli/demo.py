"""A small demo run for an installation without a checkout, made in a minute or two."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from analyses.stored import stored_steps
from app.cli.terminal import say
from circuits.runs.reading import MANIFEST
from circuits.runs.run import Run, open_run

if TYPE_CHECKING:
    from circuits.recipes.schema import Recipe

SETTINGS = (
    "training.steps=1500",
    "training.cooldown=300",
    "checkpoints.dense_every=250",
    "checkpoints.every=250",
)
"""A quarter of the demo's training: memorized, and on the way to the general circuit."""

ANALYSES = ("logit_lens", "causal_tracing", "bridge_patching")


def small_demo(runs: Path) -> Path:
    """The folder of the small demo among these runs; what is missing is trained and measured.

    Another run that has its name is left as it is.

    Args:
        runs: The folder of the runs.

    Raises:
        HopscopeError: if the folder cannot be written.
        typer.Exit: if the training was stopped; the next call goes on with it.
    """
    folder = runs / "demo"
    run = open_run(folder) if (folder / MANIFEST).is_file() else None
    if run is not None and run.recipe != _recipe():
        return folder  # a run of somebody's own has the name
    if run is None or run.state == "stopped":
        run = _trained(folder, resume=run is not None)
    if run.state == "stopped":
        say("Stopped; `hopscope app --demo` goes on from here.")
        raise typer.Exit(130)
    for name in ANALYSES if run.state == "finished" else ():
        if not stored_steps(run, name):
            from analyses.walk import analyze

            analyze(run, name)
    return folder


def _trained(folder: Path, *, resume: bool) -> Run:
    from train.loop import train

    say(f"A small demo is trained into {folder} and measured, which takes a minute or two.")
    return train(None if resume else _recipe(), folder, resume=resume)


def _recipe() -> Recipe:
    from circuits.recipes.schema import load_recipe
    from train.recipes import shipped

    return load_recipe(shipped()["demo"], SETTINGS)
