"""The runs of a sweep that one process trains, one by one or together."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from circuits.errors import CannotWrite, HopscopeError
from circuits.runs.locking import is_locked
from circuits.runs.reading import MANIFEST
from circuits.runs.remote import address_of, local_folder
from circuits.runs.run import Run, open_run
from train.sweeps.plan import SweepRun
from train.sweeps.record import empty_row, keep_row

Found = TypeVar("Found")

Afterwards = Callable[[Path], None]
"""What is done with the folder of a run once it is finished, by the process that trained it."""

LETS_GO_S = 60.0
"""A worker whose node was killed goes on for some seconds before it notices."""

_stopped: set[str] = set()
"""Sweeps that this process was told to stop; one process may serve several."""


def train_cells(
    runs: Sequence[SweepRun],
    threads: int | None,
    sweep_name: str,
    afterwards: Afterwards | None = None,
) -> list[dict[str, Any]]:
    """Train, resume or leave one run, or several that train together; their rows of the table.

    Args:
        runs: What to train; several must fit each other (`train.packs`).
        threads: Of PyTorch; None: those of this process.
        sweep_name: Once this process was told to stop, it begins no other run of this name.
        afterwards: Called with the folder of each finished run; what it raises is the row's error.
    """
    import torch

    runs = here(runs)
    before = torch.get_num_threads()  # of this process, which may be the caller's own
    torch.set_num_threads(threads or before)
    try:
        rows = _trained(runs, sweep_name)
        for run, row in zip(runs, rows, strict=True):
            if afterwards is not None and not row["error"]:
                failed = _tried(partial(afterwards, run.path))
                row["error"] = "" if failed is None else _told(failed)
    finally:
        torch.set_num_threads(before)
    for run, row in zip(runs, rows, strict=True):
        try:
            keep_row(run, row)
        except CannotWrite as error:  # a full disk under this worker must not end the others
            row["error"] = row["error"] or str(error)
    return rows


def anywhere(runs: Sequence[SweepRun]) -> list[SweepRun]:
    """The runs as another machine finds them: remote ones by their URLs."""
    return [replace(run, path=Path(address_of(run.path))) for run in runs]


def here(runs: Sequence[SweepRun]) -> list[SweepRun]:
    """The runs in folders of this machine."""
    return [replace(run, path=local_folder(run.path)) for run in runs]


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


def _trained(runs: Sequence[SweepRun], sweep_name: str) -> list[dict[str, Any]]:
    if sweep_name in _stopped:
        told = "not started, because the sweep was stopped; run its command again"
        return [empty_row(run, told) for run in runs]
    together = len(runs) > 1
    ended = _train_together(runs) if together else [_tried(partial(_train_alone, runs[0]))]
    return [_row(run, done, sweep_name) for run, done in zip(runs, ended, strict=True)]


def _train_alone(run: SweepRun) -> Run:
    from train.loop import train

    done = existing(run)
    if done is None or done.state != "finished":
        done = train(run.recipe, run.path, resume=done is not None, progress=False)
    return done


def _train_together(runs: Sequence[SweepRun]) -> list[Run | Exception]:
    """Each run that was trained, or had been before, or what went wrong with it."""
    from train.packs.pack import train_pack

    found = [_tried(partial(existing, run)) for run in runs]
    wanted = [i for i, run in enumerate(found) if run is None or _is_unfinished(run)]
    if wanted:
        ended = _tried(lambda: train_pack([(runs[i].recipe, runs[i].path) for i in wanted]))
        errors = [ended] * len(wanted) if isinstance(ended, Exception) else ended
        for i, error in zip(wanted, errors, strict=True):
            found[i] = _tried(partial(open_run, runs[i].path)) if error is None else error
    return [run for run in found if run is not None]


def _is_unfinished(run: Run | Exception) -> bool:
    return isinstance(run, Run) and run.state != "finished"


def _row(run: SweepRun, done: Run | Exception, sweep_name: str) -> dict[str, Any]:
    if isinstance(done, Exception):
        return empty_row(run, _told(done))
    row = _tried(partial(outcome, run, done))
    if isinstance(row, Exception):
        return empty_row(run, _told(row))
    if done.state != "finished":
        _stopped.add(sweep_name)
        row["error"] = f"stopped by a signal; resume it with: hopscope train --resume {run.path}"
    return row


def _tried(work: Callable[[], Found]) -> Found | Exception:
    """What ends one run must not end the others; the table says why it failed."""
    try:
        return work()
    except Exception as error:  # not even a bug of ours may end the other runs
        return error


def _told(error: Exception) -> str:
    return str(error) if isinstance(error, HopscopeError) else f"{type(error).__name__}: {error}"
