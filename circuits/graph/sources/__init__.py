"""Readers that turn a data source into a `KnowledgeGraph`.

`load_source` is the only entry point. It takes the name of a source, or a path whose ending and
first bytes tell which source reads it. Every source validates its own options; unknown ones are
refused. `formats` reads the kinds of files; `two_wiki` and the files of two-hop questions
(`question_files`) have rooms of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from circuits.errors import HopscopeError, unknown_name
from circuits.graph.knowledge_graph import KnowledgeGraph, MultiValued
from circuits.graph.sources.formats.grokked_layout import refuse_grokked_folder
from circuits.graph.sources.options import SourceOptions
from circuits.graph.sources.question_signs import question_format
from circuits.graph.sources.registry import HUB_NAMES, SOURCES, Source, source_of_file
from circuits.settings import validated

__all__ = ["SOURCES", "Source", "SourceOptions", "find_source", "load_source"]


def load_source(
    name_or_path: str | Path,
    *,
    path: str | Path | None = None,
    multi_valued: MultiValued = "drop",
    options: Mapping[str, Any] | None = None,
) -> KnowledgeGraph:
    """Read a knowledge graph from a source, by its name or from a file.

    `graph.notes["reading"]` says what was taken as a header, merged or left out; `hopscope data`
    prints it.

    Args:
        name_or_path: A key of `SOURCES`, or a file whose kind is recognised from its ending and
            fields.
        path: The file to read, if a source that needs one is given by name.
        multi_valued: What happens to (subject, relation) keys with several objects: all their facts
            are left out, only the first in the source's order is kept, or all are kept and every
            two-hop path over them is marked ambiguous.
        options: Options of that source; `SOURCES[name].options` lists them.

    Raises:
        HopscopeError: if the source, an option or the file is unknown, or if no fact is found.

    >>> graph = load_source("geonames", options={"n_countries": 5})
    >>> graph.fact_text(0)
    'Beijing -country-> China'
    >>> load_source("geonames", options={"n_country": 5})
    Traceback (most recent call last):
    ...
    circuits.errors.HopscopeError: source.options: unknown option ... Did you mean 'n_countries'?...
    """
    source, file = find_source(name_or_path)
    path = path if file is None else file
    if path is not None and not source.reads_file:
        raise HopscopeError(f"source {source.name!r} reads no file, but path={str(path)!r} is set.")
    return source.read(path, _validated(source, options or {}), multi_valued)


def find_source(name_or_path: str | Path) -> tuple[Source, str | Path | None]:
    """The source of this name, or the one that reads this file, together with the file.

    Raises:
        HopscopeError: if it is neither a source nor a file.
    """
    if str(name_or_path) in SOURCES:
        return SOURCES[str(name_or_path)], None
    if Path(name_or_path).is_file():
        return source_of_file(Path(name_or_path)), name_or_path
    if str(name_or_path) in HUB_NAMES:
        return SOURCES["two_wiki"], name_or_path
    if Path(name_or_path).is_dir():
        of_questions = question_format(Path(name_or_path))
        if of_questions is not None:
            return SOURCES[of_questions], name_or_path
        refuse_grokked_folder(Path(name_or_path))
        if (Path(name_or_path) / "recipe.toml").exists():
            raise HopscopeError(
                f"{name_or_path} is a run folder; its recipe says where its facts are from: "
                f"hopscope data {name_or_path}/recipe.toml."
            )
        raise HopscopeError(f"{name_or_path} is a folder; name the file in it that has the facts.")
    problem = unknown_name("source", str(name_or_path), SOURCES)
    raise HopscopeError(f"{problem} A path is allowed too, but there is no such file.")


def _validated(source: Source, options: Mapping[str, Any]) -> SourceOptions:
    return validated(source.options, options, "source.options", f"option of source {source.name!r}")
