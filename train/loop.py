"""`train`: the one entry, for a recipe to start and for a run to go on with.

A start is `train/start.py` and a resume is `train/resume.py`; the steps of both are in
`train/session.py`.
"""

from __future__ import annotations

from pathlib import Path

from circuits.errors import HopscopeError
from circuits.recipes.schema import Recipe
from circuits.runs.run import Run, open_run
from train.distributed import LostProcess
from train.resume import resume_run
from train.start import start_run
from train.state import how_to_go_on


def train(
    recipe: Recipe | None, out: str | Path, *, resume: bool = False, progress: bool = True
) -> Run:
    """Train a recipe into a new run folder, or resume a stopped run.

    On a CPU, with the same number of threads and the same kernels, a resumed run equals one that
    was not stopped bit for bit, in weights and metrics. SIGTERM and Ctrl-C save first; the run is
    then "stopped".

    Args:
        recipe: What to train. With `resume` it may be None; if given it must be the run's own.
        out: The run folder: new or empty, or with `resume` a run.
        resume: Go on with the run in `out`.
        progress: Show a bar (in a terminal) or lines (elsewhere) on standard error.

    Returns:
        The run, opened: finished, or stopped if somebody asked to stop.

    Raises:
        HopscopeError: for whatever the recipe, the folder or the machine do not allow.

    >>> from circuits import load_recipe
    >>> short = ["training.steps=2", "evaluation.items=20", "model.d_model=8", "model.d_mlp=8"]
    >>> run = train(load_recipe("train/recipes/demo.toml", short), "runs/short", progress=False)
    >>> run.steps, run.state
    ([0, 2], 'finished')
    """
    path = Path(out)
    try:
        if resume:
            resume_run(path, recipe, show=progress)
        elif recipe is None:
            raise HopscopeError("nothing to train: give a recipe, or resume=True with a run.")
        else:
            start_run(recipe, path, show=progress)
    except LostProcess as error:
        raise HopscopeError(f"{error} {how_to_go_on(path)}") from error
    return open_run(path)
