"""Questions for a model that never saw data of ours, from a CSV or JSONL file.

Columns: subject, relation_1, bridge, relation_2, answer and, if the file has it, split (one of
our names of question splits). The graph is what the rows say: (subject, relation_1, bridge) and
(bridge, relation_2, answer). A name is one token of the model, written as its tokenizer writes it
(a space before a word included).

A row without a split is in `ASKED`. It is a split of its own because nothing is known about it:
calling it `id_test` would say that the model was trained on both facts and never on the question.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from circuits.corpus.build import atomic_queries, chain_queries
from circuits.corpus.names import (
    ASKED,
    TEST_QUESTIONS,
    TRAIN,
    TRAINED_QUESTIONS,
)
from circuits.corpus.vocab import Vocab
from circuits.errors import HopscopeError, unknown_name
from circuits.graph.knowledge_graph import KnowledgeGraph
from circuits.series.recovered import Recovered, recovered

COLUMNS = ("subject", "relation_1", "bridge", "relation_2", "answer")
SPLITS = (*TRAINED_QUESTIONS, *TEST_QUESTIONS)


def read_questions(path: str | Path) -> Recovered:
    """The corpus of a question file.

    Args:
        path: A file that ends in .csv, .jsonl or .ndjson.

    Raises:
        HopscopeError: naming the row, if one lacks a name, if two contradict each other, or if a
            name is used both for an entity and for a relation.
    """
    file = Path(path)
    rows = _rows(file)
    facts: dict[tuple[str, str], tuple[str, int]] = {}
    for number, (subject, relation_1, bridge, relation_2, answer, _) in rows:
        _state(facts, file, number, (subject, relation_1, bridge))
        _state(facts, file, number, (bridge, relation_2, answer))
    triples = [(s, r, o) for (s, r), (o, _) in facts.items()]
    graph = KnowledgeGraph.from_triples(file.stem, triples, notes={"source": file.name})
    if both := sorted(set(graph.entities) & set(graph.relations)):
        raise HopscopeError(
            f"{file}: {both[0]!r} is both an entity and a relation, and one token cannot be both; "
            "rename one of them."
        )
    return _corpus(graph, rows)


def _corpus(graph: KnowledgeGraph, rows: list[tuple[int, tuple[str, ...]]]) -> Recovered:
    named = ((graph.entities[s], graph.relations[r]) for s, r, _ in graph.facts.tolist())
    place = {key: i for i, key in enumerate(named)}
    chains: dict[str, list[list[int]]] = {TRAIN: []}
    for _, (subject, relation_1, bridge, relation_2, _, split) in rows:
        chain = [place[subject, relation_1], place[bridge, relation_2]]
        chains.setdefault(split, []).append(chain)
    vocab = Vocab(graph.entities, graph.relations)
    known = np.zeros(len(graph), bool)
    known[np.array(chains[TRAIN] or chains.get(ASKED, []), np.int64)] = True
    splits = {
        name: chain_queries(graph, vocab, np.array(found, np.int64).reshape(-1, 2))
        for name, found in chains.items()
    } | atomic_queries(graph, vocab, known)
    notes = [
        "The questions come from a file, so what else the model was trained on is unknown; facts "
        f"count as ID if they occur in {TRAIN}, or in {ASKED} where the file has no {TRAIN}."
    ]
    texts = (*graph.entities, *graph.relations)
    return recovered("composition", graph, vocab, texts, splits, (TRAIN,), known, notes)


def _state(
    facts: dict[tuple[str, str], tuple[str, int]],
    file: Path,
    number: int,
    fact: tuple[str, str, str],
) -> None:
    subject, relation, obj = fact
    known, first = facts.setdefault((subject, relation), (obj, number))
    if known != obj:
        raise HopscopeError(
            f"{file}, row {number} says that {subject!r} has {relation!r} {obj!r}, but row {first} "
            f"says {known!r}; correct one of them."
        )


def _rows(file: Path) -> list[tuple[int, tuple[str, ...]]]:
    """Row number and the six values of each question; the header of a CSV file is row 1."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise HopscopeError(f"{file} cannot be read as text: {error}.") from None
    if file.suffix == ".csv":
        rows: Iterable[tuple[int, Any]] = enumerate(csv.DictReader(io.StringIO(text)), 2)
    elif file.suffix in (".jsonl", ".ndjson"):
        lines = text.splitlines()
        rows = ((i, _object(file, i, line)) for i, line in enumerate(lines, 1) if line.strip())
    else:
        raise HopscopeError(f"{file} does not end in .csv, .jsonl or .ndjson; rename it.")
    found = [(number, _question(file, number, row)) for number, row in rows]
    if not found:
        raise HopscopeError(f"{file} holds no question; each needs {', '.join(COLUMNS)}.")
    return found


def _object(file: Path, number: int, line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        raise HopscopeError(f"{file}, row {number} is not JSON.") from None


def _question(file: Path, number: int, row: Any) -> tuple[str, ...]:
    if not isinstance(row, dict):
        raise HopscopeError(f"{file}, row {number} is not a table of {', '.join(COLUMNS)}.")
    for column in COLUMNS:
        if not isinstance(row.get(column), str) or not row[column]:
            raise HopscopeError(
                f"{file}, row {number} has no {column}; each row needs {', '.join(COLUMNS)}."
            )
    split = row.get("split") or ASKED
    if split not in (*SPLITS, ASKED):
        raise unknown_name("split", f"{split} ({file}, row {number})", (*SPLITS, ASKED))
    return (*(row[column] for column in COLUMNS), split)
