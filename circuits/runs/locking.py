"""The lock that a training holds on its run folder."""

from __future__ import annotations

import time
from pathlib import Path

import filelock

LOCK = ".lock"
"""Held by the process that trains; a killed process lets go of it."""


HELD_ELSEWHERE = ".held"
"""In the mirror of a remote run: until when, in seconds since 1970, another machine trains it."""


def is_locked(folder: Path) -> bool:
    """Whether a process is training in this folder (on a read-only disk nobody can)."""
    return is_held_here(folder) or _is_held_elsewhere(folder)


def note_holder(folder: Path, until: float) -> None:
    """Note until when a process elsewhere has said that it trains this run."""
    if until > time.time():
        (folder / HELD_ELSEWHERE).write_text(str(until), encoding="utf-8")
    else:
        (folder / HELD_ELSEWHERE).unlink(missing_ok=True)


def _is_held_elsewhere(folder: Path) -> bool:
    try:
        return float((folder / HELD_ELSEWHERE).read_text(encoding="utf-8")) > time.time()
    except (OSError, ValueError):
        return False


def is_held_here(folder: Path) -> bool:
    """Whether a process of this machine, or of one that shares the disk, trains in this folder."""
    if not (folder / LOCK).exists():
        return False
    try:
        with filelock.FileLock(folder / LOCK, timeout=0):
            return False
    except filelock.Timeout:
        return True
    except OSError:
        return False
