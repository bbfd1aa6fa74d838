"""Switches that send each evaluation elsewhere as well: TensorBoard, Weights & Biases.

Both show a run that was killed and resumed as one run whose every step stands there once, as
`metrics.jsonl` does. TensorBoard's files are flushed at each evaluation and told at a resume from
which step on what they held is void. W&B gets the same run id at every start, kept in the manifest,
and all evaluations that it lacks; with WANDB_MODE=offline, which it obeys like all its environment,
the newest file in the run folder therefore holds the whole run.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from circuits.errors import HopscopeError
from circuits.recipes.schema import Recipe
from circuits.runs.writer import RunWriter

Report = Callable[[Mapping[str, float]], None]


def check_trackers(recipe: Recipe) -> None:
    """Refuse a recipe that switches on what is not installed."""
    wanted = {"tensorboard": recipe.evaluation.tensorboard, "wandb": recipe.evaluation.wandb}
    for name in (name for name, switched_on in wanted.items() if switched_on):
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise HopscopeError(
                f"evaluation.{name} = true, but {name} is not installed; "
                f"`pip install {name}`, or set it to false."
            ) from error


@contextmanager
def trackers(recipe: Recipe, writer: RunWriter) -> Iterator[Report]:
    """A function that passes rows of metrics on to what the recipe switches on.

    Args:
        recipe: The run's recipe.
        writer: Writes the run folder; its rows are all evaluations that stand.
    """
    reports: list[Report] = []
    with ExitStack() as stack:
        if recipe.evaluation.tensorboard:
            reports.append(stack.enter_context(_tensorboard(writer)))
        if recipe.evaluation.wandb:
            reports.append(stack.enter_context(_wandb(recipe, writer)))

        def report(row: Mapping[str, float]) -> None:
            for each in reports:
                each(row)

        yield report


@contextmanager
def _tensorboard(writer: RunWriter) -> Iterator[Report]:
    from torch.utils.tensorboard import SummaryWriter

    void_from = writer.rows[-1]["step"] + 1 if writer.rows else 0
    events: Any = SummaryWriter(str(writer.path / "tensorboard"), purge_step=void_from)

    def report(row: Mapping[str, float]) -> None:
        for name, value in row.items():
            if name != "step":
                events.add_scalar(name, value, int(row["step"]))
        events.flush()  # so that a killed process has left nothing out before its resume state

    try:
        yield report
    finally:
        events.close()


@contextmanager
def _wandb(recipe: Recipe, writer: RunWriter) -> Iterator[Report]:
    import wandb

    session: Any = wandb.init(
        project="hopscope",
        name=writer.path.name,
        id=writer.tracker_id("wandb"),
        resume="allow",
        dir=str(writer.path),
        config=recipe.model_dump(mode="json"),
        settings=wandb.Settings(silent=True, console="off", disable_git=True, x_disable_stats=True),
    )

    def report(row: Mapping[str, float]) -> None:
        session.log({k: v for k, v in row.items() if k != "step"}, step=int(row["step"]))

    try:
        for row in writer.rows:
            if row["step"] >= session.step:  # what the server has of the run already ends there
                report(row)
        yield report
    finally:
        session.finish()
