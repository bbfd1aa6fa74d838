"""TwoHopFact (arXiv 2402.16837) and SOCRATES (arXiv 2411.16679): one row per question.

Files `datasets/TwoHopFact.csv` (45,595 rows) and `datasets/SOCRATES_v1.csv` (7,232) of
google-deepmind/latent-multi-hop-reasoning (CC-BY), also on the hub as soheeyang/TwoHopFact and
soheeyang/SOCRATES. CSV, or the same columns as JSON or parquet:

| column | example |
|---|---|
| `e1.value`, `e2.value`, `e3.value` | Nineteen Eighty-Four, George Orwell, Motihari |
| `r1(e1).prompt` | The author of the novel Nineteen Eighty-Four is |
| `r2(e2).prompt` | The birth city of George Orwell is |
| `r2(r1(e1)).prompt` | The birth city of the author of the novel Nineteen Eighty-Four is |
| `e2.aliases`, `e3.aliases` (optional) | `(('George Orwell', 'Eric Blair'),)` |
| `e1.wikidata_qid`, ... (optional) | Q208460 |
| `fact_comp_type` (optional) | birthcity of novel's author |
| `r1.category`, `r2.category` (optional) | author, birthcity |
| `category`, `uid` (optional) | novel-author-birthcity |

Dozens of further columns hold controls and counts and are not read. Relations are called by
`r1.category` and `r2.category`, else by `fact_comp_type`, the form of which is "R2 of X's R1".
"""

from __future__ import annotations

import re
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

COMPOSED = "r2(r1(e1)).prompt"
NEEDED = ("e1.value", "e2.value", "e3.value", "r1(e1).prompt", "r2(e2).prompt", COMPOSED)
_TYPE = re.compile(r"(?P<second>.+) of .+'s (?P<first>.+)")


class TwoHopFactOptions(QuestionFileOptions):
    """How TwoHopFact and SOCRATES are read.

    >>> OPTIONS().merge
    'auto'
    """


OPTIONS = TwoHopFactOptions


def fill(file: QuestionFile, options: TwoHopFactOptions) -> None:
    """Read all rows."""
    for place, record in table_records(file, NEEDED, options.limit):
        try:
            _row(file, record)
        except ValueError as problem:
            file.broken.add(place, str(record.get(COMPOSED, "")), str(problem))


def _row(file: QuestionFile, record: dict[str, Any]) -> None:
    subject, bridge, answer = (file.name(record[f"e{i}.value"], f"e{i}.value") for i in (1, 2, 3))
    first, second = _relations(file, record)
    hop_1, hop_2, composed = (
        file.name(record[key], key) for key in ("r1(e1).prompt", "r2(e2).prompt", COMPOSED)
    )
    h, b, t = (
        mention(name, record.get(f"e{i}.wikidata_qid"))
        for i, name in enumerate((subject, bridge, answer), 1)
    )
    file.facts += [(h, first, b), (b, second, t)]
    file.add_template(first, hop_1, subject)
    file.add_template(second, hop_2, bridge)
    file.questions.append(
        FileQuestion(
            subject,
            first,
            bridge,
            second,
            answer,
            hop_1=hop_1,
            hop_2=hop_2,
            composed=(composed,),
            bridge_aliases=distinct(python_names(record.get("e2.aliases"), "e2.aliases"), bridge),
            answer_aliases=distinct(python_names(record.get("e3.aliases"), "e3.aliases"), answer),
            category=str(record.get("fact_comp_type") or record.get("category") or ""),
            identity=str(record.get("uid") or ""),
        )
    )


def _relations(file: QuestionFile, record: dict[str, Any]) -> tuple[str, str]:
    first, second = record.get("r1.category"), record.get("r2.category")
    if not (first and second):
        found = _TYPE.fullmatch(str(record.get("fact_comp_type") or ""))
        if found is None:
            raise ValueError(
                "does not name its relations: it has neither r1.category and r2.category nor a "
                'fact_comp_type of the form "birthcity of novel\'s author"'
            )
        first, second = found["first"], found["second"]
    return file.name(first, "r1.category"), file.name(second, "r2.category")


read = graph_reader("two_hop_fact", fill)
