"""The available runs: those in the runs folder, and the two that come with the checkout."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from circuits.errors import HopscopeError
from circuits.remote.addresses import as_url, mirror_of
from circuits.runs.listing import run_folders
from circuits.runs.reading import MANIFEST
from circuits.runs.remote import refresh

ENVIRONMENT = "HOPSCOPE_RUNS"
"""Environment variable for the runs folder, which an argument after `--` can also give."""

ASSETS = Path(__file__).resolve().parents[2] / "assets"
LOOK_AGAIN_S = 5.0
"""Seconds between two looks into the bucket of remote runs."""

DEMOS = (ASSETS / "textbook", ASSETS / "demo")


@dataclass(frozen=True)
class RunFolders:
    """Run folders by their names in pages and addresses."""

    paths: dict[str, Path]
    problems: list[str]
    """Sentences on folders that could not be read."""


def runs_folder() -> Path:
    """The folder whose runs are shown: argument, environment, or `runs` in the working folder.

    For a URL it is the mirror, which `find_runs` makes as fresh as its bucket.
    """
    given = _given() or "runs"
    url = as_url(given)
    return Path(given) if url is None else mirror_of(url)


def is_chosen() -> bool:
    """Whether the user named the runs folder (then the demos are only shown beside it)."""
    return _given() is not None


def _given() -> str | None:
    """The folder given after `streamlit run app/main.py --`, or else in the environment."""
    if Path(sys.argv[0]).name == "main.py" and len(sys.argv) > 1:
        return sys.argv[1]
    return os.environ.get(ENVIRONMENT)


def find_runs() -> RunFolders:
    """All run folders, newest first, the demos last; if the folder is itself a run, no other.

    A demo whose name a run of the folder has, as `hopscope train demo` may give it, is "(shipped)".
    """
    root = runs_folder()
    problems: list[str] = []
    try:
        refresh(root, at_most_every_s=LOOK_AGAIN_S)
    except HopscopeError as error:
        problems.append(f"{error} What is shown was copied before.")
    found: list[tuple[str, Path]] = []
    if (root / MANIFEST).is_file():
        found = [(root.name, root)]
    elif root.is_dir():
        found = run_folders(root, problems)
    elif is_chosen():
        problems.append(f"The runs folder {root} does not exist; give another one.")
    found.sort(key=lambda item: _modified(item[1]), reverse=True)
    for demo in DEMOS:
        if (demo / MANIFEST).is_file() and all(path.resolve() != demo for _, path in found):
            taken = any(name == demo.name for name, _ in found)
            found.append((f"{demo.name} (shipped)" if taken else demo.name, demo))
    return RunFolders(dict(found), problems)


def _modified(folder: Path) -> float:
    try:
        return (folder / MANIFEST).stat().st_mtime
    except OSError:
        return 0.0
