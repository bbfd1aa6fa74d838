"""Resume: a stopped run goes on as if it had not stopped, step by step.

1. A run that is finished, or whose recipe or model was changed, is refused.
2. Model and optimizer are set up as they were, on the device that is there now.
3. They are put back to the newest state before which everything on disk is whole; what was
   recorded later is forgotten, since it is trained again.
4. The session trains to the end.
"""

from __future__ import annotations

import math
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from circuits.errors import HopscopeError
from circuits.model.config import ModelConfig
from circuits.model.hook_free import Precision
from circuits.recipes.schema import Recipe
from circuits.runs.reading import MANIFEST
from circuits.runs.run import RECIPE, RESUME, Run, open_run
from circuits.runs.writer import RunWriter
from train.distributed import Group, process_group
from train.session import Session, model_config
from train.state import ResumeState, forget_after, no_state, usable_states
from train.threads import recorded_threads
from train.trackers import check_trackers


def resume_run(path: Path, recipe: Recipe | None, *, show: bool) -> None:
    """Go on with the run in a folder; a recipe that is given must be its own."""
    run = open_run(path)
    refuse_to_resume(run, recipe)
    check_trackers(run.recipe)
    with (
        process_group(run.recipe.training.device) as group,
        group.own_randomness(),
        recorded_threads(run.manifest.get("threads")),
    ):
        with RunWriter.reopen(run) if group.is_first else nullcontext() as writer:
            session, notes = session_as_before(run, writer, group)
            notes += what_differs(run.manifest, session.trainer.circumstances())
            session.run(writer, *notes, show=show)
        group.barrier()


def session_as_before(
    run: Run, writer: RunWriter | None, group: Group
) -> tuple[Session, list[str]]:
    """The session of a run as it was at its newest whole state, and what was lost since."""
    session = Session(
        run.recipe, run.corpus, run.path, group, precision_before(run, group), run.text
    )
    notes = _load_newest(session, run, writer)
    group.barrier()
    return session, notes


def refuse_to_resume(run: Run, recipe: Recipe | None) -> None:
    """Refuse a run that is done, or that would not go on as what it was."""
    if recipe is not None and recipe != run.recipe:
        raise HopscopeError(
            f"{run.path} was started from another recipe; resume it without one, or train into a "
            "new folder."
        )
    refuse_imported(run)
    if run.state == "finished":
        raise HopscopeError(
            f"{run.path} is finished ({_why_finished(run)}); there is nothing to resume. To train "
            f"longer: hopscope train --resume {run.path} --set training.steps=N; otherwise train a "
            "recipe into a new folder."
        )
    if run.recipe_changed:
        raise HopscopeError(
            f"{run.path / RECIPE} was changed since the run was started; put it back as it was, or "
            "train the changed recipe into a new folder."
        )
    model = model_config(run.recipe, run.corpus, run.text)
    if model != ModelConfig.from_json(run.manifest["model"]):
        raise HopscopeError(
            f"{run.path}: the model in {MANIFEST} is not that of {RECIPE} and the corpus; they are "
            "not of one run, so train the recipe again into a new folder."
        )


def refuse_imported(run: Run) -> None:
    """Refuse to go on with a run that others trained."""
    if run.imported is not None:
        raise HopscopeError(
            f"{run.path} was imported: its optimizer is unknown, so its training cannot go on. "
            "Train a recipe into a new folder."
        )


def _why_finished(run: Run) -> str:
    """What ended it: all steps, or the accuracy that was asked for."""
    last, goal = run.last_step, run.recipe.evaluation.stop_at_id_accuracy
    if run.recipe_changed:
        return f"after {last:,} steps, of the recipe that it had then; {RECIPE} was changed since"
    if goal is None or last >= run.recipe.training.steps:
        return f"all {last:,} steps are done"
    return f"it reached evaluation.stop_at_id_accuracy = {goal:g} at step {last:,}"


def precision_before(run: Run, group: Group) -> Precision | None:
    """The precision of before; None on a device of another kind."""
    return run.manifest["precision"] if run.manifest["device"] == group.device.type else None


def what_differs(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Where a run goes on in circumstances (`Trainer.circumstances`) other than before."""
    return [
        f"Resumed with {name} = {now[name]} after {name} = {before[name]}: rounding differs "
        "from here on, so later numbers may drift from those of an uninterrupted run."
        for name in ("device", "kernels", "processes", "threads")
        if before.get(name, now[name]) != now[name]
    ]


def _load_newest(session: Session, run: Run, writer: RunWriter | None) -> list[str]:
    """Put the session back to the newest state before which nothing is damaged; says what was."""
    folder = run.path / RESUME
    problems: list[str] = []
    states = list(usable_states(folder, problems))
    rows = run.rows()
    if not states and not problems and run.steps in ([], [0]) and len(rows) <= 1:
        if writer is not None:
            writer.rewind(-1)
        return ["The run had only begun: it starts again from step 0."]
    damaged = {*run.damaged_steps(), *(s for state in states for s in _unlisted(state, run))}
    states = [state for state in states if _has_its_rows(state, rows, problems)]
    first_lost = min(damaged, default=math.inf)
    states.sort(key=lambda state: state.step >= first_lost)  # those before it first, the newest on
    step = _load_first(session, states, problems)
    if step is None:
        raise no_state(folder, problems)
    session.trainer.group.barrier()  # all have read before the first one rewrites
    notes = [f"{problem[0].upper()}{problem[1:]}." for problem in problems]
    for lost in sorted(damaged):
        fate = "is trained again" if lost > step else "is left out of the run"
        notes.append(f"The checkpoint of step {lost} is damaged and {fate}.")
    if writer is not None:
        writer.rewind(step)
        writer.drop_checkpoints(damaged)
        forget_after(folder, step)
    return [*notes, f"Going on from step {step}."]


def _unlisted(state: ResumeState, run: Run) -> list[int]:
    """Steps whose checkpoint the manifest no longer lists, e.g. in a copy made while training."""
    return [step for step in state.numbers.get("checkpoints", ()) if step not in run.steps]


def _has_its_rows(state: ResumeState, rows: list[dict[str, Any]], problems: list[str]) -> bool:
    """Whether all evaluations up to the state are there, which a copy made while training lacks."""
    there = sum(row["step"] <= state.step for row in rows)
    if there == state.numbers.get("rows", there):
        return True
    problems.append(f"evaluations up to the resume state of step {state.step} are missing")
    return False


def _load_first(session: Session, states: list[ResumeState], problems: list[str]) -> int | None:
    """Put the session back to the first state that fits it; returns its step."""
    for state in states:
        try:
            session.load_state(state)
        except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            problems.append(f"the resume state of step {state.step} does not fit: {error}")
        else:
            return state.step
    return None
