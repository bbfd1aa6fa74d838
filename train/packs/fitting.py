"""Which runs can train together: those whose steps have the same shapes and the same random streams
as alone."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from circuits.recipes.schema import Recipe

FREE_OF_MODEL = {"init_range"}
"""Settings in [model] that do not change what a step computes."""
SHARED_TRAINING = ("batch_size", "loss", "precision", "device")
"""Settings in [training] that do; the others belong to each run's own optimizer and schedule."""


def why_not_packed(recipe: Recipe) -> str | None:
    """Why runs of this recipe cannot train together, as the end of a sentence; None: they can.

    >>> from circuits.recipes.schema import load_recipe
    >>> why_not_packed(load_recipe("train/recipes/demo.toml", ["model.dropout=0.1"]))
    'dropout draws from one random stream per process, so no run would have its own'
    """
    if recipe.text is not None:
        return "batches of texts differ in shape from step to step"
    if recipe.model.dropout > 0:
        return "dropout draws from one random stream per process, so no run would have its own"
    if recipe.evaluation.wandb:
        return "Weights & Biases (evaluation.wandb) follows one run per process"
    return None


def pack_key(recipe: Recipe) -> Hashable:
    """Equal for recipes that may train together; their vocabularies must be equally large, too.

    >>> from circuits.recipes.schema import load_recipe
    >>> demo, other, wide = (
    ...     load_recipe("train/recipes/demo.toml", [setting])
    ...     for setting in ("seed=0", "training.lr=1e-4", "model.d_mlp=64")
    ... )
    >>> pack_key(demo) == pack_key(other), pack_key(demo) == pack_key(wide)
    (True, False)
    """
    model = recipe.model.model_dump(exclude=FREE_OF_MODEL)
    shared = tuple(getattr(recipe.training, name) for name in SHARED_TRAINING)
    return (*sorted(model.items()), *shared, recipe.splits.task)


def packs_of(recipes: Sequence[Recipe], size: int) -> list[list[int]]:
    """Indices of the recipes that train together, at most `size` each, in order of their first.

    >>> from circuits.recipes.schema import load_recipe
    >>> settings = ("seed=0", "model.d_mlp=64", "seed=1", "seed=2")
    >>> packs_of([load_recipe("train/recipes/demo.toml", [s]) for s in settings], 2)
    [[0, 2], [1], [3]]
    """
    by_key: dict[Hashable, list[int]] = {}
    for i, recipe in enumerate(recipes):
        key: Hashable = i if why_not_packed(recipe) else pack_key(recipe)
        by_key.setdefault(key, []).append(i)
    packs = [alike[i : i + size] for alike in by_key.values() for i in range(0, len(alike), size)]
    return sorted(packs)
