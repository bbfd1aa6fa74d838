"""What all sources share: the base of their options, and the check of their file."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from circuits.errors import HopscopeError


class SourceOptions(BaseModel):
    """Options of one source; unknown keys are refused, values are immutable.

    The sentence below each field is its description in listings of the options:

    >>> from circuits.graph.sources import SOURCES
    >>> SOURCES["geonames"].options.model_fields["capitals"].description
    'Whether countries have capitals, as cities and as facts.'
    """

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


def existing_file(path: str | Path | None, source: str) -> Path:
    """The path, which must be an existing file; else a `HopscopeError` says what to give."""
    file = existing_path(path, source)
    if file.is_dir():
        raise HopscopeError(f"source {source!r}: {file} is a folder; give a file in it.")
    return file


def existing_path(path: str | Path | None, source: str) -> Path:
    """The path, which must be an existing file or folder."""
    if path is None:
        raise HopscopeError(
            f"source {source!r} reads a file and none is given; name it as source.path in the "
            "recipe (or in --set), or give `hopscope data` the file itself."
        )
    file = Path(path)
    if not file.exists():
        raise HopscopeError(f"source {source!r}: there is no file {file}; check source.path.")
    return file
