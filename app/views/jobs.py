"""Trainings as processes of their own: they go on when the browser, or this server, closes.

`python -m app.cli train ...` is started in a session of its own; what it prints goes into a log
beside the run. Whether it is running is told by the run's lock, and in the seconds before that
exists by the process number in `RUN.job.json`.
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
from circuits.runs import MANIFEST, is_locked

JOB, LOG = ".job.json", ".log"


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
    return _launch(["train", str(recipe), "--out", str(out), *overrides], out)


def resume(out: Path) -> int:
    """Go on with a stopped run; returns the process number."""
    if is_running(out):
        raise HopscopeError(f"{out} is being trained already.")
    return _launch(["train", "--resume", str(out)], out)


def stop(out: Path) -> None:
    """Ask the training to save and end, as Ctrl-C would."""
    process = _process(out)
    if process is None:
        raise HopscopeError(
            f"{out} was not started from here; stop it where it was started (Ctrl-C)."
        )
    os.kill(process, signal.SIGTERM)


def is_running(out: Path) -> bool:
    """Whether something trains into this folder."""
    return is_locked(out) or _process(out) is not None


def log_tail(out: Path, lines: int = 12) -> str:
    """The last lines that the training printed."""
    try:
        text = _beside(out, LOG).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return "\n".join(text.replace("\r", "\n").splitlines()[-lines:])


def _launch(arguments: list[str], out: Path) -> int:
    out.parent.mkdir(parents=True, exist_ok=True)
    job = _beside(out, JOB)
    with _beside(out, LOG).open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "app.cli", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    job.write_text(json.dumps({"pid": process.pid, "started": _started(process.pid)}))
    return process.pid


def _beside(out: Path, suffix: str) -> Path:
    return out.with_name(f".{out.name}{suffix}")


def _process(out: Path) -> int | None:
    """Number of the process that was started for this run, if it still is that process."""
    try:
        job = json.loads(_beside(out, JOB).read_text(encoding="utf-8"))
        process, started = int(job["pid"]), job["started"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    _reap(process)
    return process if started is not None and _started(process) == started else None


def _reap(process: int) -> None:
    """Take note of the end of a child of this server, which would else stay as a zombie."""
    try:
        os.waitpid(process, os.WNOHANG)
    except ChildProcessError:
        return  # started by an earlier server


def _started(process: int) -> str | None:
    """When a process started, so that its number is not taken for that of a later one."""
    try:
        found = subprocess.run(
            ["ps", "-o", "lstart=", "-p", str(process)], capture_output=True, text=True, check=False
        )
    except OSError:
        return None
    return found.stdout.strip() or None
