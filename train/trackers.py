"""Switches that send each evaluation elsewhere as well: TensorBoard, Weights & Biases.

W&B obeys its own environment (WANDB_MODE=offline writes into the run folder only).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from circuits.errors import HopscopeError
from circuits.recipe import Recipe

Report = Callable[[Mapping[str, float]], None]


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
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise _missing("tensorboard") from error
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
    try:
        import wandb
    except ImportError as error:
        raise _missing("wandb") from error
    session: Any = wandb.init(
        project="hopscope",
        name=folder.name,
        dir=str(folder),
        config=recipe.model_dump(mode="json"),
        settings=wandb.Settings(silent=True),
    )

    def report(row: Mapping[str, float]) -> None:
        session.log({k: v for k, v in row.items() if k != "step"}, step=int(row["step"]))

    try:
        yield report
    finally:
        session.finish()


def _missing(name: str) -> HopscopeError:
    return HopscopeError(
        f"evaluation.{name} = true, but {name} is not installed; "
        f"`pip install {name}`, or set it to false."
    )
