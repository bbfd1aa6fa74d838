"""Training in separate processes, which continue when the browser, or this server, closes.

`python -m app.cli train ...` is started in its own session; its output goes into a log beside the
run. The run's lock shows whether it is running or, in the seconds before the lock exists, the
process number in `.RUN.job.json`. The process that measures the circuit meanwhile
(`app/background/measuring.py`) is recorded in the same way, in `.RUN.measuring.json`.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from circuits.errors import HopscopeError
from circuits.runs.locking import is_locked
from circuits.runs.reading import MANIFEST

JOB, LOG = ".job.json", ".log"
MEASURING, MEASURING_LOG = ".measuring.json", ".measuring.log"


def start(recipe: Path, out: Path, settings: Sequence[str]) -> int:
    """Start training a recipe into a new folder; returns the process number.

    Raises:
        HopscopeError: if that run exists or is being trained.
    """
    if is_running(out):
        raise HopscopeError(f"{out} is being trained already; watch it or stop it first.")
    if (out / MANIFEST).exists():
        raise HopscopeError(f"{out} is a run already; give another name, or resume it.")
    overrides = [part for setting in settings for part in ("--set", setting)]
    return _launch(["app.cli", "train", str(recipe), "--out", str(out), *overrides], out, JOB, LOG)


def resume(out: Path) -> int:
    """Resume a stopped run; returns the process number."""
    if is_running(out):
        raise HopscopeError(f"{out} is being trained already.")
    return _launch(["app.cli", "train", "--resume", str(out)], out, JOB, LOG)


def measure(out: Path) -> None:
    """Measure the circuit of a run beside its training; does nothing if that is already running."""
    if not is_measuring(out):
        _launch(["app.background.measuring", str(out)], out, MEASURING, MEASURING_LOG)


def is_measuring(out: Path) -> bool:
    """Whether a process that was started here measures this run."""
    return _process(out, MEASURING) is not None


def has_been_measured(out: Path) -> bool:
    """Whether measuring this run was requested."""
    return _beside(out, MEASURING).exists()


def stop(out: Path) -> None:
    """Ask the training to save and end, as Ctrl-C would."""
    process = _process(out, JOB)
    if process is None:
        raise HopscopeError(
            f"{out} was not started from here; stop it where it was started (Ctrl-C)."
        )
    os.kill(process, signal.SIGTERM)


def is_running(out: Path) -> bool:
    """Whether a process is training into this folder."""
    return _process(out, JOB) is not None or is_locked(out)


def log_tail(out: Path, lines: int = 12, log: str = LOG) -> str:
    """The last lines printed by the training or, with MEASURING_LOG, by the measuring."""
    try:
        text = _beside(out, log).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return "\n".join(text.replace("\r", "\n").splitlines()[-lines:])


def _launch(arguments: list[str], out: Path, job: str, log: str) -> int:
    """Start `python -m ARGUMENTS` in its own session and record its process number."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with _beside(out, log).open("wb") as printed:
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    _beside(out, job).write_text(json.dumps({"pid": process.pid, "started": _started(process.pid)}))
    return process.pid


def _beside(out: Path, suffix: str) -> Path:
    return out.with_name(f".{out.name}{suffix}")


def _process(out: Path, job: str) -> int | None:
    """Number of the process that was started for this run, if it still is that process."""
    try:
        table = json.loads(_beside(out, job).read_text(encoding="utf-8"))
        process, started = int(table["pid"]), table["started"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    _reap(process)
    return process if started is not None and _started(process) == started else None


def _reap(process: int) -> None:
    """Reap a child of this server that has ended, which would otherwise remain a zombie."""
    try:
        os.waitpid(process, os.WNOHANG)
    except ChildProcessError:
        return  # started by an earlier server


def _started(process: int) -> str | None:
    """Start time of a process, which distinguishes it from a later one with the same number."""
    try:
        found = subprocess.run(
            ["ps", "-o", "lstart=", "-p", str(process)], capture_output=True, text=True, check=False
        )
    except OSError:
        return None
    return found.stdout.strip() or None
