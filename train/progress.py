"""The progress of a training run, as shown in the terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from circuits.printable import printable
from circuits.runs.grok import ID_SPLIT

REFRESH_S = 0.2


class TrainingProgress:
    """A bar in a terminal, one line per evaluation elsewhere, nothing if switched off."""

    def __init__(self, total: int, start: int, show: bool) -> None:
        """Start the display.

        Args:
            total: Number of optimizer steps of the run.
            start: Number of steps already done.
            show: False to show nothing.
        """
        self._console = Console(file=sys.stderr, markup=False, emoji=False, highlight=False)
        self._show = show
        self._bar: Progress | None = None
        if show and self._console.is_terminal:
            self._bar = Progress(
                TextColumn("step {task.completed:,.0f}/{task.total:,.0f}"),
                BarColumn(),
                TextColumn("{task.fields[numbers]}"),
                TimeRemainingColumn(),
                console=self._console,
                refresh_per_second=4,
            )
            self._task = self._bar.add_task("", total=total, completed=start, numbers="")
        self._total = total
        self._last = (time.perf_counter(), start)
        self._numbers = ""

    def __enter__(self) -> TrainingProgress:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def advance(self, step: int) -> None:
        """Record that a step is done; cheap enough to call after every step."""
        if self._bar is None:
            return
        now, (then, before) = time.perf_counter(), self._last
        if now - then >= REFRESH_S:
            speed = (step - before) / (now - then)
            self._last = (now, step)
            self._bar.update(
                self._task, completed=step, numbers=f"{self._numbers} {speed:.0f} steps/s"
            )

    def evaluated(self, row: Mapping[str, Any]) -> None:
        """Show the numbers of an evaluation."""
        loss, accuracy = row.get("train_loss"), row.get(f"accuracy/{ID_SPLIT}")
        self._numbers = f"loss {loss:.3f}" if loss is not None else "loss -"
        if accuracy is not None:
            self._numbers += f"  ID accuracy {accuracy:.3f}"
        if self._show and self._bar is None:
            speed = row.get("steps_per_s", 0.0)
            self._console.print(
                f"step {row['step']:,}/{self._total:,}  {self._numbers}  {speed:.0f} steps/s",
            )

    def say(self, sentence: str) -> None:
        """Print a sentence."""
        if self._show:
            text = printable(sentence, keep="\n")
            self._console.print(text, soft_wrap=True)  # commands stay whole
