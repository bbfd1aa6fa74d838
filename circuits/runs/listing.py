"""The runs in a folder: found without opening them, described in a row each, removed with care."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

import filelock

from circuits.corpus.names import ID_TEST, OOD_TEST, TRAIN
from circuits.errors import CannotWrite, HopscopeError, unknown_name
from circuits.remote.addresses import url_of
from circuits.runs.locking import LOCK
from circuits.runs.notes import NOTES, Notes, read_notes
from circuits.runs.reading import MANIFEST
from circuits.runs.remote import bytes_of, local_folder
from circuits.runs.run import CHECKPOINTS, METRICS, RECIPE, RESULTS, RESUME, open_run

DEEPEST = 2
"""A sweep keeps its runs one level deeper."""

OURS = {MANIFEST, RECIPE, METRICS, LOCK, CHECKPOINTS, RESUME, RESULTS, "figures"}
OURS |= {"corpus.json", "corpus.safetensors", "check.json", NOTES, "circuits"}
"""Names of what Hopscope writes into a run folder."""

Key = Literal["name", "state", "step", "id_test", "size", "created"]
KEYS: tuple[Key, ...] = ("name", "state", "step", "id_test", "size", "created")
"""What a list of runs can be sorted by."""


@dataclass(frozen=True)
class RunEntry:
    """A run in a list."""

    name: str
    """Path below the listed folder."""
    path: Path
    state: str
    """training, stopped, finished, or "damaged"."""
    step: int
    accuracy: dict[str, float]
    """By split, at the last evaluation."""
    size: int
    """Bytes on disk."""
    created: str
    """Date and time, as in the manifest; "" if unknown."""
    seed: int | None
    problem: str = ""
    """Why it cannot be opened."""
    tags: tuple[str, ...] = ()
    """What a person called it."""
    note: str = ""
    notes_problem: str = ""
    """Why its notes cannot be read."""


def run_folders(root: Path, problems: list[str], depth: int = 1) -> list[tuple[str, Path]]:
    """(name, folder) of what looks like a run in a folder, by name; links are not followed.

    Args:
        root: The folder.
        problems: Gets a sentence on each folder that cannot be read.
        depth: Levels below the first call's folder, plus one.
    """
    found: list[tuple[str, Path]] = []
    try:
        children = sorted(p for p in root.iterdir() if p.is_dir() and not p.is_symlink())
    except OSError as error:
        problems.append(f"The folder {root} cannot be read ({error.strerror}).")
        return found
    for child in children:
        if child.name.startswith("."):
            continue
        if _looks_like_a_run(child, problems):
            found.append((child.name, child))
        elif depth < DEEPEST:
            deeper = run_folders(child, problems, depth + 1)
            found += [(f"{child.name}/{name}", path) for name, path in deeper]
    return found


def _looks_like_a_run(folder: Path, problems: list[str]) -> bool:
    """A folder with a manifest, or only with a recipe (half written: opening it says so)."""
    try:
        return (folder / MANIFEST).is_file() or (folder / RECIPE).is_file()
    except OSError as error:
        problems.append(f"The folder {folder} cannot be read ({error.strerror}).")
        return False


def list_runs(root: str | Path, problems: list[str] | None = None) -> list[RunEntry]:
    """A row for each run in a folder, or for the run that the folder is.

    Args:
        root: The folder, e.g. "runs", or its URL.
        problems: Gets a sentence on each folder that cannot be read.

    Raises:
        HopscopeError: if there is no such folder.

    >>> [(entry.name, entry.state, entry.step) for entry in list_runs("assets")]
    [('demo', 'finished', 6000), ('textbook', 'finished', 8500)]
    """
    folder = local_folder(root)
    if not folder.is_dir():
        raise HopscopeError(f"{folder} is not a folder; give one with runs.")
    if (folder / MANIFEST).is_file():
        return [_entry(folder.resolve().name, folder)]
    found = run_folders(folder, [] if problems is None else problems)
    return [_entry(name, path) for name, path in found]


def _entry(name: str, path: Path) -> RunEntry:
    size = bytes_of(path)
    if size is None:
        size = sum(file.lstat().st_size for file in path.rglob("*") if not file.is_dir())
    notes, unread = notes_or_problem(path)
    said: dict[str, Any] = {"tags": notes.tags, "note": notes.note, "notes_problem": unread}
    try:
        run = open_run(path)
        rows = run.rows()
    except HopscopeError as error:
        return RunEntry(name, path, "damaged", 0, {}, size, "", None, str(error), **said)
    last = rows[-1] if rows else {}
    accuracy = {
        split: float(last[f"accuracy/{split}"])
        for split in (TRAIN, ID_TEST, OOD_TEST)
        if f"accuracy/{split}" in last
    }
    created = str(run.manifest.get("created", ""))
    seed = run.manifest.get("seed")
    return RunEntry(name, path, run.state, run.last_step, accuracy, size, created, seed, **said)


def notes_or_problem(path: Path) -> tuple[Notes, str]:
    """The notes of a run folder, or none and why they cannot be read."""
    try:
        return read_notes(path), ""
    except HopscopeError as error:
        return Notes(), str(error)


def tagged(entries: Sequence[RunEntry], tag: str) -> list[RunEntry]:
    """The entries with a tag.

    Raises:
        HopscopeError: if none has it.

    >>> tagged([], "paper")
    Traceback (most recent call last):
    circuits.errors.HopscopeError: 'paper' is not a tag of these runs; none of them has a tag.
    """
    found = [entry for entry in entries if tag in entry.tags]
    known = sorted({name for entry in entries for name in entry.tags})
    if not found and not known:
        raise HopscopeError(f"{tag[:60]!r} is not a tag of these runs; none of them has a tag.")
    if not found:
        raise unknown_name("tag", tag, known)
    return found


def sorted_by(entries: Sequence[RunEntry], key: str) -> list[RunEntry]:
    """The entries by name or state, or with the largest or newest first.

    >>> [entry.name for entry in sorted_by(list_runs("assets"), "step")]
    ['textbook', 'demo']
    """
    if key not in KEYS:
        raise unknown_name("key", key, KEYS)
    if key == "id_test":
        return sorted(entries, key=lambda e: e.accuracy.get(ID_TEST, -1.0), reverse=True)
    return sorted(entries, key=lambda e: getattr(e, key), reverse=key not in ("name", "state"))


def remove_run(path: str | Path) -> int:
    """Delete a run folder; returns the bytes that were freed.

    The folder is renamed first, so that an interrupted removal leaves nothing that opens as a run.

    Raises:
        HopscopeError: if it is not a run, is being trained, or holds files that Hopscope did not
            write; nothing is deleted then.
    """
    folder = removable(path)
    size = sum(file.lstat().st_size for file in folder.rglob("*") if not file.is_dir())
    try:
        with filelock.FileLock(folder / LOCK, timeout=0):
            gone = folder.rename(folder.with_name(f".{folder.name}.removing-{uuid4().hex[:8]}"))
        shutil.rmtree(gone)
    except filelock.Timeout:
        raise HopscopeError(f"{folder} is being trained; stop it first (Ctrl-C there).") from None
    except OSError as error:
        raise CannotWrite(folder, error) from error
    return size


def removable(path: str | Path) -> Path:
    """The folder of a run that may be removed, as far as can be told without touching it.

    Raises:
        HopscopeError: if it is not a run, is in a bucket (others may read it there, and nothing
            brings it back), or holds files that Hopscope did not write.
    """
    folder = Path(path)
    if (url := url_of(folder)) is not None:
        raise HopscopeError(
            f"{url} is in a bucket, and Hopscope removes no runs there; use the bucket's own tools."
        )
    if folder.is_symlink():
        raise HopscopeError(f"{folder} is a link; remove the run that it leads to, or the link.")
    if not (folder / MANIFEST).is_file() and not (folder / RECIPE).is_file():
        raise HopscopeError(f"{folder} is not a run folder; nothing was removed.")
    if foreign := sorted(p.name for p in folder.iterdir() if not _is_ours(p)):
        raise HopscopeError(
            f"{folder} also holds {foreign[0]!r}{_more(len(foreign) - 1)}, which Hopscope did not "
            "write; move that elsewhere first. Nothing was removed."
        )
    return folder


def _is_ours(path: Path) -> bool:
    """Whether Hopscope writes files of this name, or it is a leftover of an interrupted write."""
    return path.name in OURS or (path.name.startswith(".") and path.is_file())


def _more(n: int) -> str:
    return f" and {n} more" if n else ""
