"""Pages that show a run in training follow it: they are drawn again when it has grown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from app.shell.folders import LOOK_AGAIN_S
from circuits.runs.locking import is_locked
from circuits.runs.reading import MANIFEST
from circuits.runs.remote import refresh
from circuits.runs.run import METRICS, RESULTS

SECONDS = 2.0
"""Between two looks at the files of the runs that are shown."""


def grown(folders: Sequence[Path]) -> tuple[int, ...]:
    """Numbers that change when a run has a new evaluation, checkpoint or result.

    >>> grown([Path("assets/demo")]) == grown([Path("assets/demo")])
    True
    """
    found = []
    for folder in folders:
        for name in (MANIFEST, METRICS, RESULTS):
            try:
                at = (folder / name).stat()
            except OSError:  # not yet, or no longer: either way a change when it comes
                found += [0, 0]
            else:
                found += [at.st_mtime_ns, at.st_size]
    return tuple(found)


def follow(folders: Sequence[Path]) -> bool:
    """Draw the page again whenever one of these runs has grown; whether any is in training."""
    training = [folder for folder in folders if is_locked(folder)]
    if training:
        st.fragment(_look, run_every=SECONDS)(training, grown(training))
    return bool(training)


def gone_on(stood: tuple[str, int] | None, name: str, step: int, steps: Sequence[int]) -> int:
    """The step to show of a run: whoever stood at its newest one goes on with it.

    Args:
        stood: The run that was drawn before, and its newest step then.
        name: The run that is drawn now.
        step: The step of the address.
        steps: What the run has now.

    >>> gone_on(("mine", 6), "mine", 6, [0, 6, 9]), gone_on(None, "mine", 6, [0, 6, 9])
    (9, 6)
    """
    return steps[-1] if stood == (name, step) else step


def _look(folders: Sequence[Path], seen: tuple[int, ...]) -> None:
    for folder in folders:
        refresh(folder, at_most_every_s=LOOK_AGAIN_S)
    if grown(folders) != seen:
        st.rerun()
