"""Resume states: everything from which training goes on as if it had not stopped.

A state is a pair in the run's resume/ folder: state_00001234.safetensors with all tensors and
state_00001234.json, written after it, with the SHA-256 of the first and all numbers. The two
newest states are kept, so that one damaged file costs only the steps since the other.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from circuits.errors import HopscopeError
from circuits.files import write_atomically
from circuits.runs.checkpoints import load_tensors, save_tensors
from circuits.runs.reading import MANIFEST, state_steps
from circuits.runs.run import RESUME

KEPT = 2

_DAMAGE = (OSError, ValueError, KeyError, TypeError, RecursionError, MemoryError)
"""What a damaged or hostile file can lead to; HopscopeError is a ValueError."""


@dataclass(frozen=True)
class ResumeState:
    """One state as read back."""

    step: int
    tensors: dict[str, Tensor]
    numbers: dict[str, Any]


def save_state(
    folder: Path, step: int, tensors: dict[str, Tensor], numbers: dict[str, Any]
) -> None:
    """Write the state of a step, then drop all but the `KEPT` newest."""
    weights = folder / f"state_{step:08d}.safetensors"
    digest = save_tensors(weights, tensors, {"step": str(step)})
    text = json.dumps({**numbers, "sha256": digest}, allow_nan=False)
    write_atomically(weights.with_suffix(".json"), text.encode())
    for old in state_steps(folder)[KEPT:]:
        _remove(folder, old)


def usable_states(folder: Path, problems: list[str]) -> Iterator[ResumeState]:
    """States that are whole, newest first; what is wrong with others goes into `problems`."""
    for step in state_steps(folder):
        path = folder / f"state_{step:08d}.json"
        try:
            if not path.is_file():
                raise OSError("it is not a regular file")
            numbers = json.loads(path.read_text(encoding="utf-8"))
            _check_numbers(numbers, step)
            digest = str(numbers["sha256"])
            tensors = load_tensors(path.with_suffix(".safetensors"), sha256=digest)
        except _DAMAGE as error:
            problems.append(f"the resume state of step {step} is damaged ({error})")
            continue
        yield ResumeState(step, tensors, numbers)


def _check_numbers(numbers: dict[str, Any], step: int) -> None:
    counts = (numbers["step"], numbers["losses_count"], numbers.get("rows", 0))
    if any(type(count) is not int or count < 0 for count in counts) or numbers["step"] != step:
        raise ValueError("its counts are wrong")
    if type(numbers["seconds"]) not in (int, float) or not isinstance(numbers["plan"], dict):
        raise ValueError("its time or plan is wrong")
    if not isinstance(numbers.get("checkpoints", []), list):
        raise ValueError("its checkpoints are not a list")


def keep_newest(folder: Path) -> None:
    """Delete all states but the newest, with which a finished run can go on to more steps."""
    for old in state_steps(folder)[1:]:
        _remove(folder, old)


def forget_after(folder: Path, step: int) -> None:
    """Delete states later than `step`: damaged ones, and those whose history is rewritten."""
    for later in state_steps(folder):
        if later > step:
            _remove(folder, later)


def how_to_go_on(run_path: Path) -> str:
    """What to do after something from outside ended a training."""
    if not run_path.is_dir():
        return "Put it back and continue with: hopscope train --resume, or train the recipe again."
    if not (run_path / MANIFEST).exists():
        return "Nothing had been saved yet: train the recipe again."
    step = max(state_steps(run_path / RESUME), default=0)
    return f"Then continue from step {step} with: hopscope train --resume {run_path}"


def no_state(folder: Path, problems: list[str]) -> HopscopeError:
    """The error for a run that cannot be resumed."""
    why = "; ".join(problems) if problems else "it has no resume state"
    return HopscopeError(f"{folder.parent} cannot be resumed: {why}; train it again with --out.")


def _remove(folder: Path, step: int) -> None:
    for suffix in (".json", ".safetensors"):
        (folder / f"state_{step:08d}{suffix}").unlink(missing_ok=True)
