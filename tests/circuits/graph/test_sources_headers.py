"""Headers and keys place the columns; what was taken as header is said."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from app.cli.main import cli
from circuits.errors import HopscopeError
from circuits.graph.knowledge_graph import KnowledgeGraph
from circuits.graph.sources import load_source

EXPECTED = {"Lyon -in-> France", "France -pays-> Euro"}
PLACED = {"s": ("Lyon", "France"), "r": ("in", "pays"), "o": ("France", "Euro"), "-": ("1", "2")}


def _facts(graph: KnowledgeGraph) -> set[str]:
    return {graph.fact_text(i) for i in range(len(graph))}


def _table(order: str, header: list[str] | None, delimiter: str) -> str:
    rows = [header] if header else []
    rows += [[PLACED[role][i] for role in order] for i in (0, 1)]
    return "".join(delimiter.join(row) + "\n" for row in rows)


HEADERS = [
    ("sro", ["subject", "relation", "object"]),
    ("sor", ["head", "tail", "relation"]),
    ("sro", ["source", "relation", "target"]),
    ("sro", ["SUBJECT", "PREDICATE", "OBJECT"]),
    ("sor", ["#head", "tail", "rel"]),
    ("sro", ['"subject"', '"predicate"', '"object"']),
    ("ors", ["t", "r", "h"]),
    ("sor", ["Source", "Target", "Type"]),
    ("-sro", ["", "subject", "relation", "object"]),
    ("so-r", ["from", "to", "weight", "property"]),
    ("sro", ["?s", "?p", "?o"]),
]


@pytest.mark.parametrize("ending", ["tsv", "csv"])
@pytest.mark.parametrize(("order", "header"), HEADERS, ids=[",".join(h) for _, h in HEADERS])
def test_a_known_header_places_the_columns_and_is_said(tmp_path, order, header, ending):
    path = tmp_path / f"f.{ending}"
    path.write_text(_table(order, header, "\t" if ending == "tsv" else ","))
    graph = load_source(path)
    assert _facts(graph) == EXPECTED
    assert graph.notes["report"]["header"] == 1
    assert graph.notes["reading"][0].startswith("Line 1 is a header: subject from '")


def test_a_file_that_r_wrote_loses_its_quotes(tmp_path):
    path = tmp_path / "f.tsv"
    path.write_text('"head"\t"tail"\t"rel"\n"Lyon"\t"France"\t"in"\n"France"\t"Euro"\t"pays"\n')
    assert _facts(load_source(path)) == EXPECTED


def test_quotes_of_a_tsv_without_such_a_header_belong_to_the_names(tmp_path):
    path = tmp_path / "f.tsv"
    path.write_text('"Lyon"\tin\tFrance\n')
    assert _facts(load_source(path)) == {'"Lyon" -in-> France'}


def test_columns_that_are_left_out_are_named(tmp_path):
    path = tmp_path / "f.csv"
    path.write_text("id,head,rel,tail,weight\n1,Lyon,in,France,0.5\n")
    assert load_source(path).notes["reading"][0].endswith("left out: 'id', 'weight'.")


@pytest.mark.parametrize("ending", ["tsv", "csv"])
def test_the_user_says_which_column_is_which(tmp_path, ending):
    path = tmp_path / f"f.{ending}"
    path.write_text(_table("-sor", None, "\t" if ending == "tsv" else ","))
    graph = load_source(path, options={"columns": ["-", "subject", "object", "relation"]})
    assert _facts(graph) == EXPECTED
    assert "There is no header; line 1 is the first fact" in graph.notes["reading"][0]


def test_a_header_of_unknown_words_is_read_with_both_options(tmp_path):
    path = tmp_path / "f.csv"
    path.write_text(_table("sor", ["city", "land", "how"], ","))
    options = {"columns": ["head", "tail", "relation"], "header": True}
    assert _facts(load_source(path, options=options)) == EXPECTED
    in_order = tmp_path / "g.csv"
    in_order.write_text(_table("sro", ["city", "how", "land"], ","))
    assert _facts(load_source(in_order, options={"header": True})) == EXPECTED


def test_a_fact_that_reads_like_a_header_is_a_fact_if_the_user_says_so(tmp_path):
    path = tmp_path / "f.csv"
    path.write_text("subject,relation,object\nLyon,in,France\n")
    graph = load_source(path, options={"header": False})
    assert _facts(graph) == {"subject -relation-> object", "Lyon -in-> France"}


@pytest.mark.parametrize("header", ["head,tail,linked by", "source,target,type,label"])
def test_half_a_header_is_refused_and_never_becomes_a_fact(tmp_path, header):
    path = tmp_path / "f.csv"
    path.write_text(header + "\n" + "Lyon,France,in,x\n")
    with pytest.raises(HopscopeError, match=r"looks like a header .*source\.options\.columns"):
        load_source(path)


@pytest.mark.parametrize(
    "columns",
    [["subject", "object"], ["subject", "subject", "object", "relation"], ["a", "b", "c"]],
)
def test_columns_without_each_role_once_are_refused(tmp_path, columns):
    path = tmp_path / "f.csv"
    path.write_text("Lyon,in,France\n")
    with pytest.raises(HopscopeError, match="must name subject, relation and object once each"):
        load_source(path, options={"columns": columns})


def test_keys_place_the_roles_of_objects_and_of_parquet(tmp_path):
    records = [
        {"id": 7, "head": "Lyon", "type": "x", "tail": "France", "relation": "in"},
        {"id": 8, "head": "France", "type": "y", "tail": "Euro", "relation": "pays"},
    ]
    (tmp_path / "f.json").write_text(json.dumps(records))
    pq.write_table(pa.Table.from_pylist(records), tmp_path / "f.parquet")
    for name in ("f.json", "f.parquet"):
        graph = load_source(tmp_path / name)
        assert _facts(graph) == EXPECTED
        assert graph.notes["reading"][0].endswith("left out: 'id', 'type'.")


def test_objects_and_parquet_of_unknown_keys_are_read_by_the_columns_option(tmp_path):
    records = [{"x": "Lyon", "y": "France", "z": "in"}, {"x": "France", "y": "Euro", "z": "pays"}]
    (tmp_path / "f.json").write_text(json.dumps(records))
    (tmp_path / "g.json").write_text(json.dumps([list(r.values()) for r in records]))
    pq.write_table(pa.Table.from_pylist(records), tmp_path / "f.parquet")
    options = {"columns": ["subject", "object", "relation"]}
    for name in ("f.json", "g.json", "f.parquet"):
        assert _facts(load_source(tmp_path / name, options=options)) == EXPECTED
    for name in ("f.json", "f.parquet"):
        with pytest.raises(HopscopeError, match="x, y, z; expected are subject, relation and"):
            load_source(tmp_path / name)


def test_the_data_command_says_what_was_taken_as_header(tmp_path):
    path = tmp_path / "f.csv"
    path.write_text("head,tail,relation\nLyon,France,in\nFrance,Euro,pays\n")
    shown = CliRunner().invoke(cli, ["data", str(path)], env={"COLUMNS": "200"})
    assert shown.exit_code == 0
    assert "Line 1 is a header: subject from 'head', relation from 'relation'" in shown.output


def test_the_data_command_takes_the_columns_option(tmp_path):
    path = tmp_path / "f.csv"
    rows = [f"e{i},e{(i * 3 + j) % 20},r{j}" for i in range(20) for j in range(4)]
    path.write_text("\n".join(rows))
    setting = 'source.options.columns=["subject", "object", "relation"]'
    shown = CliRunner().invoke(cli, ["data", str(path), "--set", setting, "--json"])
    assert shown.exit_code == 0, shown.output
    names = {r["name"] for r in json.loads(shown.output)["graph"]["relations"]}
    assert names == {"r0", "r1", "r2", "r3"}
