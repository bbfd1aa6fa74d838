"""`train`: the one entry, for a recipe to start and for a run to go on with.

A start, step by step (a resume is in `train/resume.py`, the steps of both in `train/session.py`):

1. The recipe's data are built: graph, splits, questions.
2. Model, optimizer and checkpoint plan are set up; what does not fit is refused before any file.
3. The number of threads is chosen, and the run folder made, by the first of several processes.
4. The session evaluates and keeps the untrained model, and trains to the end.
"""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

from circuits.corpus.build import build_corpus
from circuits.corpus.diversity import few_bridges
from circuits.errors import HopscopeError
from circuits.recipes.schema import Recipe
from circuits.remote.mirror import fetch_below
from circuits.runs.remote import local_folder
from circuits.runs.run import RESUME, Run, open_run
from circuits.runs.writer import RunWriter
from circuits.text.corpus import text_corpus
from train.distributed import LostProcess, process_group
from train.resume import resume_run
from train.session import Session
from train.state import how_to_go_on
from train.threads import threads_for
from train.trackers import check_trackers


def train(
    recipe: Recipe | None, out: str | Path, *, resume: bool = False, progress: bool = True
) -> Run:
    """Train a recipe into a new run folder, or resume a stopped run.

    On a CPU, with the same number of threads and the same kernels, a resumed run equals one that
    was not stopped bit for bit, in weights and metrics. SIGTERM and Ctrl-C save first; the run is
    then "stopped".

    Args:
        recipe: What to train. With `resume` it may be None; if given it must be the run's own.
        out: The run folder or its URL: new or empty, or with `resume` a run.
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
    path = local_folder(out)
    if resume:
        fetch_below(path / RESUME)
    try:
        if resume:
            resume_run(path, recipe, show=progress)
        elif recipe is None:
            raise HopscopeError("nothing to train: give a recipe, or resume=True with a run.")
        else:
            _start(recipe, path, show=progress)
    except LostProcess as error:
        raise HopscopeError(f"{error} {how_to_go_on(path)}") from error
    return open_run(path)


def _start(recipe: Recipe, out: Path, *, show: bool) -> None:
    """Train a recipe into a folder that is new or empty."""
    check_trackers(recipe)
    with process_group(recipe.training.device) as group, group.own_randomness():
        corpus = build_corpus(recipe)
        text = None if recipe.text is None else text_corpus(recipe, corpus)
        session = Session(recipe, corpus, out, group, text=text)
        trainer, warnings = session.trainer, few_bridges(corpus.report["diversity"])
        warnings = [*warnings, *(text.warnings if text else [])]
        with threads_for(trainer.attempt, group.device) as told:
            facts = {"model": trainer.model.cfg.to_json(), **trainer.circumstances()}
            with (
                RunWriter.create(out, recipe, corpus, facts, text)
                if group.is_first
                else nullcontext()
            ) as writer:
                session.run(writer, *warnings, *([told] if told else []), show=show)
        group.barrier()
