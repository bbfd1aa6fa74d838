"""Question files in the published shapes become graphs; what is wrong is said in a sentence."""

from __future__ import annotations

import json
import re
from itertools import product
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from question_files import (
    HOPPING_TOO_LATE,
    MQUAKE,
    PATH_QUESTION,
    TWO_HOP_FACT,
    write_all,
    write_table,
    write_text,
)

from circuits.corpus.build import build_corpus
from circuits.errors import HopscopeError
from circuits.graph.knowledge_graph import KnowledgeGraph
from circuits.graph.sources import find_source, load_source
from circuits.recipes.schema import parse_recipe

FACTS = {
    "two_hop_fact": {
        "Plum, Moon -singer-> Ada Lee (Q2)",
        "Ada Lee (Q2) -mother-> Eve Lee",
        "Red Hill -author-> Ada Lee (Q5)",
        "Ada Lee (Q5) -birthcity-> Lyon",
    },
    "hopping_too_late": {
        "Plum Moon -performer-> Ada Lee",
        "Ada Lee -country of citizenship-> France",
    },
    "mquake": {
        "Plum Moon -performer-> Ada Lee",
        "Ada Lee -place of birth-> Lyon",
        "Lyon -country-> France",
    },
    "path_question": {
        "ada lee -spouse-> ben lee",
        "ben lee -nationality-> france",
        "Ed -film/work-> Dunes",
        "Dunes -common/film-> Dune",
    },
    "lre": {
        "Acme -company CEO-> Ada Lee",
        "Apex -company CEO-> Ada Lee",
        "Ada Lee -person mother-> Eve Lee",
        "big -antonym-> small",
        "small -antonym-> big",
    },
    "pararel": {
        "France -capital-> Paris",
        "Ada Lee -place of birth-> France",
        "Ben -place of birth-> Rome",
    },
}


def _facts(graph: KnowledgeGraph) -> set[str]:
    return {graph.fact_text(row) for row in range(len(graph))}


@pytest.mark.parametrize("name", FACTS)
def test_a_file_is_recognised_and_gives_its_facts(name: str, tmp_path: Path) -> None:
    path = write_all(tmp_path)[name]
    assert find_source(path)[0].name == name
    assert _facts(load_source(path)) == FACTS[name]


def test_ambiguous_facts_follow_the_stated_policy_and_are_counted(tmp_path: Path) -> None:
    path = write_all(tmp_path)["lre"]
    dropped, marked = load_source(path), load_source(path, multi_valued="mark")
    assert dropped.notes["multi_valued"]["facts_left_out"] == 2  # both mothers of Ben
    assert len(marked) == len(dropped) + 2
    assert dropped.notes["report"]["chains_that_return"] == 2  # big, small, big
    assert "1 of 6 (subject, relation) have several objects" in dropped.notes["reading"][0]


def test_a_name_of_two_ids_is_two_entities_unless_asked_otherwise(tmp_path: Path) -> None:
    path = write_all(tmp_path)["two_hop_fact"]
    apart, together = load_source(path), load_source(path, options={"merge": "exact"})
    assert {"Ada Lee (Q2)", "Ada Lee (Q5)"} <= set(apart.entities)
    assert "Names that belong to several Wikidata ids: 1" in " ".join(apart.notes["reading"])
    assert len(together.entities) == len(apart.entities) - 1


def test_what_the_file_asks_is_noted_by_the_names_of_the_graph(tmp_path: Path) -> None:
    notes = load_source(write_all(tmp_path)["two_hop_fact"]).notes
    assert notes["questions"] == [
        ["Plum, Moon", "singer", "mother"],
        ["Red Hill", "author", "birthcity"],
    ]


def test_edited_facts_are_read_in_place_of_the_original_ones(tmp_path: Path) -> None:
    path = write_text(tmp_path / "edited.json", json.dumps(MQUAKE[:1]))
    graph = load_source(path, options={"facts": "edited"})
    assert _facts(graph) == {"Plum Moon -performer-> Ben", "Ben -place of birth-> Bonn"}


def test_the_prompts_of_a_file_become_templates(tmp_path: Path) -> None:
    files = write_all(tmp_path)
    lre = load_source(files["lre"]).notes["wording"]
    assert lre["statements"]["person mother"] == ["[The mother of] {subject} is {object}."]
    assert lre["phrases"]["person mother"] == ["mother"]
    pararel = load_source(files["pararel"]).notes
    assert pararel["wording"]["statements"] == {
        "capital": ["[The capital of] {subject} is {object}."]
    }
    assert "1 of 2 patterns do not end with the object" in pararel["reading"][0]


def test_the_template_of_lama_is_found_beside_its_facts(tmp_path: Path) -> None:
    fact = {"sub_label": "France", "sub_uri": "Q1", "obj_label": "Paris", "obj_uri": "Q2"}
    write_text(tmp_path / "TREx" / "P36.jsonl", json.dumps(fact))
    template = {"relation": "P36", "template": "The capital of [X] is [Y] .", "label": "capital"}
    write_text(tmp_path / "relations.jsonl", json.dumps(template))
    graph = load_source(tmp_path)
    assert _facts(graph) == {"France -capital-> Paris"}
    assert graph.notes["wording"]["statements"]["capital"] == [
        "[The capital of] {subject} is {object}."
    ]


def test_the_same_columns_are_read_from_parquet_and_from_columns_in_json(tmp_path: Path) -> None:
    wanted = _facts(load_source(write_table(tmp_path / "q.csv", HOPPING_TOO_LATE)))
    pq.write_table(pa.Table.from_pylist(HOPPING_TOO_LATE), tmp_path / "q.parquet")
    columns = {key: [row[key] for row in HOPPING_TOO_LATE] for key in HOPPING_TOO_LATE[0]}
    write_text(tmp_path / "q.json", json.dumps(columns))
    assert _facts(load_source(tmp_path / "q.parquet")) == wanted
    assert _facts(load_source(tmp_path / "q.json")) == wanted


def _without(rows: list[dict[str, Any]], key: str) -> list[dict[str, Any]]:
    return [{k: v for k, v in row.items() if k != key} for row in rows]


def _with(rows: list[dict[str, Any]], **changes: Any) -> list[dict[str, Any]]:
    return [row | changes for row in rows]


def test_what_create_dataset_writes_before_its_templates_is_read_with_the_same_prompts(
    tmp_path: Path,
) -> None:
    """`two_hop.csv` of HoppingTooLate's own script has types of relations, no templates."""
    added = ("r1_template", "r2_template", "source_prompt")
    bare = [{key: row[key] for key in row if key not in added} for row in HOPPING_TOO_LATE]
    whole, less = (
        load_source(write_table(tmp_path / f"{name}.csv", rows))
        for name, rows in (("whole", HOPPING_TOO_LATE), ("bare", bare))
    )
    assert _facts(less) == _facts(whole)
    assert less.notes["wording"] == whole.notes["wording"]
    owned = load_source(write_table(tmp_path / "owned.csv", _with(bare, r1_type="owned by")))
    assert owned.notes["wording"]["statements"]["owned by"] == [
        "[the owner of] {subject} is {object}."
    ]


CHAIN = [["A", "r", "B"], ["C", "s", "D"]]
BROKEN = {
    "missing column": (
        "q.csv",
        _without(TWO_HOP_FACT, "e2.value"),
        "line 2 has no e2.value; found are uid, category, .* needed are e1.value",
    ),
    "no relations": (
        "q.csv",
        _with(TWO_HOP_FACT, fact_comp_type="?", **{"r1.category": ""}),
        "line 2 does not name its relations",
    ),
    "aliases": (
        "q.csv",
        _with(TWO_HOP_FACT, **{"e3.aliases": "__import__('os')"}),
        "line 2 has e3.aliases that are not a list of names",
    ),
    "empty name": (
        "q.csv",
        _with(HOPPING_TOO_LATE, e2_label=" "),
        "line 2 has an empty e2_label",
    ),
    "template": (
        "q.csv",
        _with(HOPPING_TOO_LATE, r1_template="the author"),
        "line 2 has 'the author' as r1_template, which needs {} once",
    ),
    "no chain": (
        "q.json",
        _with(MQUAKE[:1], orig={"triples_labeled": CHAIN}),
        "item 1 is not a chain: 'B' is followed by 'C'",
    ),
    "hops": (
        "q.json",
        _with(MQUAKE[:1], single_hops=[]),
        "item 1 has 0 single_hops and 2 triples",
    ),
    "path": (
        "q.txt",
        PATH_QUESTION + "who ?\ta\ta#b\n",
        "line 4 has a path of 2 parts; expected are subject#relation#entity",
    ),
    "fields": ("q.txt", PATH_QUESTION + "who\n", "line 4 has 1 fields in place of three"),
    "no facts": ("q.json", {"prompt_templates": [], "samples": [], "name": "r"}, "no question"),
    "sample": (
        "q.json",
        {"prompt_templates": [], "samples": [{"subject": "a"}], "name": "r"},
        "sample 1 is not an object with subject and object",
    ),
    "object": (
        "P1.jsonl",
        [{"sub_label": "a", "obj_label": None}],
        "item 1 has None as obj_label in place of a name",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_file_is_refused_with_its_line_and_a_remedy(case: str, tmp_path: Path) -> None:
    name, content, why = BROKEN[case]
    if name.endswith(".csv"):
        path = write_table(tmp_path / name, content)  # type: ignore[arg-type]
    else:
        text = content if isinstance(content, str) else json.dumps(content)
        path = write_text(tmp_path / name, text)
    with pytest.raises(HopscopeError, match=why) as refused:
        load_source(path)
    assert str(path) in str(refused.value)
    assert re.search(r"(give|Give|Correct|rename)", str(refused.value))


def test_broken_records_are_left_out_and_counted_if_asked(tmp_path: Path) -> None:
    path = write_text(tmp_path / "q.txt", PATH_QUESTION + "who\n")
    graph = load_source(path, options={"skip_broken": True})
    assert (len(graph), graph.notes["report"]["broken"]) == (4, 1)


def test_unknown_relations_of_a_folder_are_refused_with_what_there_is(tmp_path: Path) -> None:
    files = write_all(tmp_path)
    with pytest.raises(HopscopeError, match=r"has no P1\.jsonl .* it has P19, P36"):
        load_source(files["pararel"], options={"relations": ["P1"]})
    with pytest.raises(HopscopeError, match="types factual, linguistic, none of"):
        load_source(files["lre"], options={"kinds": ["facts"]})


def test_the_questions_of_a_file_can_be_held_out(tmp_path: Path) -> None:
    def fact(entity: int, relation: int) -> int:
        return (entity * 7 + relation * 11 + 1) % 30

    lines = []
    for entity, first, second in product(range(30), range(4), range(4)):
        bridge = fact(entity, first)
        path = f"e{entity}#r{first}#e{bridge}#r{second}#e{fact(bridge, second)}"
        if first != second or entity % 3:  # asks some, and states all facts
            lines.append(f"who ?\te{fact(bridge, second)}\t{path}\n")
    table = {
        "source": {
            "name": "path_question",
            "path": str(write_text(tmp_path / "PQ-2H.txt", "".join(lines))),
        },
        "augmentation": {"modes": [], "phi": 1.0},
        "splits": {"heldout_real_items": 20, "id_test_items": 10, "ood_share": 0.0},
    }
    corpus = build_corpus(parse_recipe(table, "a recipe"))
    held = [query.text for query in corpus.splits["heldout_real"]]
    assert len(held) == 20
    for text in held:
        subject, first, _, second, _ = re.split(r" -(r\d)-> ", text)
        assert first != second or int(subject[1:]) % 3, f"{text} was not asked"
