"""The catalog of sources. Adding a source is adding a file and a line here."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from circuits.errors import HopscopeError
from circuits.graph.knowledge_graph import KnowledgeGraph, MultiValued
from circuits.graph.sources.formats.files import FORMATS_BY_ENDING, ending, opened
from circuits.graph.sources.options import SourceOptions
from circuits.graph.sources.question_signs import question_format

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
        options: type[SourceOptions] = self._module().OPTIONS
        return options

    @property
    def read(self) -> Reader:
        """The reader itself: (path or None, validated options, policy) -> graph."""
        reader: Reader = self._module().read
        return reader

    def _module(self) -> ModuleType:
        try:
            return import_module(self.home)
        except ModuleNotFoundError as error:  # a machine for training may lack it
            raise HopscopeError(
                f"the source {self.name} needs the package {error.name}, which is not installed "
                f"here; pip install {error.name}, or build the data elsewhere."
            ) from error


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
            "circuits.graph.sources.two_wiki.reader",
            reads_file=True,
        ),
        Source(
            "two_hop_fact",
            "TwoHopFact and SOCRATES: CSV of two-hop questions with prompts for each hop.",
            "circuits.graph.sources.question_files.two_hop_fact",
            reads_file=True,
        ),
        Source(
            "hopping_too_late",
            "HoppingTooLate: CSV of two-hop questions with templates.",
            "circuits.graph.sources.question_files.hopping_too_late",
            reads_file=True,
        ),
        Source(
            "mquake",
            "MQuAKE: JSON of questions of two to four hops, before or after edits of facts.",
            "circuits.graph.sources.question_files.mquake",
            reads_file=True,
        ),
        Source(
            "path_question",
            "PathQuestion: lines of question, answer and path.",
            "circuits.graph.sources.question_files.path_question",
            reads_file=True,
        ),
        Source(
            "lre",
            "LRE relations: JSON of one relation with prompts, or a folder of such files.",
            "circuits.graph.sources.question_files.lre",
            reads_file=True,
        ),
        Source(
            "pararel",
            "ParaRel and LAMA (T-REx): P*.jsonl of facts with templates, or their folder.",
            "circuits.graph.sources.question_files.pararel",
            reads_file=True,
        ),
        Source(
            "triples",
            "Subject, relation, object as TSV, CSV, JSON, parquet, N-Triples, Turtle or other RDF.",
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

_TWO_WIKI_KEY = re.compile(rb'"evidences"\s*[:,\]]|"(?:supporting_facts|question)"\s*:')
_SNIFFED = 65536  # bytes of a JSON file that are read to find its kind


def source_of_file(path: Path) -> Source:
    """The source that reads this file: by its ending, and by its fields for JSON and parquet.

    Raises:
        HopscopeError: if the ending is not known.
    """
    kind = FORMATS_BY_ENDING.get(ending(path))
    if kind is None:
        endings = ", ".join(sorted(FORMATS_BY_ENDING))
        raise HopscopeError(
            f"{path}: the kind of file is not known by its ending; allowed: {endings}, and "
            "each with .gz except .parquet. Rename it, or name the source and give the path."
        )
    of_questions = question_format(path)
    if of_questions is not None:
        return SOURCES[of_questions]
    questions = (kind == "json" and _json_questions(path)) or (
        kind == "parquet" and _parquet_questions(path)
    )
    return SOURCES["two_wiki" if questions else "triples"]


def _json_questions(path: Path) -> bool:
    with opened(path) as file:
        return _TWO_WIKI_KEY.search(file.read(_SNIFFED)) is not None


def _parquet_questions(path: Path) -> bool:
    import pyarrow as pa  # imported here: slow, and only this format needs it
    import pyarrow.parquet as pq

    try:
        names = set(pq.read_schema(path).names)
    except (pa.ArrowException, OSError) as error:
        first = str(error).splitlines()[0]
        raise HopscopeError(f"{path} is not a readable parquet file: {first}") from None
    return bool(names & {"evidences", "question"})
