"""A small real run with its results, for tests of the dashboard."""

from __future__ import annotations

from pathlib import Path

import torch
from tiny_runs import tiny_recipe

from analyses import analyze
from app.logic.drawn_results import CORE_ANALYSES, drawn_analyses
from circuits.runs.run import Run
from train.loop import train


def compared_run(folder: Path) -> Run:
    """A run of the comparison task, trained for 40 steps, with its analyses."""
    torch.set_num_threads(1)
    recipe = tiny_recipe(
        source__name="grokked_comparison",
        source__options={"n_entities": 30, "n_attributes": 4, "n_values": 5},
        augmentation__phi=3.0,
        splits__task="comparison",
        splits__comparison_form="order",
    )
    run = train(recipe, folder, progress=False)
    for name in drawn_analyses("comparison").values():
        analyze(run, name, progress=False, n_jobs=1)
    return run.refreshed()


def analyzed_run(folder: Path, **settings: object) -> Run:
    """Train two layers for 40 steps and analyze all five checkpoints."""
    torch.set_num_threads(1)
    run = train(tiny_recipe(model__n_layers=2, **settings), folder, progress=False)
    for name in CORE_ANALYSES:
        analyze(run, name, progress=False, n_jobs=1)
    return run.refreshed()
