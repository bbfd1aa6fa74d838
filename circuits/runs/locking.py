"""The lock that a training holds on its run folder."""

from __future__ import annotations

from pathlib import Path

import filelock

LOCK = ".lock"
"""Held by the process that trains; a killed process lets go of it."""


def is_locked(folder: Path) -> bool:
    """Whether a process is training in this folder (on a read-only disk nobody can)."""
    if not (folder / LOCK).exists():
        return False
    try:
        with filelock.FileLock(folder / LOCK, timeout=0):
            return False
    except filelock.Timeout:
        return True
    except OSError:
        return False
