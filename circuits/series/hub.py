"""Revisions of a repository on the Hugging Face hub, as a folder with one folder for each step."""

from __future__ import annotations

import re
from pathlib import Path

from circuits.errors import HopscopeError
from circuits.series.folders import step_of

WANTED = ["*.safetensors*", "*.json", "*.txt", "*.model", "pytorch_model*.bin*"]
"""Files of a revision that are fetched."""

_NAME = re.compile(r"[\w.-]+/[\w.-]+")


def downloaded(source: str, revisions: str | None) -> Path:
    """The folder of a series: `source` itself, or the cached revisions of a hub name.

    Args:
        source: A folder, or a name such as EleutherAI/pythia-70m.
        revisions: For a name: "all", or names of revisions with commas between them.

    Raises:
        HopscopeError: if a folder is given with revisions, which it does not have; if a name is
            given without; or if the hub cannot be reached.
    """
    if Path(source).exists():
        if revisions is not None:
            raise HopscopeError(
                f"{source} is a folder here, which has no revisions; leave out --revisions, or "
                "give a name on the hub and work from another folder."
            )
        return Path(source)
    if revisions is None or not _NAME.fullmatch(source):
        hint = ", and --revisions step0,step1000,... or all" if _NAME.fullmatch(source) else ""
        raise HopscopeError(
            f"{source} is not a folder here; give one with a checkpoint for each step, or a name "
            f"on the hub, e.g. EleutherAI/pythia-70m{hint}."
        )
    return _fetched(source, revisions)


def steps_of(revisions: str | None) -> set[int] | None:
    """The steps that a list of revisions asks for; None: all. The cache may hold others.

    >>> steps_of("step0,step512"), steps_of("all")
    ({0, 512}, None)
    """
    if revisions is None or revisions == "all":
        return None
    return {step for step in map(step_of, revisions.split(",")) if step is not None}


def _fetched(name: str, revisions: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    wanted = [] if revisions == "all" else [word.strip() for word in revisions.split(",")]
    for revision in wanted:
        if step_of(revision) is None:
            raise HopscopeError(
                f"the revision {revision!r} does not say a step; name revisions such as step1000."
            )
    try:
        wanted = wanted or _all_revisions(name)
        folders = [
            Path(snapshot_download(name, revision=revision, allow_patterns=WANTED))
            for revision in wanted
        ]
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError, ValueError) as error:
        first = (str(error) or type(error).__name__).splitlines()[0]
        raise HopscopeError(
            f"{name} cannot be fetched from the hub ({first}); get each revision into a folder of "
            f"its own elsewhere (hf download {name} --revision step1000 --local-dir "
            "SERIES/step1000) and import the folder SERIES."
        ) from None
    return folders[0].parents[1]


def _all_revisions(name: str) -> list[str]:
    from huggingface_hub import list_repo_refs

    refs = list_repo_refs(name)
    found = [ref.name for ref in (*refs.branches, *refs.tags) if step_of(ref.name) is not None]
    if not found:
        raise HopscopeError(
            f"{name} has no revision whose name says a step, e.g. step1000; name them in "
            "--revisions."
        )
    return found
