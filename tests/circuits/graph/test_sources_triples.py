"""Triple files: every format gives the same facts, and nothing is left out in silence."""

from __future__ import annotations

import csv
import io
import json
import unicodedata
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from circuits.errors import HopscopeError
from circuits.graph.knowledge_graph import KnowledgeGraph
from circuits.graph.sources import load_source

FACTS = [
    ("Lyon", "country", "France"),
    ("France", "currency", "Euro"),
    ("Île-de-France", "capital", "Paris"),
]


def _facts(graph: KnowledgeGraph) -> set[str]:
    return {graph.fact_text(i) for i in range(len(graph))}


def _write(folder: Path, name: str, text: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def _tsv(facts) -> str:
    return "".join("\t".join(f) + "\n" for f in facts)


def _csv(facts) -> str:
    out = io.StringIO()
    csv.writer(out).writerows(facts)
    return out.getvalue()


def _jsonl(facts) -> str:
    return "".join(json.dumps(f) + "\n" for f in facts)


def _objects(facts) -> str:
    names = ("subject", "relation", "object")
    return "".join(json.dumps(dict(zip(names, f, strict=True))) + "\n" for f in facts)


def _nt(facts) -> str:
    return "".join(
        f"<http://x.org/{s}> <http://x.org/{r}> <http://x.org/{o}> .\n" for s, r, o in facts
    )


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("f.tsv", _tsv(FACTS)),
        ("f.txt", _tsv([("subject", "relation", "object"), *FACTS])),
        ("f.csv", _csv([("head", "relation", "tail"), *FACTS])),
        ("f.csv", "\ufeff" + _csv(FACTS).replace("\n", "\r\n")),
        ("f.jsonl", _jsonl(FACTS)),
        ("f.jsonl", _objects(FACTS)),
        ("f.nt", "# comment\n\n" + _nt(FACTS)),
    ],
    ids=["tsv", "tsv_header", "csv_header", "csv_bom_crlf", "lists", "objects", "ntriples"],
)
def test_every_format_gives_the_same_facts(tmp_path, name, text):
    graph = load_source(_write(tmp_path, name, text))
    assert _facts(graph) == {f"{s} -{r}-> {o}" for s, r, o in FACTS}
    assert graph.count("real") == 3


NAMES = st.text(
    st.characters(blacklist_categories=("Cs", "Cc", "Zl", "Zp")), min_size=1, max_size=8
).filter(lambda s: s.strip() == s and s and unicodedata.is_normalized("NFC", s))


@given(st.lists(st.tuples(NAMES, NAMES, NAMES), min_size=1, max_size=8))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
def test_any_unicode_name_survives_tsv_csv_and_json(tmp_path, facts):
    expected = {f"{s} -{r}-> {o}" for s, r, o in facts}
    for name, write in (("f.tsv", _tsv), ("f.csv", _csv), ("f.jsonl", _jsonl)):
        options = {} if name == "f.jsonl" else {"header": False}
        path = _write(tmp_path, name, write(facts))
        assert _facts(load_source(path, multi_valued="mark", options=options)) == expected


def test_quoted_commas_stay_in_the_name(tmp_path):
    path = _write(tmp_path, "f.csv", '"Lyon, France",in,"Europe ""EU"""\n')
    assert _facts(load_source(path)) == {'Lyon, France -in-> Europe "EU"'}


def test_n_triples_literals_are_unescaped_and_iris_shortened(tmp_path):
    text = (
        '<http://x.org/Old_Lyon> <http://x.org/p#name> "Vieux \\"Lyon\\" \\u00e9"@fr .\n'
        '_:b1 <http://x.org/p#age> "7"^^<http://www.w3.org/2001/XMLSchema#int> . # seven\n'
    )
    assert _facts(load_source(_write(tmp_path, "f.nt", text))) == {
        'Old Lyon -name-> Vieux "Lyon" é',
        "_:b1 -age-> 7",
    }


def test_iris_that_would_share_a_short_name_stay_apart(tmp_path):
    text = "<http://a/Lyon> <http://x/in> <http://b/Lyon> .\n"
    assert _facts(load_source(_write(tmp_path, "f.nt", text))) == {
        "<http://a/Lyon> -in-> <http://b/Lyon>"
    }


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "f.tsv",
            _tsv(FACTS) + "a\tb\nc\td\n",
            r"line 4 has 2 fields in place of 3: 'a\\tb' \(and 1 more\)",
        ),
        ("f.tsv", "a\tb\tc\td\n", "line 1 has 4 fields in place of 3"),
        ("f.tsv", "a\t \tc\n", "line 1 has an empty relation"),
        ("f.csv", 'a,b,"c\n', "line 1 is not CSV"),
        (
            "f.jsonl",
            '["a","b","c"]\n{"a":1}\n',
            "line 2 has the keys a; expected are subject",
        ),
        ("f.jsonl", '["a","b",3]\n', r"line 1 has 3 \(int\) in place of a name"),
        ("f.jsonl", "{\n", "line 1 is not JSON"),
        ("f.nt", "<a> <b> c .\n", "line 1 is not an N-Triples statement"),
        ("f.tsv", "", "holds no triple"),
        ("f.tsv", "\n\n", r"holds no triple \(read: 2 lines"),
        ("f.tsv", "subject\trelation\tobject\n", "holds no triple"),
        ("f.tsv", b"a\tb\t\xe9\n", "line 1 is not UTF-8 .byte 0xe9 at column 5"),
        (
            "f.tsv",
            b"a\tb\tc\n" * 200_000 + b"a\tb\t\xe9",
            "line 200001 is not UTF-8 .byte 0xe9 at column 5",
        ),
        ("f.tsv", b"a\tb\tc\n\n" + b"x" * 10_000_000, "line 3 is longer than"),
        ("f.tsv", b"x" * 10_000_000, "line 1 is longer than 1,000,000 bytes"),
        ("f.xyz", "a\tb\tc\n", "kind of file is not known"),
    ],
)
def test_bad_input_is_one_clear_sentence(tmp_path, name, text, message):
    with pytest.raises(HopscopeError, match=message) as caught:
        load_source(_write(tmp_path, name, text))
    assert len(str(caught.value)) < 600


def test_broken_lines_can_be_left_out_and_are_counted(tmp_path):
    path = _write(tmp_path, "f.tsv", _tsv(FACTS) + "broken\nalso\tbroken\n\n" + _tsv(FACTS[:1]))
    graph = load_source(path, options={"skip_broken": True})
    report = graph.notes["report"]
    assert len(graph) == 3
    assert report["lines"] == 7
    assert report["blank_or_comment"] == 1
    assert report["broken"] == 2
    assert report["first_broken"] == "line 4 has 1 field in place of 3: 'broken'"
    assert graph.notes["duplicates"] == 1


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_lines_are_numbered_across_blocks_of_the_file(tmp_path, line_end):
    rows = [f"entity {i}\tnext\tentity {i + 1}" for i in range(100_000)]  # three megabytes
    rows[77_777] = ""
    rows[88_888] = "broken"
    for last in ("", line_end):
        path = _write(tmp_path, "f.tsv", line_end.join(rows) + last)
        report = load_source(path, options={"skip_broken": True}).notes["report"]
        assert (report["lines"], report["blank_or_comment"]) == (100_000, 1)
        assert report["first_broken"].startswith("line 88889 has 1 field")


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    with pytest.raises(HopscopeError, match="there is no file"):
        load_source("triples", path=tmp_path / "none.tsv")
    with pytest.raises(HopscopeError, match="is a folder"):
        load_source("triples", path=tmp_path)
    with pytest.raises(HopscopeError, match="reads a file and none is given"):
        load_source("triples")
    with pytest.raises(HopscopeError, match="reads no file"):
        load_source("geonames", path=tmp_path / "none.tsv")


def test_an_unknown_source_is_refused_with_the_nearest():
    with pytest.raises(HopscopeError, match="Did you mean 'geonames'"):
        load_source("geoname")
