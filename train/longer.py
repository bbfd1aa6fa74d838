"""Train longer: a finished run goes on to more steps, from the state that it ended with.

1. Only `training.steps` may change, and only to more. Anything else is another run: branch it off
   with `training.init_from`.
2. The change is recorded in the manifest ("continued"), beside the recipe that the run was started
   with; `Run.recipe` has the new number of steps.
3. Training goes on from the last resume state. If the rate was constant up to there, the result
   equals a run of that length bit for bit. Otherwise the rate rises again, which a note says.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from circuits.errors import HopscopeError
from circuits.recipes.schema import Recipe, load_recipe
from circuits.runs.reading import state_steps
from circuits.runs.run import RECIPE, RESUME, Run, open_run
from circuits.runs.writer import RunWriter
from train.resume import refuse_imported
from train.trainer import learning_rate

STEPS = "training.steps"


def lengthen(path: Path, settings: Sequence[str]) -> str | None:
    """Record that a run is to have more steps; a sentence on what that means for its rate, or None.

    Args:
        path: The run, finished or stopped.
        settings: `training.steps=N`, as after `--set`.

    Raises:
        HopscopeError: if something else is to change, the steps are not more, or the run has no
            state from which it could go on; nothing is written then.
    """
    run = open_run(path)
    wanted = load_recipe(path / RECIPE, settings).training.steps
    _refuse(run, settings, wanted)
    told = _rises_again(run.recipe, wanted, state_steps(run.path / RESUME)[0])
    with RunWriter.reopen(run) as writer:
        if told is not None:
            writer.add_note(told)
        writer.record_more_steps(wanted)
    return told


def _refuse(run: Run, settings: Sequence[str], wanted: int) -> None:
    refuse_imported(run)
    keys = [setting.partition("=")[0].strip() for setting in settings]
    if other := [key for key in keys if key != STEPS]:
        raise HopscopeError(
            f"a resumed run can only get more steps (--set {STEPS}=N), but {other[0]} was given; "
            f"change that in a new run, with training.init_from={run.path}@STEP."
        )
    planned = run.recipe.training.steps
    if wanted <= planned:
        raise HopscopeError(
            f"{run.path} has done {run.last_step:,} of {planned:,} steps; to train longer, give "
            f"{STEPS} a larger number than {planned:,}, not {wanted:,}."
        )
    if run.recipe_changed:
        raise HopscopeError(
            f"{run.path / RECIPE} was changed since the run was started; put it back as it was."
        )
    if not state_steps(run.path / RESUME):
        raise HopscopeError(
            f"{run.path} has no resume state (older versions deleted it at the end); train a new "
            f"run with training.init_from={run.path}@{(run.steps or [0])[-1]} instead."
        )


def _rises_again(recipe: Recipe, wanted: int, done: int) -> str | None:
    """A schedule of more steps has a higher rate wherever that of fewer has begun to fall."""
    planned, longer = recipe.training, recipe.with_training(steps=wanted).training
    if learning_rate(planned, done) == learning_rate(longer, done):
        return None
    return (
        f"The learning rate had fallen towards step {planned.steps:,} and rises again, since its "
        f"schedule is now that of {wanted:,} steps."
    )
