"""The specification of an animation: one figure at several steps."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from analyses.figures.specs.base import Spec


@dataclass(frozen=True, kw_only=True, eq=False)
class Animation(Spec):
    """A figure at rising steps, shown one after the other; the last one stays for a while.

    >>> from analyses import figure, stored_result
    >>> from circuits import open_run
    >>> tracing = stored_result(open_run("assets/demo"), "causal_tracing")
    >>> frames = tuple(figure(tracing, "strength", step) for step in (0, 6000))
    >>> moving = Animation(name="strength", title="", frames=frames, steps=(0, 6000))
    >>> sorted(set(moving.frame()["shown_at_step"]))
    [0, 6000]
    """

    frames: tuple[Spec, ...]
    steps: tuple[int, ...]

    def frame(self) -> pd.DataFrame:
        """The numbers of every frame, below one another."""
        tables = [spec.frame() for spec in self.frames]
        for step, table in zip(self.steps, tables, strict=True):
            table.insert(0, "shown_at_step", step)
        return pd.concat(tables, ignore_index=True)
