"""MQuAKE (arXiv 2305.14795): questions of two to four hops, before and after edits of facts.

Files `datasets/MQuAKE-CF-3k-v2.json`, `MQuAKE-CF.json` and `MQuAKE-T.json` of princeton-nlp/MQuAKE
(MIT): a list of records. Read are

| key | example |
|---|---|
| `orig.triples_labeled` | `[["Imagine", "performer", "John Lennon"], [...]]` |
| `orig.triples` (optional) | the same by Wikidata id: `[["Q1971", "P175", "Q1203"], [...]]` |
| `single_hops` | per hop `question`, `cloze` ("Imagine was performed by"), `answer_alias` |
| `questions` | wordings of the whole question |
| `answer_alias`, `answer_extended` (optional) | other texts that are right |
| `case_id` (optional) | 1561 |

and, with `facts = "edited"`, `orig.new_triples_labeled`, `orig.new_triples`, `new_single_hops` and
`new_answer_alias` in their place. All three prompts are questions, written "Q: ... A:" as in the
authors' prompts; a single hop that has no question is asked by its cloze. Questions of three and
four hops give facts only.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Literal

from circuits.graph.sources.question_files.options import QuestionFileOptions
from circuits.graph.sources.question_files.reader import graph_reader
from circuits.graph.sources.question_files.record import (
    Fact,
    FileQuestion,
    QuestionFile,
    distinct,
    mention,
    question_prompt,
)
from circuits.graph.sources.question_files.tables import table_records

NEEDED = ("orig", "single_hops", "questions")


class MQuAKEOptions(QuestionFileOptions):
    """How MQuAKE is read.

    >>> OPTIONS().facts
    'original'
    """

    facts: Literal["original", "edited"] = "original"
    """The facts before the edits, or those after them, which are false on purpose in MQuAKE-CF."""


OPTIONS = MQuAKEOptions


def fill(file: QuestionFile, options: MQuAKEOptions) -> None:
    """Read all records."""
    new = "new_" if options.facts == "edited" else ""
    for place, record in table_records(file, NEEDED, options.limit):
        try:
            _record(file, record, new)
        except ValueError as problem:
            file.broken.add(place, str(record["questions"])[:80], str(problem))
    longer = file.counts["questions_of_more_hops"]
    if longer:
        file.say(
            f"{longer:,} of {file.counts['records']:,} questions have more than two hops: their "
            "facts are read, the questions are not."
        )


def _record(file: QuestionFile, record: dict[str, Any], new: str) -> None:
    facts = _facts(file, record["orig"], new)
    hops = _list(record, f"{new}single_hops")
    if len(hops) != len(facts):
        raise ValueError(f"has {len(hops)} {new}single_hops and {len(facts)} triples")
    for fact, hop in zip(facts, hops, strict=True):
        file.add_template(fact[1], hop.get("cloze"), fact[0][0])
    file.facts += facts
    if len(facts) != 2:
        file.counts["questions_of_more_hops"] += len(facts) > 2
        return
    ((subject, _), first, (bridge, _)), (_, second, (answer, _)) = facts
    wordings = [q for q in _list(record, "questions") if isinstance(q, str)]
    also = [*_names(record, f"{new}answer_alias"), hops[1].get("answer")]
    also += [] if new else _names(record, "answer_extended")
    file.questions.append(
        FileQuestion(
            subject,
            first,
            bridge,
            second,
            answer,
            hop_1=_prompt(hops[0]),
            hop_2=_prompt(hops[1]),
            composed=tuple(question_prompt(q) for q in wordings),
            bridge_aliases=distinct(_names(hops[0], "answer_alias"), but=bridge),
            answer_aliases=distinct([n for n in also if isinstance(n, str)], but=answer),
            category=f"{second} of {first}",
            identity=str(record.get("case_id", "")),
        )
    )


def _facts(file: QuestionFile, orig: Any, new: str) -> list[Fact]:
    """The chain of facts by name, with ids where the record has as many."""
    if not isinstance(orig, dict):
        raise ValueError("has no object under orig")
    labeled = _triples(orig, f"{new}triples_labeled")
    ids: list[list[Any]] = [[None, None, None]] * len(labeled)
    if len(orig.get(f"{new}triples") or ()) == len(labeled):
        ids = _triples(orig, f"{new}triples")
    facts = []
    for (s, r, o), (i, _, j) in zip(labeled, ids, strict=True):
        names = file.name(s, "subject"), file.name(r, "relation"), file.name(o, "object")
        facts.append((mention(names[0], i), names[1], mention(names[2], j)))
    for before, after in pairwise(facts):
        if before[2] != after[0]:
            raise ValueError(f"is not a chain: {before[2][0]!r} is followed by {after[0][0]!r}")
    return facts


def _triples(orig: dict[str, Any], key: str) -> list[list[Any]]:
    rows = _list(orig, key)
    if not rows or not all(isinstance(row, list) and len(row) == 3 for row in rows):
        raise ValueError(f"has {key} that are not triples")
    return rows


def _list(record: dict[str, Any], key: str) -> list[Any]:
    value = record.get(key)
    if not isinstance(value, list):
        raise ValueError(f"has no list under {key}")
    return value


def _names(record: dict[str, Any], key: str) -> list[str]:
    return [name for name in record.get(key) or () if isinstance(name, str)]


def _prompt(hop: dict[str, Any]) -> str | None:
    cloze, question = hop.get("cloze"), hop.get("question")
    if isinstance(question, str) and question.strip():
        return question_prompt(question)
    return cloze.strip() or None if isinstance(cloze, str) else None


read = graph_reader("mquake", fill)
