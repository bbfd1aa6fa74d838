"""Whether packing pays: some steps of a pack and of a run alone, in turn."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch

from circuits.corpus.build import build_corpus
from circuits.model.plain import PlainTransformer
from circuits.recipes.schema import Recipe
from train.distributed import Group
from train.packs.step import PackedStep
from train.session import model_config
from train.trainer import Trainer

TIMED_STEPS = 25
PATIENCE_S = 2.0
"""No further step is timed after this time."""
WARM_UP = 5
"""Steps that compile, make buffers and, on a GPU, capture the graph."""
BETWEEN_WAITS = 20
"""Steps that are handed to a GPU before it is waited for."""


def timed_steps(
    recipe: Recipe,
    size: int,
    threads: int | None = None,
    device: str = "cpu",
    patience: float = PATIENCE_S,
) -> tuple[float, float]:
    """Least seconds of a run's step: alone, and as its share of a packed step.

    Both take turns, with copies of the recipe's run that differ in seed.

    Args:
        recipe: What to train; not on texts.
        size: Runs in the pack.
        threads: Of PyTorch; None: as many as now.
        device: "cpu" or "cuda".
        patience: Seconds after which no further step is timed.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        return _timed(recipe, size, Group(torch.device(device)), patience)
    finally:
        torch.set_num_threads(before)


def _timed(recipe: Recipe, size: int, group: Group, patience: float) -> tuple[float, float]:
    corpus = build_corpus(recipe)
    recipes = [recipe.model_copy(update={"seed": recipe.seed + i}) for i in range(size + 1)]
    single, *several = [
        Trainer(r, corpus, PlainTransformer(model_config(r, corpus, None)), None, group)
        for r in recipes
    ]
    step = PackedStep(several)

    def alone() -> None:
        single.advance()
        single.forget_losses()

    def packed() -> None:
        step.advance(several)
        for trainer in several:
            trainer.forget_losses()

    on_gpu = group.device.type == "cuda"
    _seconds(alone, on_gpu, WARM_UP if on_gpu else 1)
    _seconds(packed, on_gpu, WARM_UP if on_gpu else 1)
    times: list[tuple[float, float]] = []
    begun, steps = time.perf_counter(), BETWEEN_WAITS if on_gpu else 1
    while not times or (len(times) < TIMED_STEPS and time.perf_counter() - begun < patience):
        times.append((_seconds(alone, on_gpu, steps), _seconds(packed, on_gpu, steps) / size))
    of_single, of_packed = zip(*times, strict=True)
    return min(of_single), min(of_packed)


def _seconds(step: Callable[[], None], on_gpu: bool, steps: int) -> float:
    """Time of a step; one thread is timed by its own work, whatever else the machine does."""
    clock = time.thread_time if torch.get_num_threads() == 1 and not on_gpu else time.perf_counter
    start = clock()
    for _ in range(steps):
        step()
    if on_gpu:
        torch.cuda.synchronize()
    return (clock() - start) / steps
