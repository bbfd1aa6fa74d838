"""Triples from RDF files: N-Triples, N-Quads, Turtle, TriG and RDF/XML.

pyoxigraph does the parsing: it streams, decodes every escape, has no dependencies of its own, and
is faster than rdflib. Terms get readable names:

1. An IRI is named by its last part ("Old Lyon" for <http://x.org/Old_Lyon>), unless another term
   of the file would have the same name: then it keeps its full form.
2. A literal is named by its text, without language, type and outer spaces; "1" and "01" are two
   texts, as in the standard (RDF 1.1; the stores of both libraries rewrite or merge them by value,
   the parser used here does not). Control characters stay written as escapes ("two\\nlines").
3. Graph names of quads are left out.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import unquote

from circuits.errors import HopscopeError
from circuits.graph.names import UNWRITABLE, name_fault
from circuits.graph.sources.formats.files import opened
from circuits.graph.sources.formats.reading import Reading, Row

if TYPE_CHECKING:
    from pyoxigraph import Quad

RdfKind = Literal["ntriples", "nquads", "turtle", "trig", "rdfxml"]
_FORMATS: dict[RdfKind, str] = {
    "ntriples": "N_TRIPLES",
    "nquads": "N_QUADS",
    "turtle": "TURTLE",
    "trig": "TRIG",
    "rdfxml": "RDF_XML",
}
_BY_LINE = ("ntriples", "nquads")
_SHORT_ESCAPES = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}
_EXAMPLES = 3  # merged literals that a sentence quotes
Term = Any
"""A node or literal of pyoxigraph; equal terms are equal and hash alike."""


def rdf_rows(
    reading: Reading, kind: RdfKind, *, short_names: bool, literals: Literal["merge", "apart"]
) -> list[Row]:
    """The triples of a file, by readable names.

    Args:
        reading: The file, and the record that collects what is found in it.
        kind: The format.
        short_names: Name an IRI by its last part.
        literals: How different literals with the same text are named, see `TriplesOptions`.
    """
    reading.counts = {"statements": 0}
    terms: dict[Term, int] = {}
    number = terms.setdefault
    triples: list[tuple[int, int, int]] = []
    graphs = set()
    for quad in _quads(reading, kind):
        s = number(quad.subject, len(terms))
        r = number(quad.predicate, len(terms))
        triples.append((s, r, number(quad.object, len(terms))))
        graphs.add(quad.graph_name)
    if len(graphs) > 1:
        reading.say(f"Facts of {len(graphs):,} graphs are read together; graph names are left out.")
    named = _named(reading, terms, short_names, literals)
    name = [named.get(term, "") for term in terms]
    rows = ((name[s], name[r], name[o]) for s, r, o in triples)
    return [row for row in rows if all(row)]


def _quads(reading: Reading, kind: RdfKind) -> Iterator[Quad]:
    """The statements; broken lines of N-Triples or N-Quads are noted and skipped."""
    from pyoxigraph import RdfFormat, parse  # imported here: only these formats need it

    last = 0
    with opened(reading.file) as stream:
        # lenient: IRIs as they are found in dumps, with spaces or without a scheme
        parser = parse(input=stream, format=getattr(RdfFormat, _FORMATS[kind]), lenient=True)
        while True:
            try:
                quad = next(parser)
            except StopIteration:
                return
            except SyntaxError as error:
                why = re.sub(r"^Parser error[^:]*: | \(line \d+\)$", "", error.msg)
                if kind not in _BY_LINE:  # the parser cannot go on, and an unknown part is lost
                    raise HopscopeError(
                        f"{reading.file}: line {error.lineno} is not {kind} ({why})."
                    ) from None
                if error.lineno != last:
                    last = error.lineno or 0
                    reading.broken.add(f"line {last}", "", f"is not an {_spoken(kind)} ({why})")
                continue
            reading.counts["statements"] += 1
            yield quad


def _spoken(kind: RdfKind) -> str:
    return {"ntriples": "N-Triples statement", "nquads": "N-Quads statement"}[kind]


def _named(
    reading: Reading, terms: dict[Term, int], short_names: bool, literals: Literal["merge", "apart"]
) -> dict[Term, str]:
    """The name of every term; a term without a valid name is noted as broken and left out."""
    from pyoxigraph import BlankNode, NamedNode
    from pyoxigraph import Literal as RdfLiteral

    iris: dict[Term, str] = {}
    texts: defaultdict[str, list[Term]] = defaultdict(list)
    name: dict[Term, str] = {}
    for term in terms:
        if isinstance(term, NamedNode):
            iris[term] = _short(term.value) if short_names else f"<{term.value}>"
        elif isinstance(term, BlankNode):
            name[term] = f"_:{term.value}"
        elif isinstance(term, RdfLiteral):
            text = UNWRITABLE.sub(_escaped, term.value).strip()
            texts[text].append(term)
        else:
            reading.broken.add("a statement", str(term), "is about a statement, which has no name")
    _name_literals(reading, texts, literals, name)
    users = Counter([*iris.values(), *name.values()])
    name |= {t: short if users[short] == 1 else f"<{t.value}>" for t, short in iris.items()}
    return _fit(reading, name)


def _name_literals(
    reading: Reading,
    texts: dict[str, list[Term]],
    literals: Literal["merge", "apart"],
    name: dict[Term, str],
) -> None:
    shared = {text: terms for text, terms in texts.items() if len(terms) > 1}
    for text, terms in texts.items():
        apart = literals == "apart" and text in shared
        name |= {t: UNWRITABLE.sub(_escaped, str(t)) if apart else text for t in terms}
    if not texts:
        return
    reading.counts["literals"] = sum(map(len, texts.values()))
    reading.counts["literals_merged"] = 0 if literals == "apart" else sum(map(len, shared.values()))
    examples = "; ".join(" = ".join(map(str, t)) for t in list(shared.values())[:_EXAMPLES])
    said = "Literals are named by their text, without language, type and outer spaces"
    if shared and literals == "merge":
        said += f": {len(shared):,} names stand for several literals ({examples})"
    elif shared:
        said += f"; those that share a text ({len(shared):,} texts) keep their full form"
    reading.say(f"{said}.")


def _fit(reading: Reading, name: dict[Term, str]) -> dict[Term, str]:
    fit = {}
    for term, text in name.items():
        try:
            fit[term] = reading.names[text]
            if not fit[term]:
                raise ValueError("has an empty name")
        except ValueError as problem:
            fit.pop(term, None)
            reading.broken.add("a term", str(term), str(problem))
    return fit


def _escaped(match: re.Match[str]) -> str:
    return _SHORT_ESCAPES.get(match[0]) or f"\\u{ord(match[0]):04X}"


def _short(iri: str) -> str:
    """The last part of an IRI: "Old Lyon" for http://x.org/page#Old_Lyon."""
    last = re.split(r"[/#]", iri.rstrip("/#"))[-1]
    try:
        plain = unquote(last, errors="strict")
    except UnicodeDecodeError:  # "%E9" is Latin-1, or no text at all
        plain = last
    plain = plain.replace("_", " ").strip()
    return last.replace("_", " ") if name_fault(plain) else plain or f"<{iri}>"
