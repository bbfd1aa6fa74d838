"""JSON and parquet of every shape that people save: read whole, or refused with what was found."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from circuits.errors import HopscopeError
from circuits.graph.knowledge_graph import KnowledgeGraph
from circuits.graph.sources import load_source

FACTS = [["Lyon", "in", "France"], ["France", "pays", "Euro"], ["Nice", "in", "France"]]
OBJECTS = [dict(zip(("subject", "relation", "object"), fact, strict=True)) for fact in FACTS]
EXPECTED = {f"{s} -{r}-> {o}" for s, r, o in FACTS}

ANN = {
    "_id": "c",
    "type": "compositional",
    "question": "When did Ann Lee's mother die?",
    "answer": "1851",
    "evidences": [["Ann Lee", "mother", "Bea Roe"], ["Bea Roe", "date of death", "1851"]],
}
CY = {
    "_id": "i",
    "type": "inference",
    "question": "Who is Cy's grandfather?",
    "answer": "Dan",
    "evidences": [["Cy", "father", "Bob"], ["Bob", "father", "Dan"]],
}
QUESTIONS = {
    "Ann Lee -mother-> Bea Roe",
    "Bea Roe -date of death-> 1851",
    "Cy -father-> Bob",
    "Bob -father-> Dan",
}


def _facts(graph: KnowledgeGraph) -> set[str]:
    return {graph.fact_text(i) for i in range(len(graph))}


def _write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    data = text.encode()
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


def _lines(values: list) -> str:
    return "".join(json.dumps(value) + "\n" for value in values)


def _shapes(records: list[dict]) -> dict[str, str]:
    """The shapes that a list of records is saved in."""
    frame = pd.DataFrame(records)
    return {
        "list": json.dumps(records),
        "pretty": json.dumps(records, indent=2),
        "lines": _lines(records),
        "no_last_newline": _lines(records).rstrip(),
        "crlf_lines": _lines(records).replace("\n", "\r\n"),
        "byte_order_mark": "\ufeff" + json.dumps(records),
        "wrapped": json.dumps({"data": records}),
        "wrapped_pretty": json.dumps({"version": "1.0", "data": records}, indent=2),
        "wrapped_other_key": json.dumps({"facts": records}),
        "columns_of_lists": json.dumps(frame.to_dict("list")),
        "pandas_columns": frame.to_json(),
        "pandas_split": frame.to_json(orient="split"),
        "pandas_index": frame.to_json(orient="index"),
        "pandas_table": frame.to_json(orient="table"),
        "pandas_lines": frame.to_json(orient="records", lines=True),
        "pretty_objects": "\n".join(json.dumps(record, indent=1) for record in records),
        "two_lists": json.dumps(records[:1]) + "\n" + json.dumps(records[1:]),
        "two_lists_pretty": json.dumps(records[:1], indent=1) + json.dumps(records[1:], indent=1),
        "list_then_lines": json.dumps(records[:1]) + "\n" + _lines(records[1:]),
        "lines_then_list": _lines(records[:1]) + json.dumps(records[1:]),
        "list_and_empty_list": json.dumps(records) + "[]",
    }


@pytest.mark.parametrize("ending", [".json", ".jsonl", ".json.gz"])
@pytest.mark.parametrize("shape", _shapes(OBJECTS))
def test_triples_are_read_whole_from_every_shape(tmp_path, shape, ending):
    path = _write(tmp_path, f"f{ending}", _shapes(OBJECTS)[shape])
    graph = load_source(path)
    assert _facts(graph) == EXPECTED
    assert graph.name == "f"
    assert graph.notes["report"]["records"] == 3


@pytest.mark.parametrize("ending", [".json", ".json.gz"])
@pytest.mark.parametrize("shape", _shapes([ANN, CY]))
def test_questions_are_read_whole_from_every_shape(tmp_path, shape, ending):
    path = _write(tmp_path, f"q{ending}", _shapes([ANN, CY])[shape])
    graph = load_source(path)
    assert _facts(graph) == QUESTIONS
    assert graph.notes["n_questions"] == 2


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(FACTS),
        json.dumps(FACTS, indent=1),
        _lines(FACTS),
        json.dumps({"triples": FACTS}),
        json.dumps(FACTS[:2]) + json.dumps(FACTS[2:]),
        json.dumps({"columns": ["subject", "relation", "object"], "data": FACTS}),
    ],
    ids=["list", "pretty", "lines", "wrapped", "two_lists", "split"],
)
def test_lists_of_lists_are_triples(tmp_path, text):
    assert _facts(load_source(_write(tmp_path, "f.json", text))) == EXPECTED


def test_a_single_pretty_printed_triple_is_one_fact(tmp_path):
    path = _write(tmp_path, "f.json", json.dumps(FACTS[0], indent=1))
    assert _facts(load_source(path)) == {"Lyon -in-> France"}


def test_what_was_taken_apart_is_said(tmp_path):
    text = json.dumps({"version": "1.0", "data": OBJECTS})
    said = load_source(_write(tmp_path, "f.json", text)).notes["reading"]
    assert said[0] == "The records are the list under 'data'; left out: version."


@pytest.mark.parametrize("records", [OBJECTS, [ANN, CY]], ids=["triples", "questions"])
@pytest.mark.parametrize("after", ["this is not JSON at all\n", "\n\n{ broken\n", "]", "null x"])
def test_text_after_a_list_is_never_dropped(tmp_path, records, after):
    path = _write(tmp_path, "f.json", json.dumps(records) + "\n" + after)
    for options in ({}, {"skip_broken": True}):
        with pytest.raises(HopscopeError, match=r"line \d is not JSON|line 2 ") as caught:
            load_source(path, options=options)
        assert len(str(caught.value)) < 600


def test_a_list_longer_than_a_chunk_ends_where_it_ends(tmp_path):
    many = [[f"e{i}", "next", f"e{i + 1}"] for i in range(60_000)]  # two megabytes
    path = _write(tmp_path, "f.json", json.dumps(many) + "\n" + _lines(FACTS))
    assert len(load_source(path)) == 60_003
    path = _write(tmp_path, "g.json", json.dumps(many) + "\nleft over")
    with pytest.raises(HopscopeError, match=r"line 2 is not JSON .*'left over'"):
        load_source(path)


def test_a_broken_line_is_named_by_its_number_after_a_list(tmp_path):
    text = json.dumps(OBJECTS, indent=2) + "\n" + json.dumps(FACTS[0]) + "\n{ broken\n"
    last = text.count("\n")
    with pytest.raises(HopscopeError, match=rf"line {last} is not JSON"):
        load_source(_write(tmp_path, "f.json", text))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[{"a": 1, "b": 2}]', r"item 1 has the keys a, b; expected are subject, relation and"),
        ('[{"subject": "Lyon", "object": "x"}]', "item 1 has the keys subject, object; expected"),
        ('{"train": [["a","b","c"]], "dev": [["d","e","f"]]}', r"several keys \(train, dev\)"),
        (
            '{"subject": ["a", "b"], "relation": ["r"], "object": ["c", "d"]}',
            r"columns of different lengths \(subject: 2, relation: 1, object: 2\)",
        ),
        ('{"subject": "a", "relation": "r", "object": null}', "has None .NoneType. in place of"),
        ('[["a", "b"]]', "item 1 has 2 items in place of 3"),
        ('["a", "b", "c", "d"]', "line 1 has 4 items in place of 3"),
        ("5", "line 1 is neither an object nor a list of three names"),
        ("[" * 100_000, "nested too deeply|cannot be read"),
        ("[]", "holds no triple"),
        ("", "holds no triple"),
        ('[["a", "r", "b"], ["c", "r"', r"item 2 of the JSON list cannot be read"),
    ],
)
def test_other_shapes_are_refused_with_what_was_found_and_expected(tmp_path, text, message):
    with pytest.raises(HopscopeError, match=message) as caught:
        load_source(_write(tmp_path, "f.json", text))
    assert len(str(caught.value)) < 700


@pytest.mark.parametrize("name", ["two_wiki", "triples"])
def test_the_layout_of_the_grokked_code_is_recognised(tmp_path, name):
    record = {"input_text": "<e_0><r_1>", "target_text": "<e_0><r_1><e_2></a>"}
    for text in (json.dumps([record | {"type": "id_atomic"}]), _lines([record])):
        path = _write(tmp_path, "train.json", text)
        with pytest.raises(
            HopscopeError, match=r"Grokked Transformers code.*planned and not there"
        ):
            load_source(name, path=path)
        with pytest.raises(HopscopeError, match="layout of the Grokked Transformers code"):
            load_source(path)
    _write(tmp_path, "vocab.json", json.dumps(["<e_0>", "<r_1>"]))
    with pytest.raises(HopscopeError, match="layout of the Grokked Transformers code"):
        load_source(tmp_path)


def test_questions_without_evidences_or_type_name_the_fields(tmp_path):
    path = _write(tmp_path, "q.json", '[{"id": 1, "question": "q", "answer": "a"}]')
    with pytest.raises(HopscopeError, match="its fields are id, question, answer, expected are"):
        load_source(path)


# the hub's parquet files have evidences as a struct of columns


def _struct(rows: list[list[str]] | None) -> dict:
    names = ("fact", "relation", "entity")
    columns = zip(*rows, strict=True) if rows else (None, None, None)
    return {name: column and list(column) for name, column in zip(names, columns, strict=True)}


@pytest.mark.parametrize("empty", [None, _struct(None)], ids=["null_struct", "null_members"])
@pytest.mark.parametrize("name", ["q.json", "q.parquet"])
def test_a_null_struct_is_a_question_without_evidences(tmp_path, name, empty):
    records = [ANN | {"evidences": _struct(ANN["evidences"])}, CY | {"evidences": empty}]
    if name.endswith("json"):
        path = _write(tmp_path, name, json.dumps(records))
    else:
        path = tmp_path / name
        pq.write_table(pa.Table.from_pylist(records), path)
    graph = load_source(path)
    assert len(graph) == 2
    assert graph.notes["questions_without_evidences"] == 1


@pytest.mark.parametrize("name", ["q.json", "q.parquet"])
def test_uneven_members_of_a_struct_are_refused_with_their_lengths(tmp_path, name):
    uneven = {"fact": ["Cy", "Bob"], "relation": ["father", "father"], "entity": ["Bob"]}
    records = [ANN | {"evidences": _struct(ANN["evidences"])}, CY | {"evidences": uneven}]
    if name.endswith("json"):
        path = _write(tmp_path, name, json.dumps(records))
    else:
        path = tmp_path / name
        pq.write_table(pa.Table.from_pylist(records), path)
    with pytest.raises(HopscopeError, match=r"question 2 has .*fact: 2, relation: 2, entity: 1"):
        load_source(path)
    assert len(load_source(path, options={"skip_broken": True})) == 2


# parquet and gzip


def test_triples_in_parquet_are_read(tmp_path):
    path = tmp_path / "f.parquet"
    pd.DataFrame(OBJECTS).set_index("relation", drop=False).to_parquet(path)
    assert _facts(load_source(path)) == EXPECTED
    frame = pd.DataFrame(OBJECTS)
    frame["relation"] = frame["relation"].astype("category")
    frame.to_parquet(path)
    assert _facts(load_source(path)) == EXPECTED


def test_a_null_or_a_number_in_parquet_is_refused_by_its_row(tmp_path):
    path = tmp_path / "f.parquet"
    pq.write_table(pa.Table.from_pylist([*OBJECTS, OBJECTS[0] | {"object": None}]), path)
    with pytest.raises(HopscopeError, match="row 4 has None"):
        load_source(path)
    assert len(load_source(path, options={"skip_broken": True})) == 3
    pq.write_table(pa.Table.from_pylist([OBJECTS[0] | {"object": 3}]), path)
    with pytest.raises(HopscopeError, match=r"row 1 has 3 .int. in place of a name"):
        load_source(path)


def test_parquet_that_is_neither_names_its_columns(tmp_path):
    path = tmp_path / "f.parquet"
    pq.write_table(pa.Table.from_pylist([{"text": "x", "label": 1}]), path)
    with pytest.raises(HopscopeError, match="has the columns text, label; expected are subject"):
        load_source(path)
    with pytest.raises(HopscopeError, match="has the columns text, label, and not 'evidences'"):
        load_source("two_wiki", path=path)


@pytest.mark.parametrize("name", ["f.tsv.gz", "f.csv.gz", "f.nt.gz"])
def test_every_text_format_may_be_gzipped(tmp_path, name):
    texts = {
        "f.tsv.gz": "".join("\t".join(f) + "\n" for f in FACTS),
        "f.csv.gz": "".join(",".join(f) + "\n" for f in FACTS),
        "f.nt.gz": "".join("".join(f"<http://x/{t}> " for t in f) + ".\n" for f in FACTS),
    }
    assert _facts(load_source(_write(tmp_path, name, texts[name]))) == EXPECTED


def test_a_damaged_gzip_file_is_one_sentence(tmp_path):
    path = tmp_path / "f.json.gz"
    for data in (b"not gzip", gzip.compress(json.dumps(FACTS * 99).encode())[:-20]):
        path.write_bytes(data)
        with pytest.raises(HopscopeError, match="is not a whole gzip file"):
            load_source(path)
