"""2WikiMultiHopQA (Ho et al., COLING 2020) as a knowledge graph.

The graph holds the evidence triples of all four question types: compositional and inference
questions are one chain of two facts, comparison questions two facts of one relation, bridge
comparisons two chains. The two-hop questions that people wrote are listed in
`notes["questions"]`, so that a corpus can hold them out; `two_wiki_questions` gives all of them in
full, by the names of the graph.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import Field

from circuits.errors import HopscopeError
from circuits.graph.knowledge_graph import KnowledgeGraph, MultiValued
from circuits.graph.names import Names
from circuits.graph.paths import n_two_hop_paths
from circuits.graph.sources.formats.broken import Broken
from circuits.graph.sources.formats.json_shapes import keys_of
from circuits.graph.sources.options import SourceOptions, existing_file
from circuits.graph.sources.two_wiki.files import hub_files, records, rows
from circuits.graph.sources.two_wiki.ids import Identified, IdReport, IdRow, aligned_ids, identified
from circuits.graph.sources.two_wiki.names import (
    Mention,
    Merge,
    Naming,
    name_entities,
    read_aliases,
)

QuestionType = Literal["compositional", "inference", "comparison", "bridge_comparison"]
QUESTION_TYPES: tuple[QuestionType, ...] = get_args(QuestionType)
Triple = tuple[str, str, str]
_FIELDS = "_id, type, question, answer and evidences"
Chain = tuple[str, str, str, str, str]
"""Subject, relation 1, bridge, relation 2, answer."""


class TwoWikiOptions(SourceOptions):
    """How the questions are read and merged.

    >>> import json
    >>> from circuits.graph.sources import load_source
    >>> chain = [["Ann Lee", "mother", "Bea Roe"], ["Bea Roe", "born in", "Port Vale"]]
    >>> _ = Path("questions.jsonl").write_text(
    ...     json.dumps({"_id": "1", "type": "compositional", "evidences": chain})
    ... )
    >>> load_source("questions.jsonl", options={"merge": "exact"}).notes["questions"]
    [['Ann Lee', 'mother', 'born in']]
    """

    merge: Literal["auto", "exact", "normalised", "ids"] = "auto"
    """What makes two mentions one entity; auto: ids where the data or an alias file has them,
    normalised names otherwise."""
    aliases: str | None = None
    """The authors' id_aliases.json, relative to the data file; by default the one beside it, if
    there is one."""
    types: tuple[QuestionType, ...] = QUESTION_TYPES
    """Only questions of these types."""
    hub: str | None = None
    """Hub data set to fetch where no path is given, e.g. "xanhho/2WikiMultihopQA"."""
    split: Literal["train", "dev"] = "train"
    """Which files of the hub data set."""
    limit: int | None = Field(default=None, ge=1)
    """Only the first questions."""
    skip_broken: bool = False
    """Leave questions out whose type or evidences cannot be read, and count them, in place of
    refusing the file."""


OPTIONS = TwoWikiOptions


@dataclass(frozen=True)
class TwoWikiQuestion:
    """One question with its evidence, by the entity names of the graph."""

    identity: str
    type: QuestionType
    question: str
    answer: str
    evidences: tuple[Triple, ...]

    def chains(self) -> list[Chain]:
        """Two-hop chains among the evidences, where the object of one is the subject of another."""
        return two_hop_chains(self.evidences)


@dataclass
class _Read:
    """What was found while reading."""

    names: Names = field(default_factory=Names)
    said: list[str] = field(default_factory=list)
    broken: int = 0
    first_broken: str = ""
    ids: IdReport = field(default_factory=IdReport)


@dataclass(frozen=True)
class _Raw:
    """A record whose evidences are mentions, before names are merged."""

    record: dict[str, Any]
    evidences: tuple[tuple[Mention, str, Mention], ...]


def read(
    path: str | Path | None, options: TwoWikiOptions, multi_valued: MultiValued
) -> KnowledgeGraph:
    """The graph of all evidence triples; `notes` reports questions, merges and repeats."""
    raw, found = _raw_questions(path, options)
    naming = _naming(raw, path, options)
    without = sum(not question.evidences for question in raw)
    if without == len(raw):
        raise HopscopeError(
            f"{path or options.hub}: no question has evidences (the test file has none); "
            "use the train or dev file."
        )
    notes = {
        "source": str(Path(path).name if path else options.hub),
        "questions": _two_hop_questions(raw, naming),
        "n_questions": len(raw),
        "questions_by_type": dict(sorted(Counter(q.record["type"] for q in raw).items())),
        "questions_without_evidences": without,
        "merged": naming.report,
        "ids": asdict(found.ids),
        "report": {
            "broken": found.broken,
            "first_broken": found.first_broken,
            "names": found.names.report(),
        },
        "reading": [*found.said, *found.ids.sentences(), *found.names.sentences()],
        "as_read": _as_read(raw),
    }
    return KnowledgeGraph.from_triples(
        "two_wiki",
        (t for question in raw for t in _triples(question, naming)),
        multi_valued=multi_valued,
        notes=notes,
    )


def _as_read(raw: list[_Raw]) -> dict[str, float]:
    """Size of the graph of exact strings, with nothing merged or dropped: the published phi."""
    graph = KnowledgeGraph.from_triples(
        "two_wiki", ((s[0], r, o[0]) for question in raw for s, r, o in question.evidences)
    )
    paths = n_two_hop_paths(graph)
    return {"facts": len(graph), "paths": paths, "phi": paths / len(graph)}


def two_wiki_questions(
    path: str | Path | None, options: Mapping[str, Any] | TwoWikiOptions | None = None
) -> list[TwoWikiQuestion]:
    """The questions of a file, with the names that `read` gives their entities.

    Args:
        path: As for the source.
        options: The same options as for the source, or names will differ from the graph's.
    """
    if not isinstance(options, TwoWikiOptions):
        options = TwoWikiOptions.model_validate(dict(options or {}))
    raw, _ = _raw_questions(path, options)
    naming = _naming(raw, path, options)
    return [
        TwoWikiQuestion(
            identity=str(q.record.get("_id") or q.record.get("id") or number),
            type=q.record["type"],
            question=str(q.record.get("question", "")),
            answer=str(q.record.get("answer") or ""),
            evidences=tuple(_triples(q, naming)),
        )
        for number, q in enumerate(raw)
    ]


def _two_hop_questions(raw: list[_Raw], naming: Naming) -> list[list[str]]:
    """[subject, relation 1, relation 2] of what is asked in two hops, once each, in file order.

    A comparison of two chains asks neither of them alone, so its chains are not questions.
    """
    asked = {
        (h, r1, r2): None
        for question in raw
        if question.record["type"] in ("compositional", "inference")
        for h, r1, _, r2, _ in two_hop_chains(_triples(question, naming))
    }
    return [list(question) for question in asked]


def two_hop_chains(evidences: Sequence[Triple]) -> list[Chain]:
    """Chains among facts: the object of one is the subject of another."""
    return [
        (h, r1, b, r2, t)
        for i, (h, r1, b) in enumerate(evidences)
        for j, (subject, r2, t) in enumerate(evidences)
        if subject == b and i != j
    ]


def _triples(question: _Raw, naming: Naming) -> list[Triple]:
    return [(naming[s], relation, naming[o]) for s, relation, o in question.evidences]


def _raw_questions(path: str | Path | None, options: TwoWikiOptions) -> tuple[list[_Raw], _Read]:
    read = _Read()
    kept: list[tuple[dict[str, Any], Identified]] = []
    for file in hub_files(path, options.hub, options.split):
        broken = Broken(str(file))
        for number, record in enumerate(records(file, read.said.append), 1):
            found = _checked(record, f"question {number}", broken, read.names)
            if found and record["type"] in options.types:
                kept.append((record, found))
            if len(kept) == options.limit:
                break
        if not options.skip_broken:
            broken.refuse(
                "Give 2WikiMultiHopQA's own records, whose evidences are the facts, or set "
                "source.options.skip_broken = true to leave such out."
            )
        read.broken += broken.count
        read.first_broken = read.first_broken or broken.first
    if not kept:
        raise HopscopeError(
            f"{path or options.hub}: no question of type {', '.join(options.types)} in it."
        )
    ids, read.ids = aligned_ids([found for _, found in kept])
    questions = [
        _Raw({**record, "evidences": None}, _mentions(found.evidences, order))
        for (record, found), order in zip(kept, ids, strict=True)
    ]
    return questions, read


def _mentions(
    evidences: Sequence[Triple], ids: Sequence[IdRow]
) -> tuple[tuple[Mention, str, Mention], ...]:
    of_rows = ids or [(None, None)] * len(evidences)
    return tuple(((s, i), r, (o, j)) for (s, r, o), (i, j) in zip(evidences, of_rows, strict=True))


def _checked(record: dict[str, Any], place: str, broken: Broken, names: Names) -> Identified | None:
    """The evidences of a record by checked names, with their ids as they stand."""
    missing = [field for field in ("type", "evidences") if field not in record]
    if missing:
        why = (
            f"has no field {missing[0]!r}; its fields are {keys_of(record)}, expected are {_FIELDS}"
        )
        broken.add(place, "", why)
        return None
    if record["type"] not in QUESTION_TYPES:
        allowed = ", ".join(QUESTION_TYPES)
        broken.add(place, str(record["type"]), f"has a type that is none of {allowed}")
        return None
    try:
        evidences = [_named(row, names) for row in rows(record["evidences"])]
    except ValueError as problem:
        why = f"has evidences that are not name triples: they {problem}"
        broken.add(place, str(record["evidences"]), why)
        return None
    try:
        ids = rows(record.get("evidences_id"))
    except ValueError:  # ids say nothing new that could be wrong; without them names decide
        ids = []
    return identified(str(record.get("_id") or record.get("id") or place), evidences, ids)


def _named(row: Sequence[Any], names: Names) -> Triple:
    if not all(isinstance(part, str) for part in row):
        raise ValueError("have a row that is not of names")
    try:
        subject, relation, obj = (names[part] for part in row)
    except ValueError as fault:
        raise ValueError(f"have a row that {fault}") from None
    if not (subject and relation and obj):
        raise ValueError("have an empty name")
    return subject, relation, obj


def _naming(raw: list[_Raw], path: str | Path | None, options: TwoWikiOptions) -> Naming:
    mentions = [m for q in raw for s, _, o in q.evidences for m in (s, o)]
    aliases: dict[str, list[str]] = {}
    folder = Path(path).parent if path else Path()
    beside = folder / "id_aliases.json"
    if options.aliases:
        aliases = read_aliases(existing_file(folder / options.aliases, "two_wiki"))
    elif beside.exists() and options.merge in ("auto", "ids"):
        aliases = read_aliases(beside)
    merge: Merge
    if options.merge == "auto":
        merge = "ids" if any(identity for _, identity in mentions) else "normalised"
    else:
        merge = options.merge
    return name_entities(mentions, merge, aliases)
