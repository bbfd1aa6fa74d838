"""2WikiMultiHopQA: the sample's published counts, all file shapes, merging, and bad input."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from circuits.errors import HopscopeError
from circuits.graph.paths import n_two_hop_paths, phi
from circuits.graph.sources import load_source
from circuits.graph.sources.two_wiki.names import normalised
from circuits.graph.sources.two_wiki.reader import two_wiki_questions

SAMPLE = Path(__file__).parents[4] / "shared" / "2wiki" / "sample_1000.json"
needs_sample = pytest.mark.skipif(
    not SAMPLE.exists(), reason="the 2Wiki sample lies beside the checkout (../shared), not in it"
)

QUESTIONS = [
    {
        "_id": "c",
        "type": "compositional",
        "question": "When did Lothair II's mother die?",
        "answer": "20 March 851",
        "evidences": [
            ["Lothair II", "mother", "Ermengarde of Tours"],
            ["Ermengarde of Tours", "date of death", "20 March 851"],
        ],
    },
    {
        "_id": "i",
        "type": "inference",
        "question": "Who is Ælfwine's paternal grandfather?",
        "answer": "Oswiu",
        "evidences": [["Ælfwine", "father", "Ecgfrith"], ["Ecgfrith", "father", "Oswiu"]],
    },
    {
        "_id": "m",
        "type": "comparison",
        "question": "Who is older?",
        "answer": "A",
        "evidences": [["A", "date of birth", "1900"], ["B", "date of birth", "1901"]],
    },
    {
        "_id": "b",
        "type": "bridge_comparison",
        "question": "Which film has the older director?",
        "answer": "F",
        "evidences": [
            ["F", "director", "A"],
            ["G", "director", "B"],
            ["A", "date of birth", "1900"],
            ["B", "date of birth", "1901"],
        ],
    },
]


def _write(folder: Path, name: str, records: list[dict]) -> Path:
    path = folder / name
    if path.suffix == ".json":
        path.write_text(json.dumps(records, ensure_ascii=False), encoding="utf-8")
    elif path.suffix == ".jsonl":
        lines = (json.dumps(r, ensure_ascii=False) for r in records)
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    else:
        pq.write_table(pa.Table.from_pylist(records), path)
    return path


@needs_sample
def test_the_sample_has_its_published_counts():
    graph = load_source(SAMPLE, multi_valued="mark", options={"merge": "exact"})
    assert len(graph) == 2437
    assert n_two_hop_paths(graph) == 1018
    assert round(n_two_hop_paths(graph) / len(graph), 3) == 0.418  # as published
    assert round(phi(graph), 3) == 0.41  # of the paths that can be asked
    as_read = load_source("two_wiki", path=SAMPLE).notes["as_read"]
    assert (as_read["facts"], as_read["paths"]) == (2437, 1018)
    assert graph.notes["questions_by_type"] == {
        "bridge_comparison": 235,
        "comparison": 244,
        "compositional": 413,
        "inference": 108,
    }


@needs_sample
def test_the_multi_valued_policies_are_counted_on_the_sample():
    drop = load_source(SAMPLE, multi_valued="drop", options={"merge": "exact"})
    first = load_source(SAMPLE, multi_valued="first", options={"merge": "exact"})
    assert drop.notes["multi_valued"]["keys"] == first.notes["multi_valued"]["keys"] == 11
    assert len(drop) == 2437 - 24
    assert len(first) == 2437 - 24 + 11


@needs_sample
def test_questions_of_the_sample_are_in_its_graph_by_the_same_names():
    graph = load_source(SAMPLE, multi_valued="mark")
    facts = {
        (graph.entities[s], graph.relations[r], graph.entities[o])
        for s, r, o in graph.facts.tolist()
    }
    questions = two_wiki_questions(SAMPLE)
    assert len(questions) == 1000
    assert {e for q in questions for e in q.evidences} == facts
    assert sum(len(q.chains()) for q in questions if q.type == "compositional") == 389


@pytest.mark.parametrize("name", ["q.json", "q.jsonl", "q.parquet"])
def test_all_three_shapes_give_the_same_graph(tmp_path, name):
    graph = load_source(_write(tmp_path, name, QUESTIONS))
    assert len(graph) == 8
    assert graph.notes["n_questions"] == 4
    assert graph.notes["questions"] == [
        ["Lothair II", "mother", "date of death"],
        ["Ælfwine", "father", "father"],
    ]


@pytest.mark.parametrize(
    "form",
    [
        json.dumps,
        lambda rows: {
            "fact": [r[0] for r in rows],
            "relation": [r[1] for r in rows],
            "entity": [r[2] for r in rows],
        },
        lambda rows: [{"subject": s, "relation": r, "object": o} for s, r, o in rows],
    ],
    ids=["json_string", "struct_of_lists", "list_of_structs"],
)
@pytest.mark.parametrize("name", ["q.jsonl", "q.parquet"])
def test_evidences_are_read_in_every_published_form(tmp_path, form, name):
    records = [q | {"evidences": form(q["evidences"])} for q in QUESTIONS]
    assert len(load_source(_write(tmp_path, name, records))) == 8


def test_a_list_with_long_contexts_is_read_piece_by_piece(tmp_path):
    context = [["title", ["ä sentence. " * 40_000]]]
    records = [q | {"context": context} for q in QUESTIONS * 3]
    assert len(two_wiki_questions(_write(tmp_path, "q.json", records))) == 12


def test_all_four_types_give_their_chains(tmp_path):
    questions = two_wiki_questions(_write(tmp_path, "q.json", QUESTIONS))
    assert [len(q.chains()) for q in questions] == [1, 1, 0, 2]
    assert questions[0].chains() == [
        ("Lothair II", "mother", "Ermengarde of Tours", "date of death", "20 March 851")
    ]


def test_names_are_merged_without_regard_to_case_quotes_and_date_order():
    assert normalised("God's  Gift") == normalised("god’s gift")
    assert normalised("December 24, 1886") == normalised("24 December 1886")
    assert normalised("Café") == normalised("Cafe\u0301")
    assert normalised("Oswiu") != normalised("Oswiu of Northumbria")


def test_merging_by_normalised_name_reports_what_it_merged(tmp_path):
    again = QUESTIONS[1] | {"evidences": [["ælfwine", "mother", "Eormenburg"]]}
    graph = load_source(_write(tmp_path, "q.json", [*QUESTIONS, again]))
    assert "ælfwine" not in graph.entities
    merged = graph.notes["merged"]
    assert (merged["by"], merged["merged_groups"]) == ("normalised", 1)
    assert merged["examples"] == [["Ælfwine", ["Ælfwine", "ælfwine"]]]


def _with_ids() -> list[dict]:
    return [
        QUESTIONS[1] | {"evidences_id": [["Q1", "father", "Q2"], ["Q2", "father", "Q3"]]},
        QUESTIONS[1]
        | {
            "evidences": [["Oswiu of Northumbria", "child", "Alfred"], ["Alfred", "spouse", "X"]],
            "evidences_id": [["Q3", "child", "Q8"], ["Q9", "spouse", "X"]],
        },
    ]


def test_ids_merge_two_names_and_part_two_bearers_of_one_name(tmp_path):
    graph = load_source(_write(tmp_path, "q.json", _with_ids()))
    assert graph.notes["merged"]["by"] == "ids"
    assert "Oswiu of Northumbria" not in graph.entities
    facts = {graph.fact_text(i) for i in range(len(graph))}
    assert "Oswiu -child-> Alfred (Q8)" in facts
    assert "Alfred (Q9) -spouse-> X" in facts
    assert graph.notes["merged"]["names_of_several_entities"] == ["Alfred"]


def test_the_alias_file_beside_the_data_joins_a_mention_without_id(tmp_path):
    plain = {**QUESTIONS[2], "evidences": [["King Oswy", "father", "Æthelfrith"]]}
    path = _write(tmp_path, "q.json", [*_with_ids(), plain])
    assert "King Oswy" in load_source(path).entities
    entry = {"Q_id": "Q3", "aliases": ["King Oswy"], "demonyms": []}
    (tmp_path / "id_aliases.json").write_text(json.dumps(entry) + "\n", encoding="utf-8")
    graph = load_source(path)
    assert "King Oswy" not in graph.entities
    assert "Oswiu -father-> Æthelfrith" in {graph.fact_text(i) for i in range(len(graph))}


def test_types_and_limit_choose_questions(tmp_path):
    path = _write(tmp_path, "q.json", QUESTIONS)
    assert len(load_source(path, options={"types": ["comparison"]})) == 2
    assert load_source(path, options={"limit": 1}).notes["n_questions"] == 1


def test_a_hub_name_that_cannot_be_fetched_names_the_path_option(monkeypatch):
    import huggingface_hub

    def offline(*args, **kwargs):
        raise OSError("no route to host")

    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", offline)
    with pytest.raises(HopscopeError, match=r"no route to host.*set source\.path"):
        load_source("xanhho/2WikiMultihopQA")
    with pytest.raises(HopscopeError, match="framolfese"):
        load_source("two_wiki", options={"hub": "framolfese/2WikiMultihopQA"})


def test_hub_files_are_those_of_the_split(tmp_path, monkeypatch):
    from types import SimpleNamespace

    import huggingface_hub

    path = _write(tmp_path, "dev.parquet", QUESTIONS)
    names = ["README.md", "dev.parquet", "test.parquet", "train.parquet"]
    fetched = []

    def info(self, name):
        return SimpleNamespace(siblings=[SimpleNamespace(rfilename=n) for n in names])

    def download(repo, name, repo_type):
        fetched.append((repo, name, repo_type))
        return str(path)

    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", info)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    graph = load_source("xanhho/2WikiMultihopQA", options={"split": "dev"})
    assert len(graph) == 8
    assert fetched == [("xanhho/2WikiMultihopQA", "dev.parquet", "dataset")]


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"type": "riddle"}, "question 5 has a type that is none of compositional"),
        ({"evidences": [["a", "b"]]}, "question 5 has evidences that are not name triples"),
        ({"evidences": [["a", "", "c"]]}, "question 5 has evidences that are not name triples"),
        ({"evidences": "[["}, "question 5 has evidences that are not name triples"),
    ],
)
def test_a_broken_question_is_named_by_number_with_the_count_of_the_rest(tmp_path, record, message):
    path = _write(tmp_path, "q.jsonl", [*QUESTIONS, QUESTIONS[0] | record, QUESTIONS[0] | record])
    with pytest.raises(HopscopeError, match=f"{message}.*and 1 more"):
        load_source(path)


def test_a_truncated_list_says_at_which_item(tmp_path):
    path = tmp_path / "q.json"
    path.write_text(json.dumps(QUESTIONS)[:-30], encoding="utf-8")
    with pytest.raises(HopscopeError, match="item 4 of the JSON list cannot be read"):
        load_source(path)


def test_a_test_file_without_evidences_says_what_to_use(tmp_path):
    path = _write(tmp_path, "q.json", [q | {"evidences": []} for q in QUESTIONS])
    with pytest.raises(HopscopeError, match="use the train or dev file"):
        load_source(path)


def test_a_parquet_file_that_is_none_is_refused(tmp_path):
    path = tmp_path / "q.parquet"
    path.write_bytes(b"PAR1 nonsense")
    with pytest.raises(HopscopeError, match="not a readable parquet file"):
        load_source(path)


HOTPOT = [
    q | {"context": [["Lothair II", ["One.", "Two."]]], "supporting_facts": [["Lothair II", 0]]}
    for q in QUESTIONS
]


@pytest.mark.parametrize(
    "table",
    [
        HOTPOT,
        {"version": "1.0", "data": HOTPOT},
        {key: [q[key] for q in HOTPOT] for key in HOTPOT[0]},
        {key: {str(i): q[key] for i, q in enumerate(HOTPOT)} for key in HOTPOT[0]},
        {"columns": list(HOTPOT[0]), "data": [list(q.values()) for q in HOTPOT]},
        {str(i): q for i, q in enumerate(HOTPOT)},
    ],
    ids=["records", "wrapped", "columns", "pandas", "split", "index"],
)
def test_hotpot_fields_and_tables_by_column_give_the_same_graph(tmp_path, table):
    path = tmp_path / "train.json"
    path.write_text(json.dumps(table))
    wanted = load_source(_write(tmp_path, "plain.json", QUESTIONS))
    graph = load_source(path)
    assert graph.entities == wanted.entities
    assert (graph.facts == wanted.facts).all()


def test_hotpot_records_without_evidences_are_refused_with_the_fields_they_have(tmp_path):
    records = [{key: q[key] for key in q if key != "evidences"} for q in HOTPOT]
    with pytest.raises(HopscopeError, match=r"no field 'evidences'.*supporting_facts.*own"):
        load_source(_write(tmp_path, "train.json", records))
