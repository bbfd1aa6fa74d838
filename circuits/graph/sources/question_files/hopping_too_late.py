"""HoppingTooLate (arXiv 2406.12775): two-hop questions over Wikidata, one row per question.

Files `datasets/two_hop.csv` of edenbiran/HoppingTooLate (MIT), and what its `create_dataset.py`
writes. CSV with an unnamed first column, or the same columns as JSON or parquet:

| column | example |
|---|---|
| `e1_label`, `e2_label`, `e3_label` | Imagine, John Lennon, United Kingdom |
| `r1_type`, `r2_type` | performer, country of citizenship |
| `r1_template`, `r2_template` (optional) | `the performer of {}`, `the country of ... of {}` |
| `source_prompt` or `prompt` (optional) | the citizenship of the performer of Imagine is |
| `e1`, `e2`, `e3` (optional) | Q1971 |
| `e2_aliases`, `e3_aliases` (optional) | `['UK', 'Great Britain']` |
| `id`, `e1_type`, ... (optional) | 17, musical work/composition |

As in the authors' `evaluate_dataset.py`, the single hops are asked by the templates and " is";
templates that begin with the name ("{} is performed by") are asked as they are. `create_dataset.py`
writes `two_hop.csv` before it adds templates and prompts; there they are made from the types.
"""

from __future__ import annotations

from typing import Any

from circuits.graph.sources.question_files.options import QuestionFileOptions
from circuits.graph.sources.question_files.reader import graph_reader
from circuits.graph.sources.question_files.record import (
    FileQuestion,
    QuestionFile,
    distinct,
    mention,
)
from circuits.graph.sources.question_files.tables import python_names, table_records

NEEDED = ("e1_label", "e2_label", "e3_label", "r1_type", "r2_type")
PHRASES = {
    "anthem": "the national anthem of {}",
    "founded by": "the founder of {}",
    "notable work": "the most notable work of {}",
    "owned by": "the owner of {}",
    "present in work": "the work that features {}",
    "production company": "the company that produced {}",
}
"""The authors' templates of relations whose type does not stand in "the ... of {}"."""


class HoppingTooLateOptions(QuestionFileOptions):
    """How HoppingTooLate is read.

    >>> OPTIONS(skip_broken=True).skip_broken
    True
    """


OPTIONS = HoppingTooLateOptions


def fill(file: QuestionFile, options: HoppingTooLateOptions) -> None:
    """Read all rows."""
    for place, record in table_records(file, NEEDED, options.limit):
        try:
            _row(file, record)
        except ValueError as problem:
            file.broken.add(place, str(record["e1_label"]), str(problem))


def _row(file: QuestionFile, record: dict[str, Any]) -> None:
    names = [file.name(record[f"e{i}_label"], f"e{i}_label") for i in (1, 2, 3)]
    first, second = (file.name(record[f"r{i}_type"], f"r{i}_type") for i in (1, 2))
    template_1, template_2 = (
        record.get(f"r{i}_template", PHRASES.get(relation, f"the {relation} of {{}}"))
        for i, relation in ((1, first), (2, second))
    )
    hop_1 = _filled(template_1, "r1_template", names[0])
    hop_2 = _filled(template_2, "r2_template", names[1])
    inner = _filled(template_1, "r1_template", names[0], closed=False)
    composed = record.get("source_prompt") or record.get("prompt")
    if not isinstance(composed, str):
        composed = _filled(template_2, "r2_template", inner)
    h, b, t = (mention(name, record.get(f"e{i}")) for i, name in enumerate(names, 1))
    file.facts += [(h, first, b), (b, second, t)]
    file.add_template(first, hop_1, names[0])
    file.add_template(second, hop_2, names[1])
    identity = record.get("id")
    file.questions.append(
        FileQuestion(
            names[0],
            first,
            names[1],
            second,
            names[2],
            hop_1=hop_1,
            hop_2=hop_2,
            composed=(composed.strip(),),
            bridge_aliases=distinct(
                python_names(record.get("e2_aliases"), "e2_aliases"), but=names[1]
            ),
            answer_aliases=distinct(
                python_names(record.get("e3_aliases"), "e3_aliases"), but=names[2]
            ),
            category=f"{second} of {first}",
            identity="" if identity is None else str(identity),
        )
    )


def _filled(template: Any, what: str, name: str, closed: bool = True) -> str:
    """The template about this name, as a prompt if closed."""
    if not isinstance(template, str) or template.count("{}") != 1:
        raise ValueError(f"has {template!r} as {what}, which needs {{}} once")
    text = template.replace("{}", name).strip()
    return f"{text} is" if closed and not template.startswith("{}") else text


read = graph_reader("hopping_too_late", fill)
