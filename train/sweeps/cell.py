"""One run of a sweep, in whichever process trains it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from circuits.errors import CannotWrite, HopscopeError
from circuits.runs.locking import is_locked
from circuits.runs.reading import MANIFEST
from circuits.runs.remote import address_of, local_folder
from circuits.runs.run import Run, open_run
from train.sweeps.plan import SweepRun
from train.sweeps.record import empty_row, keep_row

Afterwards = Callable[[Path], None]
"""What is done with the folder of a run once it is finished, by the process that trained it."""

LETS_GO_S = 60.0
"""A worker whose node was killed goes on for some seconds before it notices."""

_stopped: set[str] = set()
"""Sweeps that this process was told to stop; one process may serve several."""


def train_cell(
    run: SweepRun, threads: int | None, sweep_name: str, afterwards: Afterwards | None = None
) -> dict[str, Any]:
    """Train, resume or leave one run; its row of the table.

    Args:
        run: What to train.
        threads: Of PyTorch; None: those of this process.
        sweep_name: Once this process was told to stop, it begins no other run of this name.
        afterwards: Called with the folder of a finished run; what it raises is the row's error.
    """
    import torch

    run = here(run)
    before = torch.get_num_threads()  # of this process, which may be the caller's own
    torch.set_num_threads(threads or before)
    try:
        row = _trained(run, sweep_name)
        if afterwards is not None and not row["error"]:
            row["error"] = _error_of(lambda: afterwards(run.path))
    finally:
        torch.set_num_threads(before)
    try:
        keep_row(run, row)
    except CannotWrite as error:  # a full disk under this worker must not end the others
        row["error"] = row["error"] or str(error)
    return row


def anywhere(run: SweepRun) -> SweepRun:
    """The run as another machine finds it: a remote one by its URL."""
    return replace(run, path=Path(address_of(run.path)))


def here(run: SweepRun) -> SweepRun:
    """The run in a folder of this machine."""
    return replace(run, path=local_folder(run.path))


def wait_until_unlocked(run: Path) -> None:
    """Give a process that was cut off some time to let go of the run."""
    begun = time.monotonic()
    while is_locked(run) and time.monotonic() - begun < LETS_GO_S:
        time.sleep(0.5)


def outcome(run: SweepRun, done: Run) -> dict[str, Any]:
    """The row of a run that was trained: grok rule, step and last accuracies."""
    last = done.rows()[-1]
    accuracies = {key: value for key, value in last.items() if key.startswith("accuracy/")}
    return empty_row(run, "") | done.grok | {"step": last["step"]} | accuracies


def existing(run: SweepRun) -> Run | None:
    """The run that is in this folder already.

    Raises:
        HopscopeError: if it has another recipe.
    """
    if not (run.path / MANIFEST).exists():
        return None
    found = open_run(run.path)
    if found.recipe.absolute() != run.recipe:
        raise HopscopeError(f"{run.path} holds a run of another recipe; give another --out.")
    return found


def _trained(run: SweepRun, sweep_name: str) -> dict[str, Any]:
    from train.loop import train

    row = empty_row(run, "")
    if sweep_name in _stopped:
        return row | {"error": "not started, because the sweep was stopped; run its command again"}
    found: list[Run] = []

    def go() -> None:
        done = existing(run)
        if done is None or done.state != "finished":
            done = train(run.recipe, run.path, resume=done is not None, progress=False)
        found.append(done)

    if error := _error_of(go):
        return row | {"error": error}
    [done] = found
    row = outcome(run, done)
    if done.state != "finished":
        _stopped.add(sweep_name)
        row["error"] = f"stopped by a signal; resume it with: hopscope train --resume {run.path}"
    return row


def _error_of(work: Callable[[], None]) -> str:
    """What ends one run must not end the others; the table says why it failed."""
    try:
        work()
    except HopscopeError as error:
        return str(error)
    except Exception as error:  # not even a bug of ours may end the other runs
        return f"{type(error).__name__}: {error}"
    return ""
