#!/usr/bin/env bash
# rdflib and pyoxigraph find different numbers of facts in one N-Triples file, and neither is the right one.
#
# Versions: rdflib 7.6.0, pyoxigraph 0.5.13.
#
# Behaviour: a graph is a set, so the count depends on when two literals are one. RDF 1.1 goes by spelling,
# datatype and language tag (in lower case), and a plain string is an xsd:string. rdflib rewrites
# spellings on reading ("007"^^xsd:integer becomes "7", "Z" becomes "+00:00", boolean "1" becomes "true"), so what
# differed merges, but it keeps "x" and "x"^^xsd:string apart, and decimals "1.10" and "1.1". pyoxigraph unites
# strings and tags as the standard says, and stores numbers, booleans and times by value, so that it merges those
# and the decimals, too.
#
# Why it surprises: N-Triples is the plainest of formats, one fact per line, with no prefixes and no inference, and
# both libraries are taken for faithful stores. A knowledge graph read through one and written again has
# other facts, other names (an identifier 007 is now 7), and other counts than through the other.
#
# Seen on 2026-11-28: 14 lines, 12 facts by the standard (13 to a reader that keeps the tags' case), 10 in
# rdflib, 8 in pyoxigraph.
set -euo pipefail
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq rdflib==7.6.0 pyoxigraph==0.5.13
cd "$work"
"$work/venv/bin/python" - <<'PY'
import sys
from collections import defaultdict

import pyoxigraph
import rdflib

XSD = "http://www.w3.org/2001/XMLSchema#"
# (relation, two spellings of the object, are they one by RDF 1.1?)
PAIRS = [
    ("id", f'"007"^^<{XSD}integer>', f'"7"^^<{XSD}integer>', False),
    ("price", f'"1.10"^^<{XSD}decimal>', f'"1.1"^^<{XSD}decimal>', False),
    ("true", f'"true"^^<{XSD}boolean>', f'"1"^^<{XSD}boolean>', False),
    ("born", f'"1969-07-20T20:17:00Z"^^<{XSD}dateTime>',
     f'"1969-07-20T20:17:00+00:00"^^<{XSD}dateTime>', False),
    ("word", '"chat"@fr', '"chat"@FR', True),
    ("name", '"Lyon"', f'"Lyon"^^<{XSD}string>', True),
    ("city", '"Lyon"@fr', '"Lyon"@en', False),
]
lines = [f"<http://e/a> <http://e/{r}> {o} .\n" for r, *both, _ in PAIRS for o in both]
standard = sum(1 if same else 2 for *_, same in PAIRS)

graph = rdflib.Graph().parse(data="".join(lines), format="nt")
store = pyoxigraph.Store()
store.load("".join(lines).encode(), format=pyoxigraph.RdfFormat.N_TRIPLES)

by_relation = {"rdflib": defaultdict(list), "pyoxigraph": defaultdict(list)}
for _, relation, value in graph:
    by_relation["rdflib"][str(relation)[len("http://e/"):]].append(value.n3())
for quad in store:
    by_relation["pyoxigraph"][quad.predicate.value[len("http://e/"):]].append(str(quad.object))
for relation, *both, same in PAIRS:
    short = {k: [t.replace(XSD, "xsd:") for t in sorted(v[relation])] for k, v in by_relation.items()}
    print(f"{relation:6s} by RDF 1.1 {1 if same else 2} | rdflib {len(short['rdflib'])} "
          f"{short['rdflib']} | pyoxigraph {len(short['pyoxigraph'])} {short['pyoxigraph']}")
print(len(lines), "lines |", standard, "facts by RDF 1.1 |", len(graph), "in rdflib |",
      len(store), "in pyoxigraph")

rewritten = any(v.startswith('"7"') for v in by_relation["rdflib"]["id"]) and not any(
    "007" in v for v in by_relation["rdflib"]["id"]
)
holds = (len(lines), standard, rewritten) == (14, 12, True) and standard not in (len(graph), len(store))
sys.exit(0 if holds and len(graph) != len(store) else "the behaviour has changed")
PY
