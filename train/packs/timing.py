"""Whether packing pays on this CPU: some steps of a pack and of a run alone, in turn."""

from __future__ import annotations

import time

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


def timed_steps(recipe: Recipe, size: int, threads: int | None = None) -> tuple[float, float]:
    """Least seconds of a run's step on this CPU: alone, and as its share of a packed step.

    Both take turns, on so many threads, with copies of the recipe's run that differ in seed.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        return _timed(recipe, size)
    finally:
        torch.set_num_threads(before)


def _timed(recipe: Recipe, size: int) -> tuple[float, float]:
    group, corpus = Group(torch.device("cpu")), build_corpus(recipe)
    recipes = [recipe.model_copy(update={"seed": recipe.seed + i}) for i in range(size + 1)]
    single, *several = [
        Trainer(r, corpus, PlainTransformer(model_config(r, corpus, None)), None, group)
        for r in recipes
    ]
    step = PackedStep(several)
    times: list[tuple[float, float]] = []
    begun = time.perf_counter()
    while len(times) < 2 or (len(times) < TIMED_STEPS and time.perf_counter() - begun < PATIENCE_S):
        start = time.perf_counter()
        single.advance()
        between = time.perf_counter()
        step.advance(several)
        times.append((between - start, (time.perf_counter() - between) / size))
        for trainer in (single, *several):
            trainer.forget_losses()
    alone, packed = zip(*times, strict=True)
    return min(alone), min(packed)
