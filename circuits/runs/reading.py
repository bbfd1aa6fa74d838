"""Reading a run folder that may be untrusted or half written: everything is checked.

`circuits.runs.run` describes the files' contents.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from circuits.errors import HopscopeError

SCHEMA_VERSION = 1
MANIFEST = "manifest.json"

MOST_STEPS = 10**12 - 1
"""The largest plausible step; a larger one is refused."""

_STATE = re.compile(r"state_(\d{8,12})\.json")


BESIDE_RUNS = ("sweep.csv", "sweep.zarr")
"""What lies beside the runs in the folder of a sweep."""


def runs_of(paths: Iterable[Path]) -> list[Path]:
    """Paths of runs among all that a shell finds as SWEEP/*; all if none of them is one.

    >>> runs_of([Path("phi/seed=0"), Path("phi/sweep.csv")])
    [PosixPath('phi/seed=0')]
    """
    given = list(paths)
    return [path for path in given if path.name not in BESIDE_RUNS] or given


def checkpoint_name(step: int) -> str:
    """File name of the checkpoint of a step, e.g. step_00001234.safetensors."""
    return f"step_{step:08d}.safetensors"


def check_entries(folder: Path) -> None:
    """Refuse links out of the folder, and pipes and devices, which would never end.

    A link to a folder elsewhere would also let a resumed run write and delete there.
    """
    inside = folder.resolve()
    try:
        entries = list(folder.iterdir())
    except OSError as error:
        raise HopscopeError(f"{folder} cannot be read ({error.strerror}).") from error
    for path in entries:
        if path.is_symlink() and not path.resolve().is_relative_to(inside):
            raise HopscopeError(
                f"{path} is a link out of the run folder, which is not followed; put what it "
                "leads to in its place, or delete it."
            )
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise HopscopeError(f"{path} is neither a file nor a folder; delete it.")


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest, validated."""
    try:
        manifest = _parse((folder / MANIFEST).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise incomplete(folder, f"it has no {MANIFEST}, which is written last") from None
    except OSError as error:
        raise HopscopeError(f"{folder / MANIFEST} cannot be read ({error.strerror}).") from error
    except (ValueError, RecursionError):
        raise incomplete(folder, f"{MANIFEST} is not JSON") from None
    schema = manifest.get("schema") if isinstance(manifest, dict) else None
    if type(schema) is not int:
        raise incomplete(folder, f"{MANIFEST} has no schema version")
    if schema > SCHEMA_VERSION:
        raise HopscopeError(
            f"{folder} was made by a newer Hopscope (run format {schema}, this one reads up to "
            f"{SCHEMA_VERSION}); update with `pip install -U hopscope`."
        )
    _check_manifest(folder, manifest)
    return manifest


def _check_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    rows = manifest.get("checkpoints")
    well_formed = (
        isinstance(rows, list)
        and all(_is_checkpoint(row) for row in rows)
        and all(
            isinstance(manifest.get(key, {}), dict) for key in ("grok", "baselines", "diversity")
        )
        and isinstance(manifest.get("notes", []), list)
        and isinstance(manifest.get("continued", []), list)
        and all(_is_continuation(row) for row in manifest.get("continued", []))
        and isinstance(manifest.get("model"), dict)
        and manifest.get("state") in ("training", "stopped", "finished")
    )
    if not well_formed:
        raise incomplete(
            folder,
            f"{MANIFEST} lacks its checkpoints (steps of 0 to {MOST_STEPS:,} with a SHA-256), "
            "model or state",
        )
    steps = [row["step"] for row in manifest["checkpoints"]]
    if twice := [step for step, n in Counter(steps).items() if n > 1]:
        raise incomplete(folder, f"{MANIFEST} lists the checkpoint of step {twice[0]} twice")


def _is_checkpoint(row: Any) -> bool:
    return (
        isinstance(row, dict)
        and type(row.get("step")) is int
        and 0 <= row["step"] <= MOST_STEPS
        and isinstance(row.get("sha256"), str)
    )


def _is_continuation(row: Any) -> bool:
    return isinstance(row, dict) and all(
        type(row.get(key)) is int and 0 < row[key] <= MOST_STEPS for key in ("from_step", "steps")
    )


def describe_steps(steps: list[int]) -> str:
    """A list of steps in a few words, for errors."""
    if len(steps) > 12:
        return f"{len(steps)} of them, {', '.join(map(str, steps[:5]))}, ... {steps[-1]}."
    return f"{', '.join(map(str, steps)) or 'none'}."


def incomplete(folder: Path, problem: str) -> HopscopeError:
    """The error for a folder that is not a complete run."""
    return HopscopeError(
        f"{folder} is a half-written or damaged run: {problem}; train it again into a new folder."
    )


def file_sha256(path: Path) -> str | None:
    """SHA-256 of a file; None if it cannot be read or is a device, which might never end."""
    if not path.is_file():
        return None
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Rows of a metrics file; a last line that is still being written is left out."""
    try:
        lines = path.read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise HopscopeError(f"{path} cannot be read ({error.strerror}).") from error
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(lines, 1):
        try:
            row = _parse(line)
        except (ValueError, RecursionError):
            row = None
        if not _is_evaluation(row, after=rows[-1]["step"] if rows else -1):
            raise HopscopeError(
                f"{path}, line {number} is damaged; delete that line or train the run again."
            )
        rows.append(row)
    return rows


def state_steps(folder: Path) -> list[int]:
    """Steps with a resume state in this folder, newest first."""
    if not folder.is_dir():
        return []
    found = (_STATE.fullmatch(path.name) for path in folder.iterdir())
    return sorted((int(match[1]) for match in found if match), reverse=True)


def _is_evaluation(row: Any, *, after: int) -> bool:
    """Whether this is a row of finite numbers of a later step."""
    return (
        isinstance(row, dict)
        and all(type(v) in (int, float) and abs(v) <= sys.float_info.max for v in row.values())
        and type(row.get("step")) is int
        and after < row["step"] <= MOST_STEPS
    )


def _parse(text: str | bytes) -> Any:
    """Parse JSON; refuse NaN and infinity in any spelling, which Python would accept."""
    return json.loads(text, parse_constant=_finite, parse_float=_finite)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is not a number")
    return number
