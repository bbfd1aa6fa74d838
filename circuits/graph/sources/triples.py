"""Plain triples: TSV, CSV, JSONL and N-Triples.

The standard `csv` and `json` do the reading; N-Triples is one regular expression per line, which
saves a dependency (rdflib) for a format whose grammar is a line. Nothing is left out silently:
what cannot be read is an error, unless `skip_broken` asks to leave it out, and then it is counted.
"""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal
from urllib.parse import unquote

from circuits.errors import HopscopeError
from circuits.graph.knowledge_graph import KnowledgeGraph, MultiValued
from circuits.graph.sources.broken import Broken, decoded
from circuits.graph.sources.options import SourceOptions, existing_file

Format = Literal["tsv", "csv", "jsonl", "ntriples"]
Row = tuple[str, str, str]
MAX_LINE = 1_000_000
"""Bytes; a longer line is no triple of names but a file of another kind."""

_ENDINGS: dict[str, Format] = {
    ".tsv": "tsv",
    ".tab": "tsv",
    ".txt": "tsv",
    ".csv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".nt": "ntriples",
    ".ntriples": "ntriples",
}
_HEADERS = {
    ("subject", "relation", "object"),
    ("subject", "predicate", "object"),
    ("head", "relation", "tail"),
    ("s", "p", "o"),
    ("s", "r", "o"),
    ("h", "r", "t"),
}
_TERM = r'(<[^<>"{}|^`\\\s]*>|_:\S+)'
_LITERAL = r'"((?:[^"\\]|\\.)*)"(?:@[A-Za-z0-9-]+|\^\^<[^<>\s]*>)?'
_N_TRIPLE = re.compile(rf"{_TERM}\s*(<[^<>\s]*>)\s*(?:{_TERM}|{_LITERAL})\s*\.\s*(?:#.*)?")
_ESCAPE = re.compile(r'\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|([tbnrf"\'\\]))')
_CONTROL = {"t": "\t", "b": "\b", "n": "\n", "r": "\r", "f": "\f"}


class TriplesOptions(SourceOptions):
    """How the file is read."""

    format: Literal["auto", "tsv", "csv", "jsonl", "ntriples"] = "auto"
    """auto: by the file's ending."""
    header: bool | None = None
    """Whether the first line of TSV or CSV names the columns; None: seen from what it says."""
    skip_broken: bool = False
    """Leave broken lines out and count them, in place of refusing the file."""
    short_names: bool = True
    """N-Triples: the last part of an IRI as its name ("Lyon" for <http://x.org/Lyon>), where
    no other term of the file has the same one."""


OPTIONS = TriplesOptions


def read(
    path: str | Path | None, options: TriplesOptions, multi_valued: MultiValued
) -> KnowledgeGraph:
    """The graph of a file; `notes["report"]` counts lines, blanks and what was left out."""
    file = existing_file(path, "triples")
    broken = Broken(str(file))
    report = {"lines": 0, "blank_or_comment": 0, "header": 0}
    rows = list(_rows(file, options, broken, report))
    if not options.skip_broken:
        broken.refuse(
            "Every line must be one subject, relation and object; correct it, or set "
            "source.options.skip_broken = true to leave such lines out."
        )
    if not rows:
        raise HopscopeError(f"{file} holds no triple ({report['lines']:,} lines were read).")
    if options.short_names and _format(file, options) == "ntriples":
        rows = _shortened(rows)
    full_report = {**report, "broken": broken.count, "first_broken": broken.first}
    return KnowledgeGraph.from_triples(
        file.stem,
        rows,
        multi_valued=multi_valued,
        notes={"source": file.name, "report": full_report},
    )


def _rows(
    file: Path, options: TriplesOptions, broken: Broken, report: dict[str, int]
) -> Iterator[Row]:
    kind = _format(file, options)
    parse = _PARSERS[kind]
    for number, line in _lines(file, report):
        text = line if kind == "tsv" else line.strip()
        if not text.strip() or (kind == "ntriples" and text.startswith("#")):
            report["blank_or_comment"] += 1
            continue
        try:
            parts = parse(text)
        except ValueError as problem:
            broken.add(number, text, str(problem))
            continue
        first = report["lines"] - report["blank_or_comment"] == 1
        if first and kind in ("tsv", "csv") and _is_header(parts, options.header):
            report["header"] = 1
            continue
        problem_found = _problem(parts)
        if problem_found:
            broken.add(number, text, problem_found)
            continue
        subject, relation, obj = parts
        yield subject.strip(), relation.strip(), obj.strip()


def _lines(file: Path, report: dict[str, int]) -> Iterator[tuple[int, str]]:
    with file.open("rb") as stream:
        number = 0
        while line := stream.readline(MAX_LINE + 1):
            number += 1
            if len(line) > MAX_LINE:
                raise HopscopeError(
                    f"{file}: line {number} is longer than {MAX_LINE:,} bytes, so this is no file "
                    f"of one triple per line; it begins {line[:60]!r}."
                )
            report["lines"] = number
            text = decoded(line, str(file), number)
            yield number, text.removeprefix("\ufeff").rstrip("\r\n")


def _format(file: Path, options: TriplesOptions) -> Format:
    if options.format != "auto":
        return options.format
    ending = file.suffix.lower()
    if ending not in _ENDINGS:
        raise HopscopeError(
            f"{file}: the format is not known by the ending {ending!r}; allowed: "
            f"{', '.join(_ENDINGS)}; or set source.options.format."
        )
    return _ENDINGS[ending]


def _is_header(parts: list[str], said: bool | None) -> bool:
    if said is not None:
        return said
    return tuple(part.strip().casefold() for part in parts) in _HEADERS


def _problem(parts: list[str]) -> str | None:
    if len(parts) != 3:
        return f"has {len(parts)} field{'s' * (len(parts) != 1)} in place of 3"
    empty = [
        n for n, p in zip(("subject", "relation", "object"), parts, strict=True) if not p.strip()
    ]
    return f"has an empty {empty[0]}" if empty else None


def _tsv(line: str) -> list[str]:
    return line.split("\t")


def _csv(line: str) -> list[str]:
    try:
        return next(csv.reader([line], strict=True))
    except csv.Error as error:
        raise ValueError(f"is not CSV ({error})") from None


def _jsonl(line: str) -> list[str]:
    try:
        record = json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"is not JSON ({error.msg})") from None
    if isinstance(record, dict):
        names = next((h for h in _HEADERS if set(h) == set(record)), None)
        if names is None:
            raise ValueError("has other fields than subject, relation and object")
        record = [record[name] for name in names]
    if not isinstance(record, list) or not all(isinstance(part, str) for part in record):
        raise ValueError("is neither an object nor a list of three names")
    return record


def _n_triples(line: str) -> list[str]:
    match = _N_TRIPLE.fullmatch(line)
    if match is None:
        raise ValueError("is not an N-Triples statement")
    subject, relation, resource, literal = match.groups()
    return [subject, relation, resource if literal is None else _unescaped(literal)]


_PARSERS: dict[Format, Callable[[str], list[str]]] = {
    "tsv": _tsv,
    "csv": _csv,
    "jsonl": _jsonl,
    "ntriples": _n_triples,
}


def _unescaped(literal: str) -> str:
    def character(match: re.Match[str]) -> str:
        short, long, control = match.groups()
        return chr(int(short or long, 16)) if control is None else _CONTROL.get(control, control)

    return _ESCAPE.sub(character, literal)


def _shortened(rows: list[Row]) -> list[Row]:
    """Rows with readable names; terms that would share one keep their IRI."""
    terms = {term for row in rows for term in row}
    users = Counter(_short(term) for term in terms)
    name = {term: _short(term) if users[_short(term)] == 1 else term for term in terms}
    return [(name[s], name[r], name[o]) for s, r, o in rows]


def _short(term: str) -> str:
    """<http://x.org/page#Old_Lyon> as "Old Lyon"; literals and blank nodes as they are."""
    if not (term.startswith("<") and term.endswith(">")):
        return term
    iri = term[1:-1]
    last = re.split(r"[/#]", iri.rstrip("/#"))[-1]
    return unquote(last).replace("_", " ") or iri
