"""What a check found, and where a run folder keeps it.

A run keeps its check as `check.json` beside its manifest, and not among `results/`: it is about the
checkpoints themselves, has no options and no arrays, and must be readable without any analysis.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from circuits.errors import HopscopeError
from circuits.files import write_atomically

CHECK = "check.json"
FORMAT = "hopscope check 1"

Kind = Literal[
    "broken", "file hash", "identical", "identical tensors", "place", "not finite", "tensors",
    "dtype or shape", "tied weights", "tokenizer",
]  # fmt: skip


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, with the steps it is about.

    >>> Finding("identical", (10, 20), "steps 10 and 20 have identical weights").steps
    (10, 20)
    """

    kind: Kind
    steps: tuple[int, ...]
    sentence: str


@dataclass(frozen=True)
class Neighbours:
    """The distance of a step from the one before: 1 is the root mean square over all pairs."""

    before: int
    step: int
    distance: float
    low: float
    high: float


@dataclass(frozen=True)
class SeriesCheck:
    """What a check found.

    >>> from circuits.series import check_series
    >>> check = check_series("assets/demo")
    >>> check.ok, len(check.steps), check.findings
    (True, 25, ())
    """

    source: str
    """Name of the folder."""
    layout: str
    steps: tuple[int, ...]
    findings: tuple[Finding, ...]
    neighbours: tuple[Neighbours, ...]
    digests: dict[int, str]
    """Hash of the tensors of each step."""
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings

    @property
    def flagged(self) -> tuple[int, ...]:
        """Steps that something is wrong with, rising."""
        return tuple(sorted({step for one in self.findings for step in one.steps}))

    def to_json(self) -> dict[str, Any]:
        """The check as a table that JSON can hold."""
        return {"format": FORMAT, "ok": self.ok, "flagged": list(self.flagged)} | asdict(self)

    @classmethod
    def from_json(cls, table: Mapping[str, Any]) -> SeriesCheck:
        """The check that `to_json` wrote, also after a round trip through a file."""
        try:
            if table["format"] != FORMAT:
                raise ValueError(table["format"])
            return cls(
                str(table["source"]),
                str(table["layout"]),
                tuple(map(int, table["steps"])),
                tuple(Finding(f["kind"], tuple(map(int, f["steps"])), str(f["sentence"]))
                      for f in table["findings"]),
                tuple(Neighbours(**n) for n in table["neighbours"]),
                {int(step): str(digest) for step, digest in table["digests"].items()},
                tuple(map(str, table["notes"])),
            )  # fmt: skip
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise HopscopeError(
                "this is not a stored check; run `hopscope check` again."
            ) from error


def keep_check(folder: Path, check: SeriesCheck) -> Path:
    """Write a run's check into its folder; the timeline of the dashboard shows what it found.

    Raises:
        CannotWrite: if the folder cannot be written.
    """
    path = folder / CHECK
    write_atomically(path, (json.dumps(check.to_json(), indent=1) + "\n").encode())
    return path


def kept_check(folder: Path) -> SeriesCheck | None:
    """The check that a run folder keeps; None if it was never checked.

    Raises:
        HopscopeError: if the file is not a check.
    """
    path = folder / CHECK
    try:
        return SeriesCheck.from_json(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise HopscopeError(f"{path} is not a stored check; run `hopscope check` again.") from error
