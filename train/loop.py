"""From a recipe to a run folder, and from a stopped run on."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from circuits.corpus.corpus import Corpus, build_corpus
from circuits.errors import HopscopeError
from circuits.model.config import ModelConfig
from circuits.model.plain import PlainTransformer
from circuits.recipes.schema import Recipe
from circuits.runs.checkpoints import checkpoint_bytes
from circuits.runs.reading import MANIFEST
from circuits.runs.run import RECIPE, RESUME, Run, open_run
from circuits.runs.writer import RunWriter
from train.distributed import Group, LostProcess, process_group
from train.evaluation import Evaluator
from train.memory import fitting_model
from train.precision import kernels_in_use, resolve_precision
from train.schedule import CheckpointPlan
from train.session import Session
from train.state import ResumeState, forget_after, how_to_go_on, no_state, usable_states
from train.trackers import check_trackers
from train.trainer import Trainer


def train(
    recipe: Recipe | None, out: str | Path, *, resume: bool = False, progress: bool = True
) -> Run:
    """Train a recipe into a new run folder, or go on with a stopped one.

    On a CPU, with the same number of threads and the same kernels, a resumed run equals one that
    was not stopped bit for bit, in weights and metrics. SIGTERM and Ctrl-C save first; the run is
    then "stopped".

    Args:
        recipe: What to train. With `resume` it may be None; if given it must be the run's own.
        out: The run folder: new or empty, or with `resume` a run.
        resume: Go on with the run in `out`.
        progress: Show a bar (in a terminal) or lines (elsewhere) on standard error.

    Raises:
        HopscopeError: for whatever the recipe, the folder or the machine do not allow.
    """
    out = Path(out)
    try:
        if resume:
            return _resume(recipe, out, progress)
        if recipe is None:
            raise HopscopeError("nothing to train: give a recipe, or resume=True with a run.")
        with process_group(recipe.training.device) as group, group.own_randomness():
            return _start(recipe, out, group, progress)
    except LostProcess as error:
        raise HopscopeError(f"{error} {how_to_go_on(out)}") from error


def _start(recipe: Recipe, out: Path, group: Group, progress: bool) -> Run:
    check_trackers(recipe)
    corpus = build_corpus(recipe)
    config = ModelConfig.from_recipe(recipe.model, len(corpus.vocab), corpus.n_ctx, recipe.seed)
    precision = resolve_precision(recipe.training.precision, group.device)
    with fitting_model(config.n_matrix_weights):
        model = PlainTransformer(config)
        trainer = Trainer(recipe, corpus, model, precision, group)
    facts = {
        "model": config.to_json(),
        "parameters": sum(p.numel() for p in model.parameters()),
        "device": group.device.type,
        "precision": precision,
        "kernels": kernels_in_use(config, precision, group.device),
        "threads": torch.get_num_threads(),
        "processes": group.world,
    }
    plan = _plan(recipe, model)
    with _writer(group, out, recipe, corpus, facts) as writer:
        session = _session(recipe, corpus, trainer, plan, writer, out, progress)
        session.run()
    group.barrier()
    return open_run(out)


def _resume(recipe: Recipe | None, out: Path, progress: bool) -> Run:
    run = open_run(out)
    if recipe is not None and recipe != run.recipe:
        raise HopscopeError(
            f"{out} was started from another recipe; resume it without one, or train into a new "
            "folder."
        )
    if run.state == "finished":
        raise HopscopeError(
            f"{out} is finished ({_why_finished(run)}); there is nothing to resume."
        )
    _refuse_changed(run)
    with process_group(run.recipe.training.device) as group, group.own_randomness():
        if not group.is_first:
            return _continue(run, group, None, progress)
        with RunWriter.reopen(run) as writer:
            return _continue(run, group, writer, progress)


def _refuse_changed(run: Run) -> None:
    if run.recipe_changed:
        raise HopscopeError(
            f"{run.path / RECIPE} was changed since the run was started; put it back as it was, or "
            "train the changed recipe into a new folder."
        )
    corpus = run.corpus
    model = ModelConfig.from_recipe(
        run.recipe.model, len(corpus.vocab), corpus.n_ctx, run.recipe.seed
    )
    if model != ModelConfig.from_json(run.manifest["model"]):
        raise HopscopeError(
            f"{run.path}: the model in {MANIFEST} is not that of {RECIPE} and the corpus; they are "
            "not of one run, so train the recipe again into a new folder."
        )


def _why_finished(run: Run) -> str:
    """What ended it: all steps, or the accuracy that was asked for."""
    last, goal = run.steps[-1], run.recipe.evaluation.stop_at_id_accuracy
    if goal is None or last >= run.recipe.training.steps:
        return f"all {run.recipe.training.steps:,} steps are done"
    return f"it reached evaluation.stop_at_id_accuracy = {goal:g} at step {last:,}"


def _continue(run: Run, group: Group, writer: RunWriter | None, progress: bool) -> Run:
    recipe, corpus, manifest = run.recipe, run.corpus, run.manifest
    model = PlainTransformer(ModelConfig.from_json(manifest["model"]))
    precision = manifest["precision"] if manifest["device"] == group.device.type else None
    trainer = Trainer(
        recipe,
        corpus,
        model,
        precision or resolve_precision(recipe.training.precision, group.device),
        group,
    )
    plan = _plan(recipe, model)
    session = _session(recipe, corpus, trainer, plan, writer, run.path, progress)
    notes = _load_newest(session, run, writer)
    group.barrier()
    session.say(*notes, *_what_differs(manifest, trainer))
    session.run()
    group.barrier()
    return open_run(run.path)


def _what_differs(manifest: dict[str, Any], trainer: Trainer) -> list[str]:
    """Where the run goes on in other circumstances than those in which it was started."""
    group = trainer.group
    now = {
        "device": group.device.type,
        "kernels": kernels_in_use(trainer.model.cfg, trainer.precision, group.device),
        "processes": group.world,
        "threads": torch.get_num_threads(),
    }
    return [
        f"Resumed with {name} = {value} after {name} = {manifest[name]}: rounding differs "
        "from here on, so later numbers may drift from those of an uninterrupted run."
        for name, value in now.items()
        if manifest.get(name, value) != value
    ]


def _load_newest(session: Session, run: Run, writer: RunWriter | None) -> list[str]:
    """Put the session back to the newest state before which all is whole; says what was not."""
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
    """The step of the first state that fits the session, which is put back to it."""
    for state in states:
        try:
            session.load_state(state)
        except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            problems.append(f"the resume state of step {state.step} does not fit: {error}")
        else:
            return state.step
    return None


def _plan(recipe: Recipe, model: PlainTransformer) -> CheckpointPlan:
    size = checkpoint_bytes(model.state_dict(), recipe.checkpoints.dtype)
    return CheckpointPlan(recipe.checkpoints, recipe.training.steps, size)


def _session(
    recipe: Recipe,
    corpus: Corpus,
    trainer: Trainer,
    plan: CheckpointPlan,
    writer: RunWriter | None,
    out: Path,
    progress: bool,
) -> Session:
    torch.manual_seed(recipe.seed + trainer.group.rank)  # of dropout, unless a state is loaded
    evaluator = Evaluator(corpus, recipe.evaluation.items, recipe.seed, trainer.group.device)
    return Session(recipe, out, trainer, evaluator, plan, writer, show=progress)


@contextmanager
def _writer(
    group: Group, out: Path, recipe: Recipe, corpus: Corpus, facts: dict[str, object]
) -> Iterator[RunWriter | None]:
    if not group.is_first:
        yield None
        return
    with RunWriter.create(out, recipe, corpus, facts) as writer:
        yield writer
