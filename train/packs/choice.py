"""How many runs of a sweep train together: as asked for, or as many as pay.

On a GPU a small model leaves most of the device idle, so runs are packed. On a CPU a run alone
computes each distinct prefix once, which a pack, whose shapes are fixed, cannot: there it pays only
where calls cost more than products, and both are timed on the sweep's first recipe.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from circuits.errors import HopscopeError
from circuits.recipes.schema import Recipe
from train.packs.fitting import packs_of, why_not_packed

MOST = 16
"""Runs in a pack, unless another number is asked for."""
WORTH_TIMING = 2_000
"""Steps of a whole sweep below which timing would cost as much as it could save."""
PAYS = 0.9
"""A pack is chosen if a run's step takes at most this share of its time alone."""


class Choice(NamedTuple):
    """How many runs train together, and what to tell the user about it."""

    size: int
    told: str | None


def choose_pack(
    recipes: Sequence[Recipe],
    wanted: int | str,
    at_once: int,
    *,
    threads: int | None = None,
    may_time: bool = True,
) -> Choice:
    """Choose for the runs of a sweep.

    Args:
        recipes: Of all runs.
        wanted: "auto", "off", or the most runs that train together.
        at_once: Processes among which the runs are divided.
        threads: Of PyTorch in each process; None: as here.
        may_time: Whether this machine trains them, so that timing it says something.

    Raises:
        HopscopeError: if a number is asked for and no two of the runs can train together.
    """
    if wanted == "off":
        return Choice(1, None)
    if wanted != "auto":
        return _as_asked(recipes, int(wanted))
    if len(recipes) < 2:
        return Choice(1, None)
    if reason := why_not_packed(recipes[0]):
        return Choice(1, f"The runs train one by one: {reason}.")
    alike = max(map(len, packs_of(recipes, len(recipes))))
    if _on_gpu(recipes[0], may_time):
        size = min(MOST, alike)
        return Choice(
            size, _together(size, "which leaves less of the GPU idle") if size > 1 else None
        )
    size = min(MOST, -(-alike // at_once))
    if not may_time or size < 2 or sum(r.training.steps for r in recipes) < WORTH_TIMING:
        return Choice(1, None)
    from train.packs.timing import timed_steps  # the whole of training; a plan needs none of it

    try:
        alone, packed = timed_steps(recipes[0], size, threads)
    except HopscopeError as error:  # of this recipe alone, which its own row will tell
        return Choice(1, f"The runs train one by one: the first cannot be timed ({error})")
    found = f"a step takes {packed * 1e3:.1f} ms a run, and {alone * 1e3:.1f} ms alone"
    if packed <= PAYS * alone:
        return Choice(size, _together(size, found))
    return Choice(1, f"The runs train one by one: of {size} together {found}.")


def parse_pack(text: str) -> int | str:
    """What stands after --pack: "auto", "off", or a number.

    >>> parse_pack("auto"), parse_pack("8")
    ('auto', 8)
    >>> parse_pack("many")
    Traceback (most recent call last):
    circuits.errors.HopscopeError: --pack many is neither auto, off nor a number of runs...
    """
    if text in ("auto", "off"):
        return text
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise HopscopeError(
            f"--pack {text} is neither auto, off nor a number of runs; leave it out to let the "
            "sweep choose."
        )
    return int(text)


def _as_asked(recipes: Sequence[Recipe], size: int) -> Choice:
    if size == 1 or len(recipes) == 1:
        return Choice(1, None)
    largest = max(map(len, packs_of(recipes, size)))
    if largest > 1:
        return Choice(size, _together(largest, "as asked for"))
    reason = why_not_packed(recipes[0]) or "no two of them have one model shape and batch size"
    raise HopscopeError(
        f"--pack {size}: these runs cannot train together, because {reason}; "
        "leave --pack out, or give --pack off."
    )


def _on_gpu(recipe: Recipe, here: bool) -> bool:
    """Whether the recipe trains on a GPU: on this machine, or wherever a cluster trains it."""
    import torch

    device = recipe.training.device
    return device == "cuda" or (here and device == "auto" and torch.cuda.is_available())


def _together(size: int, why: str) -> str:
    return f"Up to {size} runs train together in a process as one batched model: {why}."
