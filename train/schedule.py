"""At which steps a checkpoint is kept.

The untrained model (step 0) and the last step are always kept. `dense_then_sparse` is the schedule
of *Grokked Transformers* (arXiv 2405.15071). `adaptive` keeps steps at regular intervals, and also
those at which an accuracy has moved.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from circuits.errors import HopscopeError
from circuits.recipes.schema import CheckpointsSection

MOST_CHECKPOINTS = 1_000_000


def checkpoint_steps(section: CheckpointsSection, last: int) -> list[int]:
    """Steps that are kept whatever the accuracies are, in rising order, with 0 and `last`.

    Args:
        section: The [checkpoints] section of the recipe.
        last: Number of optimizer steps of the run.

    Raises:
        HopscopeError: if there would be too many checkpoints, or a listed step does not exist.
    """
    if section.schedule not in ("list", "log") and last // section.every > MOST_CHECKPOINTS:
        raise HopscopeError(
            f"checkpoints.every = {section.every:,} in {last:,} steps makes more than "
            f"{MOST_CHECKPOINTS:,} checkpoints; raise it, or lower training.steps."
        )
    if section.schedule == "list":
        if not section.steps:
            raise HopscopeError(
                'checkpoints.schedule = "list" needs checkpoints.steps = [...], the steps to keep.'
            )
        if beyond := [step for step in section.steps if not 0 <= step <= last]:
            raise HopscopeError(
                f"checkpoints.steps has {beyond[0]}, but training runs from step 0 to {last}."
            )
        chosen: set[int] = set(section.steps)
    elif section.schedule == "log":
        spaced = np.geomspace(1, max(last, 1), max(section.count - 1, 2))
        chosen = {round(float(step)) for step in spaced}
    elif section.schedule == "dense_then_sparse":
        dense = range(0, min(section.dense_until, last) + 1, section.dense_every)
        chosen = {*dense, *range(0, last + 1, section.every)}
    else:  # every, adaptive
        chosen = set(range(0, last + 1, section.every))
    return sorted({0, last} | chosen)


def thinned(steps: Sequence[int], room: int, dense_until: int) -> list[int]:
    """Choose at most `room` steps: all up to `dense_until`, and the later ones evenly thinned.

    Raises:
        HopscopeError: if the dense part and the last step do not fit.
    """
    if len(steps) <= room:
        return list(steps)
    dense = [step for step in steps if step <= dense_until]
    sparse = [step for step in steps if step > dense_until]
    left = room - len(dense)
    if left < min(1, len(sparse)):
        raise HopscopeError(
            f"checkpoints.budget_mb leaves room for {room} checkpoints, but the dense part has "
            f"{len(dense)}; raise budget_mb or dense_every, or lower dense_until."
        )
    if left == 1:
        return [*dense, sparse[-1]]
    rows = np.linspace(0, len(sparse) - 1, left).round().astype(int)
    return [*dense, *(sparse[row] for row in rows)]


class CheckpointPlan:
    """Decides which steps are kept; `note` says what a byte budget left out."""

    def __init__(self, section: CheckpointsSection, last: int, checkpoint_bytes: int) -> None:
        """Lay out the plan.

        Args:
            section: The [checkpoints] section of the recipe.
            last: Number of optimizer steps of the run.
            checkpoint_bytes: Size of one checkpoint on disk.
        """
        self._adaptive = section.schedule == "adaptive"
        self._delta = section.adaptive_delta
        self._kept_accuracies: dict[str, float] = {}
        self._extra_room: int | None = None
        self.note: str | None = None
        steps = checkpoint_steps(section, last)
        if section.budget_mb is not None:
            room = int(section.budget_mb * 1e6 // checkpoint_bytes)
            steps = self._within(steps, room, section)
        self.steps = frozenset(steps)

    def _within(self, steps: list[int], room: int, section: CheckpointsSection) -> list[int]:
        if room < 2:
            raise HopscopeError(
                f"checkpoints.budget_mb = {section.budget_mb:g} does not hold the first and the "
                "last checkpoint; raise it."
            )
        dense_until = section.dense_until if section.schedule == "dense_then_sparse" else 0
        kept = thinned(steps, room, dense_until)
        self._extra_room = room - len(kept)
        if len(kept) < len(steps):
            self.note = (
                f"checkpoints.budget_mb = {section.budget_mb:g} holds {room} checkpoints: "
                f"{len(kept)} of {len(steps)} planned ones are kept; those after step "
                f"{dense_until} are thinned out."
            )
        return kept

    def due(self, step: int) -> bool:
        """Whether this step is kept, whatever the accuracies are."""
        return step in self.steps

    def keeps(self, step: int, accuracies: Mapping[str, float], *, anyway: bool = False) -> bool:
        """Whether this step is kept; the plan counts on it from then on.

        Args:
            step: Optimizer steps done.
            accuracies: At this step. The adaptive schedule keeps a step at which one of them has
                moved by adaptive_delta since the last kept one.
            anyway: Keep it in any case.
        """
        keep = anyway or self.due(step) or self._moved(accuracies)
        if keep:
            self._kept_accuracies = dict(accuracies)
        return keep

    def _moved(self, accuracies: Mapping[str, float]) -> bool:
        if not self._adaptive or not self._kept_accuracies:
            return False
        far = any(
            abs(value - self._kept_accuracies.get(split, value)) >= self._delta
            for split, value in accuracies.items()
        )
        if far and self._extra_room is not None:
            if self._extra_room == 0:
                self.note = (
                    "checkpoints.budget_mb is used up: from here on only the checkpoints every "
                    "checkpoints.every steps are kept, and adaptive ones are left out."
                )
                return False
            self._extra_room -= 1
        return far

    def state(self) -> dict[str, Any]:
        """What a resumed plan must know, as JSON values."""
        return {"kept_accuracies": self._kept_accuracies, "extra_room": self._extra_room}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `state` returned."""
        self._kept_accuracies = dict(state["kept_accuracies"])
        self._extra_room = state["extra_room"]
