"""Relation files of LRE (Hernandez et al., arXiv 2308.09124): facts of one relation with prompts.

Folder `data/` of evandez/relations (MIT), 47 JSON files in `factual/`, `commonsense/`, `bias/` and
`linguistic/`; a single file is read too:

    {"name": "country capital city",
     "prompt_templates": ["The capital city of {} is"],
     "prompt_templates_zs": ["What is the capital of {}? It is"],
     "properties": {"relation_type": "factual", "domain_name": "country", "range_name": "city"},
     "samples": [{"subject": "China", "object": "Beijing"}, ...]}

The two-hop questions are the chains of these facts (3,047 paths in the 26 factual files). Names are
joined by their text alone: "Georgia" is one entity. A relation is called by its name without
`properties.domain_name`: "capital city".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from circuits.errors import HopscopeError
from circuits.graph.sources.formats.files import ending
from circuits.graph.sources.question_files.chains import ask_chains
from circuits.graph.sources.question_files.options import QuestionFileOptions
from circuits.graph.sources.question_files.reader import graph_reader
from circuits.graph.sources.question_files.record import QuestionFile
from circuits.graph.sources.question_files.tables import json_objects

NEEDED = ("name", "prompt_templates", "samples")
PHRASES = {
    "city in country": "country",
    "company hq": "headquarters",
    "food from country": "country of origin",
    "landmark in country": "country",
    "landmark on continent": "continent",
    "person lead singer of band": "band",
    "person plays instrument": "instrument",
    "person sport position": "position in sport",
    "plays pro sport": "sport",
    "pokemon evolution": "evolution",
    "president birth year": "year of birth",
    "president election year": "year of election",
    "product by company": "maker",
    "star constellation name": "constellation",
    "superhero person": "secret identity",
    "task done by tool": "tool",
    "task person type": "occupation",
    "univ degree gender": "gender",
}
"""Noun phrases of relations, as they stand in "the ... of {subject}"."""


class LREOptions(QuestionFileOptions):
    """How LRE is read.

    >>> OPTIONS(kinds=("factual",)).kinds
    ('factual',)
    """

    kinds: tuple[str, ...] = ()
    """Only relations of these types (`properties.relation_type`), e.g. ["factual"]; () for all."""


OPTIONS = LREOptions


def fill(file: QuestionFile, options: LREOptions) -> None:
    """Read all relations of a file, or of all JSON files of a folder and its subfolders."""
    kinds: set[str] = set()
    for place, record in _records(file):
        missing = [key for key in NEEDED if key not in record]
        if missing:
            found = ", ".join(map(str, list(record)[:12]))
            why = f"has no {' and no '.join(missing)}; its keys are {found}"
            file.broken.add(place, "", why)
            continue
        kind = (record.get("properties") or {}).get("relation_type", "")
        kinds.add(kind)
        if options.kinds and kind not in options.kinds:
            file.counts["relations_left_out"] += 1
            continue
        _relation(file, place, record, options.limit)
    if options.kinds and kinds and not kinds & set(options.kinds):
        raise HopscopeError(
            f"{file.path} has relations of the types {', '.join(sorted(kinds))}, none of "
            f"source.options.kinds = {list(options.kinds)}."
        )
    ask_chains(file)


def _records(file: QuestionFile) -> Iterator[tuple[str, dict[str, Any]]]:
    whole = file.path
    paths = [whole]
    if whole.is_dir():
        paths = sorted(p for p in whole.rglob("*") if p.is_file() and ending(p) == ".json")
    try:
        for path in paths:
            file.path = path
            within = f"{path.relative_to(whole)}, " if whole.is_dir() else ""
            for place, record in json_objects(file, NEEDED):
                yield f"{within}{place}", record
    finally:
        file.path = whole


def _relation(file: QuestionFile, place: str, record: dict[str, Any], limit: int | None) -> None:
    try:
        relation = file.name(record["name"], "name")
    except ValueError as problem:
        file.broken.add(place, str(record["name"]), str(problem))
        return
    file.counts["relations"] += 1
    file.phrases[relation] = _phrase(relation, record.get("properties") or {})
    for key in ("prompt_templates", "prompt_templates_zs"):
        for template in record.get(key) or ():
            if isinstance(template, str) and template.count("{}") == 1:
                file.templates[relation][template.strip().replace("{}", "{subject}")] += 1
            else:
                file.counts["templates_left_out"] += 1
    samples = record["samples"] if isinstance(record["samples"], list) else []
    for number, sample in enumerate(samples[:limit], 1):
        try:
            if not isinstance(sample, dict) or not {"subject", "object"} <= sample.keys():
                raise ValueError("is not an object with subject and object")
            subject = file.name(sample["subject"], "subject")
            obj = file.name(sample["object"], "object")
        except ValueError as problem:
            file.broken.add(f"{place}, sample {number}", str(sample), str(problem))
            continue
        file.counts["samples"] += 1
        file.facts.append(((subject, None), relation, (obj, None)))


def _phrase(relation: str, properties: dict[str, Any]) -> str:
    if relation in PHRASES:
        return PHRASES[relation]
    domain = str(properties.get("domain_name") or "")
    rest = relation.removeprefix(f"{domain} ") if domain else relation
    return rest or relation


read = graph_reader("lre", fill, folders=True)
