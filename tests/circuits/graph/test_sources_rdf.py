"""RDF: escapes decoded, names readable, and what literals share is a stated policy."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from circuits.errors import HopscopeError
from circuits.graph.knowledge_graph import KnowledgeGraph
from circuits.graph.sources import load_source

TURTLE = """
@prefix x: <http://x.org/> .
x:Lyon x:in x:France ; x:name "Lyon"@fr .
x:France x:pays x:Euro .
"""
TRIG = (
    "@prefix x: <http://x.org/> .\nx:g { x:Lyon x:in x:France . }\nx:h { x:France x:pays x:Euro . }"
)
QUADS = (
    "<http://x.org/Lyon> <http://x.org/in> <http://x.org/France> <http://x.org/g> .\n"
    "<http://x.org/France> <http://x.org/pays> <http://x.org/Euro> <http://x.org/h> .\n"
)
RDF_XML = """<?xml version="1.0"?>
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:x="http://x.org/">
<rdf:Description rdf:about="http://x.org/Lyon"><x:in rdf:resource="http://x.org/France"/>
</rdf:Description>
<rdf:Description rdf:about="http://x.org/France"><x:pays rdf:resource="http://x.org/Euro"/>
</rdf:Description></rdf:RDF>"""
EXPECTED = {"Lyon -in-> France", "France -pays-> Euro"}


def _facts(graph: KnowledgeGraph) -> set[str]:
    return {graph.fact_text(i) for i in range(len(graph))}


def _write(folder: Path, name: str, text: str | bytes) -> Path:
    path = folder / name
    data = text.encode() if isinstance(text, str) else text
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


def _literals(*literals: str) -> str:
    return "".join(f"<http://x/e{i}> <http://x/p> {text} .\n" for i, text in enumerate(literals))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("f.ttl", TURTLE.replace(' ; x:name "Lyon"@fr', "")),
        ("f.ttl.gz", TURTLE.replace(' ; x:name "Lyon"@fr', "")),
        ("f.trig", TRIG),
        ("f.nq", QUADS),
        ("f.nt", QUADS.replace("<http://x.org/g> ", "").replace("<http://x.org/h> ", "")),
        ("f.rdf", RDF_XML),
    ],
)
def test_every_rdf_format_gives_the_same_facts(tmp_path, name, text):
    assert _facts(load_source(_write(tmp_path, name, text))) == EXPECTED


def test_graph_names_of_quads_are_left_out_and_that_is_said(tmp_path):
    said = load_source(_write(tmp_path, "f.nq", QUADS)).notes["reading"]
    assert said == ["Facts of 2 graphs are read together; graph names are left out."]


def test_an_iri_and_a_literal_of_one_name_stay_two_entities(tmp_path):
    assert _facts(load_source(_write(tmp_path, "f.ttl", TURTLE))) == {
        "<http://x.org/Lyon> -in-> France",
        "<http://x.org/Lyon> -name-> Lyon",
        "France -pays-> Euro",
    }


@pytest.mark.parametrize("escaped", ["Krak\\u00F3w", "Krak\\U000000F3w", "Krak%C3%B3w"])
def test_escapes_in_an_iri_are_decoded(tmp_path, escaped):
    text = (
        f"<http://x/{escaped}> <http://x/in> <http://x/Poland> .\n"
        "<http://x/Poland> <http://x/monnaie_utilis\\u00E9e> <http://x/Z\\u0142oty> .\n"
    )
    assert _facts(load_source(_write(tmp_path, "f.nt", text))) == {
        "Kraków -in-> Poland",
        "Poland -monnaie utilisée-> Złoty",
    }


def test_one_iri_written_with_and_without_escapes_is_one_relation(tmp_path):
    text = (
        "<http://x/Lyon> <http://x/utilis\\u00E9e> <http://x/a> .\n"
        "<http://x/Nice> <http://x/utilisée> <http://x/b> .\n"
    )
    assert load_source(_write(tmp_path, "f.nt", text)).relations == ("utilisée",)


@pytest.mark.parametrize("code", ["\\UFFFFFFFF", "\\U00110000", "\\uD800"])
@pytest.mark.parametrize("place", ['"Ly{}on"', "<http://x/Ly{}on>"])
def test_an_escape_beyond_unicode_is_one_sentence(tmp_path, code, place):
    text = _literals('"fine"', place.format(code), '"fine too"')
    path = _write(tmp_path, "f.nt", text)
    with pytest.raises(
        HopscopeError, match=r"line 2 is not an N-Triples statement \(.*escape sequence"
    ):
        load_source(path)
    graph = load_source(path, options={"skip_broken": True})
    assert len(graph) == 2
    assert graph.notes["report"]["broken"] == 1


def test_bytes_that_are_no_utf8_are_one_broken_line(tmp_path):
    path = _write(
        tmp_path, "f.nt", _literals('"a"').encode() + b'<http://x/b> <http://x/p> "\xe9" .\n'
    )
    with pytest.raises(HopscopeError, match="line 2 is not an N-Triples"):
        load_source(path)
    report = load_source(path, options={"skip_broken": True}).notes["report"]
    assert (report["broken"], report["statements"]) == (1, 1)


def test_a_percent_code_that_is_no_utf8_stays_as_it_is(tmp_path):
    text = "<http://x/caf%E9> <http://x/in> <http://x/a%0Ab> .\n"
    assert _facts(load_source(_write(tmp_path, "f.nt", text))) == {"caf%E9 -in-> a%0Ab"}


def test_broken_turtle_is_refused_even_if_broken_lines_may_be_left_out(tmp_path):
    path = _write(tmp_path, "f.ttl", TURTLE + "x:Lyon x:in nonsense .\nx:a x:b x:c .\n")
    for options in ({}, {"skip_broken": True}):
        with pytest.raises(HopscopeError, match="line 5 is not turtle"):
            load_source(path, options=options)


MERGED = ['"Gift"@en', '"Gift"@de', '" Gift "', '"1"^^<http://t/int>', '"01"^^<http://t/int>']


def test_literals_of_one_text_are_merged_with_a_count(tmp_path):
    graph = load_source(_write(tmp_path, "f.nt", _literals(*MERGED)))
    assert _facts(graph) == {
        "e0 -p-> Gift",
        "e1 -p-> Gift",
        "e2 -p-> Gift",
        "e3 -p-> 1",
        "e4 -p-> 01",
    }
    report = graph.notes["report"]
    assert (report["literals"], report["literals_merged"]) == (5, 3)
    assert graph.notes["reading"] == [
        "Literals are named by their text, without language, type and outer spaces: 1 names stand "
        'for several literals ("Gift"@en = "Gift"@de = " Gift ").'
    ]


def test_literals_of_one_text_can_be_kept_apart(tmp_path):
    path = _write(tmp_path, "f.nt", _literals(*MERGED))
    graph = load_source(path, options={"literals": "apart"})
    objects = {graph.entities[o] for o in graph.facts[:, 2]}
    assert objects == {'"Gift"@en', '"Gift"@de', '" Gift "', "1", "01"}
    assert graph.notes["report"]["literals_merged"] == 0
    assert "(1 texts) keep their full form" in graph.notes["reading"][0]


XSD = "http://www.w3.org/2001/XMLSchema#"
PAIRS = [  # relation, two spellings of its object; one literal by RDF 1.1 if the third says so
    ("id", f'"007"^^<{XSD}integer>', f'"7"^^<{XSD}integer>', False),
    ("price", f'"1.10"^^<{XSD}decimal>', f'"1.1"^^<{XSD}decimal>', False),
    ("true", f'"true"^^<{XSD}boolean>', f'"1"^^<{XSD}boolean>', False),
    ("born", f'"1969-07-20Z"^^<{XSD}date>', f'"1969-07-20+00:00"^^<{XSD}date>', False),
    ("word", '"chat"@fr', '"chat"@FR', True),
    ("name", '"Lyon"', f'"Lyon"^^<{XSD}string>', True),
    ("city", '"Lyon"@fr', '"Lyon"@en', False),
]


def test_kept_apart_literals_are_counted_as_the_standard_counts_them(tmp_path):
    """Of these 14 lines rdflib's graph makes 10 facts and pyoxigraph's store 8."""
    lines = (f"<http://e/a> <http://e/{r}> {o} .\n" for r, *both, _ in PAIRS for o in both)
    path = _write(tmp_path, "f.nt", "".join(lines))
    apart = load_source(path, multi_valued="mark", options={"literals": "apart"})
    assert len(apart) == sum(1 if same else 2 for *_, same in PAIRS) == 12
    assert {"a -id-> 007", "a -id-> 7"} <= _facts(apart)
    merged = load_source(path, multi_valued="mark")
    assert len(merged) == 11  # the city's two languages are one name


def test_line_breaks_of_a_literal_stay_escapes(tmp_path):
    text = _literals('"two\\nlines\\u0007"', '"two lines"')
    assert {f.split("-> ")[1] for f in _facts(load_source(_write(tmp_path, "f.nt", text)))} == {
        "two\\nlines\\u0007",
        "two lines",
    }


def test_a_statement_about_a_statement_is_broken_and_an_empty_literal_too(tmp_path):
    text = "<http://x/a> <http://x/p> <<( <http://x/b> <http://x/p> <http://x/c> )>> .\n"
    with pytest.raises(HopscopeError, match="about a statement"):
        load_source(_write(tmp_path, "f.nt", text))
    with pytest.raises(HopscopeError, match="has an empty name"):
        load_source(_write(tmp_path, "g.nt", _literals('" "')))
