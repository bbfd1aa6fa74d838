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
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import Field

from circuits.errors import HopscopeError
from circuits.graph.knowledge_graph import KnowledgeGraph, MultiValued
from circuits.graph.paths import n_two_hop_paths, phi
from circuits.graph.sources.broken import Broken
from circuits.graph.sources.options import SourceOptions, existing_file
from circuits.graph.sources.two_wiki_files import hub_files, records, rows
from circuits.graph.sources.two_wiki_names import (
    Mention,
    Merge,
    Naming,
    name_entities,
    read_aliases,
    wikidata_id,
)

QuestionType = Literal["compositional", "inference", "comparison", "bridge_comparison"]
QUESTION_TYPES: tuple[QuestionType, ...] = get_args(QuestionType)
Triple = tuple[str, str, str]
Chain = tuple[str, str, str, str, str]
"""Subject, relation 1, bridge, relation 2, answer."""


class TwoWikiOptions(SourceOptions):
    """How the questions are read and merged."""

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
        """Two-hop chains among the evidences: the object of one is the subject of another."""
        return two_hop_chains(self.evidences)


@dataclass(frozen=True)
class _Raw:
    """A record whose evidences are mentions, before names are merged."""

    record: dict[str, Any]
    evidences: tuple[tuple[Mention, str, Mention], ...]


def read(
    path: str | Path | None, options: TwoWikiOptions, multi_valued: MultiValued
) -> KnowledgeGraph:
    """The graph of all evidence triples; `notes` reports questions, merges and repeats."""
    raw = _raw_questions(path, options)
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
    return {"facts": len(graph), "paths": n_two_hop_paths(graph), "phi": phi(graph)}


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
    raw = _raw_questions(path, options)
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

    A comparison of two chains asks neither of them alone, so its chains are no questions.
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


def _raw_questions(path: str | Path | None, options: TwoWikiOptions) -> list[_Raw]:
    questions: list[_Raw] = []
    for file in hub_files(path, options.hub, options.split):
        broken = Broken(str(file), unit="question")
        for number, record in enumerate(records(file), 1):
            question = _raw_question(record, number, broken)
            if question and question.record["type"] in options.types:
                questions.append(question)
            if len(questions) == options.limit:
                break
        broken.refuse("Give 2WikiMultiHopQA's own records.")
    if not questions:
        raise HopscopeError(
            f"{path or options.hub}: no question of type {', '.join(options.types)} in it."
        )
    return questions


def _raw_question(record: dict[str, Any], number: int, broken: Broken) -> _Raw | None:
    if record.get("type") not in QUESTION_TYPES:
        allowed = ", ".join(QUESTION_TYPES)
        broken.add(number, str(record.get("type")), f"has a type that is none of {allowed}")
        return None
    if "evidences" not in record:
        broken.add(number, str(sorted(record)), "has no field 'evidences' among its fields")
        return None
    table = rows(record["evidences"])
    if table is None or not all(isinstance(c, str) and c.strip() for row in table for c in row):
        broken.add(number, str(record["evidences"]), "has evidences that are not name triples")
        return None
    ids = rows(record.get("evidences_id")) or []
    if len(ids) != len(table):  # questions that the authors gave no ids have an empty list
        ids = [[None, None, None]] * len(table)
    return _Raw(
        {**record, "evidences": None},
        tuple(
            ((s.strip(), wikidata_id(i)), r.strip(), (o.strip(), wikidata_id(j)))
            for (s, r, o), (i, _, j) in zip(table, ids, strict=True)
        ),
    )


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
