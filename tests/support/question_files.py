"""Small files of two-hop questions in the published shapes: Ada and Ben, told five ways."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

TWO_HOP_FACT: list[dict[str, str]] = [
    {
        "uid": "17",
        "category": "song-singer-mother",
        "fact_comp_type": "mother of song's singer",
        "e1.value": "Plum, Moon",
        "e2.value": "Ada Lee",
        "e3.value": "Eve Lee",
        "e1.wikidata_qid": "Q1",
        "e2.wikidata_qid": "Q2",
        "e3.wikidata_qid": "Q3",
        "e2.aliases": "(('Ada Lee', 'A. Lee'),)",
        "e3.aliases": "(('Eve',),)",
        "r1(e1).prompt": "The singer of 'Plum, Moon' is",
        "r2(e2).prompt": "The mother of Ada Lee is",
        "r2(r1(e1)).prompt": "The mother of the singer of 'Plum, Moon' is",
    },
    {
        "uid": "18",
        "category": "novel-author-birthcity",
        "fact_comp_type": "birthcity of novel's author",
        "r1.category": "author",
        "r2.category": "birthcity",
        "e1.value": "Red Hill",
        "e2.value": "Ada Lee",
        "e3.value": "Lyon",
        "e1.wikidata_qid": "Q4",
        "e2.wikidata_qid": "Q5",
        "e3.wikidata_qid": "Q6",
        "e2.aliases": "",
        "e3.aliases": "",
        "r1(e1).prompt": "The author of the novel Red Hill is",
        "r2(e2).prompt": "The birth city of Ada Lee is",
        "r2(r1(e1)).prompt": "The birth city of the author of the novel Red Hill is",
    },
]
HOPPING_TOO_LATE: list[dict[str, str]] = [
    {
        "": "0",
        "id": "5",
        "e1": "Q1",
        "e2": "Q2",
        "e3": "Q3",
        "e1_label": "Plum Moon",
        "e2_label": "Ada Lee",
        "e3_label": "France",
        "r1_type": "performer",
        "r2_type": "country of citizenship",
        "r1_template": "the performer of {}",
        "r2_template": "the country of citizenship of {}",
        "e2_aliases": "['A. Lee']",
        "e3_aliases": "['French Republic', 'FR']",
        "source_prompt": "the country of citizenship of the performer of Plum Moon is",
    }
]
MQUAKE: list[dict[str, Any]] = [
    {
        "case_id": 3,
        "questions": ["Where was the singer of Plum Moon born?", "Whence is Plum Moon's singer?"],
        "answer": "Lyon",
        "answer_alias": ["Lyons"],
        "new_answer": "Bonn",
        "new_answer_alias": [],
        "single_hops": [
            {"cloze": "Plum Moon was sung by", "answer": "Ada Lee", "answer_alias": ["A. Lee"]},
            {"cloze": "Ada Lee was born in", "answer": "Lyon", "answer_alias": ["Lyons"]},
        ],
        "new_single_hops": [
            {"cloze": "Plum Moon was sung by", "answer": "Ben", "answer_alias": []},
            {"question": "Where was Ben born?", "answer": "Bonn", "answer_alias": []},
        ],
        "orig": {
            "triples": [["Q1", "P175", "Q2"], ["Q2", "P19", "Q3"]],
            "triples_labeled": [
                ["Plum Moon", "performer", "Ada Lee"],
                ["Ada Lee", "place of birth", "Lyon"],
            ],
            "new_triples": [["Q1", "P175", "Q8"], ["Q8", "P19", "Q9"]],
            "new_triples_labeled": [
                ["Plum Moon", "performer", "Ben"],
                ["Ben", "place of birth", "Bonn"],
            ],
        },
    },
    {
        "case_id": 4,
        "questions": ["Of which country is the capital ...?"],
        "single_hops": [{"cloze": "Plum Moon was sung by"}, {"cloze": "x"}, {"cloze": "y"}],
        "orig": {
            "triples_labeled": [
                ["Plum Moon", "performer", "Ada Lee"],
                ["Ada Lee", "place of birth", "Lyon"],
                ["Lyon", "country", "France"],
            ],
        },
    },
]
PATH_QUESTION = (
    "what is the nation of ada_lee 's couple ?\tfrance(france/italy/)\t"
    "ada_lee#spouse#ben_lee#nationality#france#<end>#france\n"
    "the nation of ada_lee 's couple ?\tfrance(france/italy/)\t"
    "ada_lee#spouse#ben_lee#nationality#france#<end>#france\n"
    "what is the film of Ed 's work ?\tDune(Dune/)\tEd#__film__work#Dunes#__common__film#Dune\n"
)
LRE: dict[str, dict[str, Any]] = {
    "factual/company_ceo.json": {
        "name": "company CEO",
        "prompt_templates": ["{}'s CEO is"],
        "prompt_templates_zs": ["Who is {}'s CEO? Their CEO is"],
        "properties": {"relation_type": "factual", "domain_name": "company"},
        "samples": [
            {"subject": "Acme", "object": "Ada Lee"},
            {"subject": "Apex", "object": "Ada Lee"},
        ],
    },
    "factual/person_mother.json": {
        "name": "person mother",
        "prompt_templates": ["The mother of {} is"],
        "prompt_templates_zs": [],
        "properties": {"relation_type": "factual", "domain_name": "person"},
        "samples": [
            {"subject": "Ada Lee", "object": "Eve Lee"},
            {"subject": "Ben", "object": "Eve Lee"},
            {"subject": "Ben", "object": "Una"},
        ],
    },
    "linguistic/antonym.json": {
        "name": "antonym",
        "prompt_templates": ["The opposite of {} is"],
        "properties": {"relation_type": "linguistic"},
        "samples": [{"subject": "big", "object": "small"}, {"subject": "small", "object": "big"}],
    },
}
PARAREL: dict[str, list[dict[str, str]]] = {
    "trex_lms_vocab/P36.jsonl": [{"sub_label": "France", "obj_label": "Paris", "uuid": "1"}],
    "trex_lms_vocab/P19.jsonl": [
        {"sub_label": "Ada Lee", "obj_label": "France", "uuid": "2"},
        {"sub_label": "Ben", "obj_label": "Rome", "uuid": "3"},
    ],
    "pattern_data/graphs_json/P36.jsonl": [
        {"pattern": "[Y] is the capital of [X].", "lemma": "capital"},
        {"pattern": "The capital of [X] is [Y] .", "lemma": "capital"},
    ],
}


def write_table(path: Path, rows: list[dict[str, str]]) -> Path:
    """Rows as CSV; a row without a column leaves it empty."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="")
        writer.writeheader()
        writer.writerows(rows)
    return path


def write_text(path: Path, text: str) -> Path:
    """A text file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def write_all(folder: Path) -> dict[str, Path]:
    """One file or folder per format, by the name of its source."""
    for name, relation in LRE.items():
        write_text(folder / "lre" / name, json.dumps(relation))
    for name, rows in PARAREL.items():
        write_text(folder / "pararel" / name, "".join(json.dumps(row) + "\n" for row in rows))
    return {
        "two_hop_fact": write_table(folder / "TwoHopFact.csv", TWO_HOP_FACT),
        "hopping_too_late": write_table(folder / "two_hop.csv", HOPPING_TOO_LATE),
        "mquake": write_text(folder / "MQuAKE.json", json.dumps(MQUAKE)),
        "path_question": write_text(folder / "PQ-2H.txt", PATH_QUESTION),
        "lre": folder / "lre",
        "pararel": folder / "pararel",
    }
