"""Files of plain triples: TSV, CSV, JSON, parquet and RDF, each also gzipped (not parquet).

The standard `csv` and `json`, pyarrow and pyoxigraph do the parsing. Nothing is skipped silently: a
record that cannot be read is an error, or is left out and counted if `skip_broken` is set.
`notes["reading"]` says what was taken as a header, left out or unified.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from pydantic import field_validator

from circuits.errors import HopscopeError
from circuits.graph.knowledge_graph import PROVENANCES, KnowledgeGraph, MultiValued
from circuits.graph.sources.formats.columns import ROLES, Columns, role_of
from circuits.graph.sources.formats.delimited import delimited_rows
from circuits.graph.sources.formats.files import FORMATS_BY_ENDING, Format, ending, stem
from circuits.graph.sources.formats.reading import Reading, Row
from circuits.graph.sources.formats.records import json_rows, parquet_rows
from circuits.graph.sources.options import SourceOptions, existing_file


class TriplesOptions(SourceOptions):
    """How a file of triples is read.

    >>> from circuits.graph.sources import load_source
    >>> _ = Path("facts.csv").write_text("1,Lyon,France,country\\n2,France,Euro,currency\\n")
    >>> columns = ["-", "subject", "object", "relation"]
    >>> graph = load_source("facts.csv", options={"columns": columns})
    >>> [graph.fact_text(i) for i in range(len(graph))]
    ['France -currency-> Euro', 'Lyon -country-> France']
    """

    format: Literal["auto"] | Format = "auto"
    """The file's format; auto: by its ending. "jsonl" is "json", which reads every shape of it."""
    columns: tuple[str, ...] = ()
    """The role of each column in the file's order, e.g. ["subject", "object", "relation"]; "-" for
    a column to leave out. By default known headers and keys tell, else the order is subject,
    relation, object. For JSON objects, the columns are their keys."""
    header: bool | None = None
    """TSV and CSV: whether the first line names the columns; by default its words tell."""
    skip_broken: bool = False
    """Leave broken lines and records out and count them, in place of refusing the file."""
    short_names: bool = True
    """RDF: name an IRI by its last part ("Lyon" for <http://x.org/Lyon>) where no other term of
    the file has the same one."""
    added: Literal["in_graph", "pool"] = "in_graph"
    """JSON lines that `hopscope augment` wrote: facts by a language model are part of the graph, or
    a pool from which the recipe's augmentation (`true_facts`) takes as many as it needs, and which
    `correct_share` mixes with false ones."""
    literals: Literal["merge", "apart"] = "merge"
    """RDF: literals of one text that differ in language, type or outer spaces ("Gift"@en and
    "Gift"@de) are one name, or keep their full form; "1" and "01" are two names either way."""

    @field_validator("columns")
    @classmethod
    def _each_role_once(cls, columns: tuple[str, ...]) -> tuple[str, ...]:
        roles = [role_of(name) for name in columns]
        if columns and any(roles.count(role) != 1 for role in ROLES):
            raise ValueError('it must name subject, relation and object once each, and "-" others')
        return columns

    def placed(self) -> Columns | None:
        """Where the roles are, as far as `columns` says."""
        if not self.columns:
            return None
        roles = [role_of(name) for name in self.columns]
        subject, relation, obj = (roles.index(role) for role in ROLES)
        return Columns(subject, relation, obj, len(roles))


OPTIONS = TriplesOptions


def read(
    path: str | Path | None, options: TriplesOptions, multi_valued: MultiValued
) -> KnowledgeGraph:
    """The graph of a file.

    `notes["report"]` counts what was read and left out; `notes["reading"]` says it in words.
    """
    file = existing_file(path, "triples")
    reading = Reading(file)
    rows = list(_rows(reading, options))
    if not options.skip_broken:
        reading.broken.refuse(
            "Each must be one subject, relation and object; correct it, say where they are "
            'with source.options.columns, e.g. ["subject", "object", "relation"], or set '
            "source.options.skip_broken = true to leave such out."
        )
    if not rows:
        counts = reading.counts.items()
        found = ", ".join(f"{n:,} {unit.replace('_', ' ')}" for unit, n in counts if n)
        raise HopscopeError(f"{file} holds no triple (read: {found or 'nothing'}).")
    pool = reading.added if options.added == "pool" else set()
    graph = KnowledgeGraph.from_triples(
        stem(file),
        [row for row in rows if row not in pool],
        held_back=[row for row in rows if row in pool],
        multi_valued=multi_valued,
        notes={
            "source": file.name,
            "report": reading.report(),
            "reading": [*reading.said, *reading.names.sentences()],
        },
    )
    return _marked(graph, reading.added - pool)


def _marked(graph: KnowledgeGraph, added: set[Row]) -> KnowledgeGraph:
    """The graph with the provenance of facts that a language model added."""
    if not added:
        return graph
    name, relation = graph.entities, graph.relations
    by_model = [(name[s], relation[r], name[o]) in added for s, r, o in graph.facts.tolist()]
    provenance = np.where(by_model, PROVENANCES.index("added_llm"), graph.provenance)
    return replace(graph, provenance=provenance.astype(np.int8))


def _rows(reading: Reading, options: TriplesOptions) -> Iterable[Row]:
    kind, columns = _format(reading.file, options), options.placed()
    if kind == "tsv" or kind == "csv":
        delimiter = "\t" if kind == "tsv" else ","
        return delimited_rows(reading, delimiter, columns, options.header)
    if kind == "json" or kind == "jsonl":
        return json_rows(reading, columns)
    if kind == "parquet":
        return parquet_rows(reading, columns)
    from circuits.graph.sources.formats.rdf import rdf_rows

    return rdf_rows(reading, kind, short_names=options.short_names, literals=options.literals)


def _format(file: Path, options: TriplesOptions) -> Format:
    if options.format != "auto":
        return options.format
    if ending(file) not in FORMATS_BY_ENDING:
        raise HopscopeError(
            f"{file}: the format is not known by the ending {ending(file)!r}; allowed: "
            f"{', '.join(FORMATS_BY_ENDING)}; or set source.options.format to one of "
            f"{', '.join(get_args(Format))}."
        )
    return FORMATS_BY_ENDING[ending(file)]
