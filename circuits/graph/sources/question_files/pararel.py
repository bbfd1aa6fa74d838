"""T-REx facts with templates: ParaRel (arXiv 2102.01017) and LAMA (arXiv 1909.01066).

A file or a folder of `P*.jsonl`, one per Wikidata property; the property is the file's name.

| what | where | a line |
|---|---|---|
| facts of ParaRel (MIT) | yanaiela/pararel, `data/trex_lms_vocab/P36.jsonl` | `{"sub_label": "Nebraska", "obj_label": "Lincoln", "uuid": "..."}` |
| facts of LAMA | `TREx/P36.jsonl` | the same with `sub_uri`, `obj_uri` (Wikidata ids) and `evidences` |
| patterns of ParaRel | `data/pattern_data/graphs_json/P36.jsonl` | `{"pattern": "The capital of [X] is [Y].", "lemma": "capital", ...}` |
| templates of LAMA | `relations.jsonl` | `{"relation": "P36", "template": "The capital of [X] is [Y] .", "label": "capital", ...}` |

Give the folder of the facts or, of either project, `data/`: patterns and templates are looked for
in it, beside it and above it. A pattern is used if it ends with the object. Relations are called by
the English label of their property; chains of two facts are asked (ParaRel has 19,067).
"""  # noqa: E501  # a table

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from circuits.errors import HopscopeError
from circuits.graph.sources.question_files.chains import ask_chains
from circuits.graph.sources.question_files.options import QuestionFileOptions
from circuits.graph.sources.question_files.properties import PHRASES, PROPERTIES
from circuits.graph.sources.question_files.reader import graph_reader
from circuits.graph.sources.question_files.record import QuestionFile, mention
from circuits.graph.sources.question_files.tables import json_objects

FACT = ("sub_label", "obj_label")
_NAME = re.compile(r"(P\d+)\.jsonl(\.gz)?")
_PATTERN = re.compile(r"(?P<prompt>[^\[\]{}]*\[X\][^\[\]{}]*) \[Y\]\s*[.!]?\s*")
_BESIDE = (".", "..", "../..")


class ParaRelOptions(QuestionFileOptions):
    """How ParaRel and LAMA are read.

    >>> OPTIONS().relations
    ()
    """

    relations: tuple[str, ...] = ()
    """Only these properties, e.g. ["P36", "P19"]; () for all."""


OPTIONS = ParaRelOptions


def fill(file: QuestionFile, options: ParaRelOptions) -> None:
    """Read all properties."""
    found = _fact_files(file.path)
    for name in options.relations:
        if name not in found:
            raise HopscopeError(
                f"{file.path} has no {name}.jsonl of source.options.relations; it has "
                f"{', '.join(sorted(found))}."
            )
    whole = file.path
    for name, path in sorted(found.items()):
        if options.relations and name not in options.relations:
            continue
        file.path = path
        relation = file.name(PROPERTIES.get(name, name), "relation")
        if name in PHRASES:
            file.phrases[relation] = PHRASES[name]
        _facts(file, relation, f"{path.name}, " if whole.is_dir() else "", options.limit)
        for prompt in _patterns(file, path, name):
            file.templates[relation][prompt] += 1
    file.path = whole
    left_out = file.counts["patterns_left_out"]
    if left_out:
        n = left_out + sum(map(len, file.templates.values()))
        file.say(f"{left_out:,} of {n:,} patterns do not end with the object and are left out.")
    ask_chains(file)


def _fact_files(path: Path) -> dict[str, Path]:
    """The files of facts by property."""
    if path.is_file():
        match = _NAME.fullmatch(path.name)
        return {match[1] if match else path.name.split(".")[0]: path}
    for folder in (path, path / "trex_lms_vocab", path / "TREx"):
        found = {m[1]: p for p in sorted(folder.glob("P*")) if (m := _NAME.fullmatch(p.name))}
        if found:
            return found
    raise HopscopeError(
        f"{path} has no P*.jsonl in it, nor in trex_lms_vocab or TREx; give the folder of the "
        "facts of ParaRel or LAMA."
    )


def _facts(file: QuestionFile, relation: str, within: str, limit: int | None) -> None:
    number = 0
    for place, record in json_objects(file, FACT):
        if number == limit:
            return
        number += 1
        missing = [key for key in FACT if key not in record]
        if missing:
            found = ", ".join(map(str, list(record)[:12]))
            why = f"has no {' and no '.join(missing)}; its keys are {found}"
            file.broken.add(f"{within}{place}", "", why)
            continue
        try:
            subject, obj = (file.name(record[key], key) for key in FACT)
        except ValueError as problem:
            file.broken.add(f"{within}{place}", str(record), str(problem))
            continue
        file.counts["records"] += 1
        ends = mention(subject, record.get("sub_uri")), mention(obj, record.get("obj_uri"))
        file.facts.append((ends[0], relation, ends[1]))


def _patterns(file: QuestionFile, facts: Path, name: str) -> Iterator[str]:
    """Prompts with {subject}, of ParaRel's patterns or LAMA's template of a property."""
    for pattern in _written(facts, name):
        match = _PATTERN.fullmatch(pattern)
        if match is None:
            file.counts["patterns_left_out"] += 1
            continue
        prompt = re.sub(r"\s+('s|,)", r"\1", match["prompt"]).strip()
        yield prompt.replace("[X]", "{subject}")


def _written(facts: Path, name: str) -> Iterator[str]:
    for beside in _BESIDE:
        path = facts.parent / beside / "pattern_data" / "graphs_json" / f"{name}.jsonl"
        if path.is_file():
            yield from (str(r.get("pattern", "")) for r in _lines(path))
            return
    for beside in _BESIDE:
        path = facts.parent / beside / "relations.jsonl"
        if path.is_file():
            relations: list[dict[str, Any]] = list(_lines(path))
            yield from (str(r.get("template", "")) for r in relations if r.get("relation") == name)
            return


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    """The records of a file of patterns; a broken one is refused."""
    file = QuestionFile(path, "patterns")
    for _, record in json_objects(file, ("pattern",)):
        yield record
    file.broken.refuse("Correct it, or take it away; the facts can be read without.")


read = graph_reader("pararel", fill, folders=True)
