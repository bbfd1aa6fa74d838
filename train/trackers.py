"""Switches that send each evaluation elsewhere as well: TensorBoard, Weights & Biases.

W&B obeys its own environment (WANDB_MODE=offline writes into the run folder only).
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from circuits.errors import HopscopeError
from circuits.recipes.schema import Recipe

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
def trackers(recipe: Recipe, folder: Path) -> Iterator[Report]:
    """A function that passes rows of metrics on to what the recipe switches on."""
    reports: list[Report] = []
    with ExitStack() as stack:
        if recipe.evaluation.tensorboard:
            reports.append(stack.enter_context(_tensorboard(folder)))
        if recipe.evaluation.wandb:
            reports.append(stack.enter_context(_wandb(recipe, folder)))

        def report(row: Mapping[str, float]) -> None:
            for each in reports:
                each(row)

        yield report


@contextmanager
def _tensorboard(folder: Path) -> Iterator[Report]:
    from torch.utils.tensorboard import SummaryWriter

    writer: Any = SummaryWriter(str(folder / "tensorboard"))

    def report(row: Mapping[str, float]) -> None:
        for name, value in row.items():
            if name != "step":
                writer.add_scalar(name, value, int(row["step"]))

    try:
        yield report
    finally:
        writer.close()


@contextmanager
def _wandb(recipe: Recipe, folder: Path) -> Iterator[Report]:
    import wandb

    session: Any = wandb.init(
        project="hopscope",
        name=folder.name,
        dir=str(folder),
        config=recipe.model_dump(mode="json"),
        settings=wandb.Settings(silent=True, console="off", disable_git=True, x_disable_stats=True),
    )

    def report(row: Mapping[str, float]) -> None:
        session.log({k: v for k, v in row.items() if k != "step"}, step=int(row["step"]))

    try:
        yield report
    finally:
        session.finish()
