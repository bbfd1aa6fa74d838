"""The run table: a row for each run, with the settings in which the runs differ as columns."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unicodedata import east_asian_width

from analyses.figures.specs.facts import Table
from app.instrument.accuracies import evaluated
from app.logic.run_groups import apart_from, is_number, known_to_differ, settings
from circuits.corpus.names import ID_TEST, OOD_TEST, TRAIN
from circuits.errors import HopscopeError
from circuits.runs.listing import notes_or_problem
from circuits.runs.notes import Notes
from circuits.runs.run import Run, open_run

SPLITS = {"trained": TRAIN, "ID": ID_TEST, "OOD": OOD_TEST}
MOST_SETTINGS = 8
"""The most differing settings that become columns; the recipe diff has all."""
BESIDE_TEXT = 20
"""Pixels of what stands beside the text of a cell."""
BY_STATE, BY_TAG, BY_RECIPE = "state", "tag", "recipe"


@dataclass(frozen=True)
class RunRow:
    """A run in the table."""

    name: str
    path: Path
    state: str
    step: int
    accuracy: dict[str, float]
    """By split, at the last evaluation."""
    size: int
    """Bytes."""
    created: str
    notes: Notes
    settings: dict[str, Any]
    """The whole recipe, flat."""
    recipe: str
    """Equal for runs whose recipes agree but for the seed."""
    problem: str = ""
    curve: tuple[float, ...] = ()
    """ID accuracy at every evaluation."""
    asked: int = 0
    """Questions behind the ID accuracy."""


def run_row(name: str, path: Path) -> RunRow:
    """Read a run for the table; one that cannot be opened says why."""
    notes, unread = notes_or_problem(path)
    size = sum(file.lstat().st_size for file in path.rglob("*") if not file.is_dir())
    try:
        run = open_run(path)
        rows = run.rows()
    except (HopscopeError, OSError) as error:
        return RunRow(name, path, "damaged", 0, {}, size, "", notes, {}, name, str(error))
    last = rows[-1] if rows else {}
    known = {s: float(last[f"accuracy/{s}"]) for s in SPLITS.values() if f"accuracy/{s}" in last}
    curve = tuple(float(r[f"accuracy/{ID_TEST}"]) for r in rows if f"accuracy/{ID_TEST}" in r)
    created = str(run.manifest.get("created", ""))[:16].replace("T", " ")
    return RunRow(
        name, path, run.state, run.last_step, known, size, created, notes, settings(run),
        apart_from(run, "seed"), unread, curve, _asked(run),
    )  # fmt: skip


def _asked(run: Run) -> int:
    try:
        return evaluated(run, ID_TEST)
    except HopscopeError:  # the corpus is damaged: the run still has its row
        return 0


def kept_rows(rows: Sequence[RunRow], text: str, tags: Sequence[str]) -> list[RunRow]:
    """The rows with every word in name, state, tags or note, and one of the tags.

    Args:
        rows: All rows.
        text: Words; "phi=9" is a setting whose key ends in phi with the value 9.
        tags: Any of these; none: all.
    """
    return [row for row in rows if _kept(row, text.casefold().split(), tags)]


def _kept(row: RunRow, words: Sequence[str], tags: Sequence[str]) -> bool:
    if tags and not set(tags) & set(row.notes.tags):
        return False
    said = f"{row.name} {row.state} {' '.join(row.notes.tags)} {row.notes.note}".casefold()
    return all(word in said or _is_setting(row, word) for word in words)


def _is_setting(row: RunRow, word: str) -> bool:
    key, sign, value = word.partition("=")
    return bool(sign) and any(
        name.casefold().endswith(key) and _is(found, value) for name, found in row.settings.items()
    )


def _is(found: Any, value: str) -> bool:
    if is_number(found):
        try:
            return float(value) == found
        except ValueError:
            return False
    return _text(found).casefold() == value


def differing_settings(rows: Sequence[RunRow]) -> list[str]:
    """Settings in which the readable runs differ, apart from the seed."""
    return known_to_differ([row.settings for row in rows if row.settings])


def columns_of(rows: Sequence[RunRow], keys: Sequence[str]) -> dict[str, list[Any]]:
    """The table by column: what all runs have, then these settings."""
    shares = {f"{label} %": [_percent(row, s) for row in rows] for label, s in SPLITS.items()}
    short = {key: key.rpartition(".")[2] for key in keys}
    twice = {name for name in short.values() if list(short.values()).count(name) > 1}
    named = {key: key if name in twice else name for key, name in short.items()}
    return {
        "run": [row.name for row in rows],
        "state": [row.state for row in rows],
        "step": [row.step for row in rows],
        **shares,
        "ID over training": [list(row.curve) for row in rows],
        "n": [row.asked or None for row in rows],
        "MB": [round(row.size / 1e6, 1) for row in rows],
        "created": [row.created for row in rows],
        "tags": [list(row.notes.tags) for row in rows],
        "note": [row.notes.note.partition("\n")[0] for row in rows],
        "seed": [_text(row.settings.get("seed")) for row in rows],
        **{named[key]: [_text(row.settings.get(key)) for row in rows] for key in keys},
    }


def column_width(name: str, cells: Sequence[str], most: int) -> int:
    """Pixels of a column in which the longest of its cells is read whole, up to `most`.

    The browser's own choice looks at the first ten rows only.

    >>> column_width("run", ["demo", "textbook (shipped)"], 400)
    139
    >>> column_width("run", ["x" * 99], 400)
    400
    """
    return min(most, BESIDE_TEXT + math.ceil(max(map(text_width, (name, *cells)))))


def text_width(text: str) -> float:
    """Pixels that the text of a cell needs, at most."""
    return sum(map(_letter_width, text))


def _letter_width(letter: str) -> float:
    if east_asian_width(letter) in "WF":
        return 14.5
    if letter in "mwMW@%":
        return 12
    return 9 if letter.isupper() else 6.6


def _percent(row: RunRow, split: str) -> float | None:
    return 100 * row.accuracy[split] if split in row.accuracy else None


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return "" if value is None else str(value)


def grouped_rows(rows: Sequence[RunRow], by: str | None) -> dict[str, list[RunRow]]:
    """The rows by state, tag, recipe or the value of a setting; None: one group.

    A run with several tags is in the group of each.
    """
    if by is None:
        return {"": list(rows)}
    found: dict[str, list[RunRow]] = {}
    for row in rows:
        for name in _groups_of(row, by):
            found.setdefault(name, []).append(row)
    if by == BY_RECIPE:
        return {_runs_named(members): members for members in found.values()}
    return dict(sorted(found.items()))


def _groups_of(row: RunRow, by: str) -> list[str]:
    if by == BY_STATE:
        return [row.state]
    if by == BY_TAG:
        return list(row.notes.tags) or ["no tag"]
    if by == BY_RECIPE:
        return [row.recipe]
    return [f"{by} = {_text(row.settings.get(by)) or 'unknown'}"]


def _runs_named(members: Sequence[RunRow]) -> str:
    names = [row.name for row in members]
    return names[0] if len(names) == 1 else f"{len(names)} seeds of the recipe of {names[0]}"


def recipe_diff(rows: Sequence[RunRow]) -> Table:
    """Every setting in which the chosen runs differ, a column each."""
    keys = ["seed", *differing_settings(rows)]
    return Table(
        name="recipe_diff",
        title="In what the chosen runs differ",
        subtitle=f"{len(keys) - 1} setting{'s' * (len(keys) != 2)} besides the seed",
        provenance={"runs": [row.name for row in rows]},
        columns=("setting", *(row.name for row in rows)),
        rows=tuple((key, *(_text(row.settings.get(key)) for row in rows)) for key in keys),
        formats=("",) * (1 + len(rows)),
    )
