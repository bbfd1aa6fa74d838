"""The catalog of sources. Adding a source is adding a file and a line here."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from circuits.errors import HopscopeError
from circuits.graph.knowledge_graph import KnowledgeGraph, MultiValued
from circuits.graph.sources.options import SourceOptions

Reader = Callable[[Any, Any, MultiValued], KnowledgeGraph]


@dataclass(frozen=True)
class Source:
    """One kind of data source."""

    name: str
    about: str
    home: str
    """Module with `OPTIONS` (its options class) and `read(path, options, multi_valued)`.

    Imported on first use, so that reading a triple file does not pay for the others.
    """
    reads_file: bool = False

    @property
    def options(self) -> type[SourceOptions]:
        """The pydantic class of its options."""
        options: type[SourceOptions] = import_module(self.home).OPTIONS
        return options

    @property
    def read(self) -> Reader:
        """The reader itself: (path or None, validated options, policy) -> graph."""
        reader: Reader = import_module(self.home).read
        return reader


SOURCES: dict[str, Source] = {
    source.name: source
    for source in (
        Source(
            "geonames",
            "Countries, cities and relations computed from coordinates and populations; embedded.",
            "circuits.graph.sources.geonames",
        ),
        Source(
            "two_wiki",
            "2WikiMultiHopQA: JSON, JSONL or parquet by path, or a hub name as the path.",
            "circuits.graph.sources.two_wiki",
            reads_file=True,
        ),
        Source(
            "triples",
            "Subject, relation, object as TSV, CSV, JSONL or N-Triples.",
            "circuits.graph.sources.triples",
            reads_file=True,
        ),
        Source(
            "grokked_composition",
            "The random graph of Grokked Transformers, section 3.",
            "circuits.graph.sources.grokked_composition",
        ),
        Source(
            "grokked_comparison",
            "The attribute table of Grokked Transformers, section 4.",
            "circuits.graph.sources.grokked_comparison",
        ),
    )
}

HUB_NAMES = ("xanhho/2WikiMultihopQA", "framolfese/2WikiMultihopQA")
"""Data sets of the hub that `two_wiki` reads by name."""

_TRIPLES = {".tsv", ".tab", ".txt", ".csv", ".nt", ".ntriples"}
_EITHER = {".json", ".jsonl", ".ndjson"}


def source_of_file(path: Path) -> Source:
    """The source that reads this file: by its ending, and for JSON by what its records hold."""
    ending = path.suffix.lower()
    if ending == ".parquet":
        return SOURCES["two_wiki"]
    if ending in _TRIPLES:
        return SOURCES["triples"]
    if ending in _EITHER:
        with path.open("rb") as file:
            beginning = file.read(65536)
        list_of_objects = re.match(rb"(\xef\xbb\xbf)?\s*\[\s*\{", beginning) is not None
        two_wiki = list_of_objects or b'"evidences"' in beginning
        return SOURCES["two_wiki" if two_wiki else "triples"]
    endings = ", ".join(sorted(_TRIPLES | _EITHER | {".parquet"}))
    raise HopscopeError(
        f"{path}: the kind of file is not known by its ending; allowed: {endings}. "
        "Rename it, or name the source and give the path."
    )
