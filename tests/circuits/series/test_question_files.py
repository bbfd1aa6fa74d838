"""Questions from a file, for models that never saw data of ours."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from grokked_folders import composition_data, grokked_series

from analyses import analyze
from circuits.errors import HopscopeError
from circuits.series.importing import import_series
from circuits.series.questions import COLUMNS, read_questions

WORLD = [
    ("Lyon", "country", "France", "currency", "Euro"),
    ("Turin", "country", "Italy", "currency", "Euro"),
    ("Lyon", "country", "France", "capital", "Paris"),
]


def as_csv(path: Path, rows: Sequence[Sequence[str]], *more: str) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([(*COLUMNS, *more), *rows])
    return path


def as_jsonl(path: Path, rows: Sequence[Sequence[str]]) -> Path:
    lines = (json.dumps(dict(zip(COLUMNS, row, strict=True))) for row in rows)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_the_graph_is_what_the_rows_say(tmp_path: Path) -> None:
    corpus = read_questions(as_csv(tmp_path / "world.csv", WORLD)).corpus
    graph = corpus.graph
    assert [graph.fact_text(row) for row in range(len(graph))] == [
        "France -capital-> Paris",
        "France -currency-> Euro",
        "Italy -currency-> Euro",
        "Lyon -country-> France",
        "Turin -country-> Italy",
    ]
    asked = corpus.queries("asked")
    assert [query.text for query in asked] == [
        "Lyon -country-> France -currency-> Euro",
        "Turin -country-> Italy -currency-> Euro",
        "Lyon -country-> France -capital-> Paris",
    ]
    assert len(corpus.queries("train_inferred")) == 0


def test_both_kinds_of_file_say_the_same(tmp_path: Path) -> None:
    one = read_questions(as_csv(tmp_path / "world.csv", WORLD))
    other = read_questions(as_jsonl(tmp_path / "world.jsonl", WORLD))
    assert one.texts == other.texts
    assert (one.corpus.graph.facts == other.corpus.graph.facts).all()


def test_splits_are_taken_from_the_file(tmp_path: Path) -> None:
    rows = [
        (*row, split) for row, split in zip(WORLD, ("train_inferred", "id_test", ""), strict=True)
    ]
    corpus = read_questions(as_csv(tmp_path / "world.csv", rows, "split")).corpus
    sizes = {name: len(queries) for name, queries in corpus.splits.items()}
    assert sizes == {
        "train_inferred": 1, "id_test": 1, "asked": 1, "atomic_id": 2, "atomic_ood": 3
    }  # fmt: skip


CONTRADICTION = [*WORLD, ("Nice", "country", "France", "currency", "Franc")]
BAD: dict[str, tuple[Sequence[Sequence[str]], str]] = {
    "contradiction": (
        CONTRADICTION,
        r"row 5 says that 'France' has 'currency' 'Franc', but row 2 says 'Euro'",
    ),
    "a name missing": ([*WORLD, ("Nice", "country", "", "in", "Euro")], "row 5 has no bridge"),
    "an entity as relation": ([("a", "b", "c", "a", "d")], "'a' is both an entity and a relation"),
    "nothing": ([], "holds no question"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD)
def test_bad_rows_are_named(kind: str, tmp_path: Path) -> None:
    rows, sentence = BAD[kind]
    with pytest.raises(HopscopeError, match=sentence):
        read_questions(as_csv(tmp_path / "world.csv", rows))


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("w.jsonl", '{"subject": "a"}\n{', r"row 1 has no relation_1"),
        ("w.jsonl", "[1]\n", r"row 1 is not a table"),
        ("w.jsonl", "{\n", r"row 1 is not JSON"),
        ("w.txt", "a\n", r"does not end in \.csv"),
        ("w.csv", ",".join((*COLUMNS, "split")) + "\na,r,b,s,c,mine\n", "unknown split 'mine"),
    ],
)
def test_bad_files_are_refused(name: str, text: str, sentence: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(HopscopeError, match=sentence):
        read_questions(tmp_path / name)


def test_a_series_is_asked_the_questions_of_a_file(tmp_path: Path) -> None:
    """The same questions as from its data give the same accuracy."""
    data = composition_data(tmp_path / "data")
    grokked_series(tmp_path / "out", data, (0, 20), n_layer=1)
    known = import_series(tmp_path / "out", tmp_path / "known", data=data)
    queries = known.queries("train_inferred")
    name = queries.vocab.name
    asked = [(*q.tokens[:2], q.bridge, q.tokens[2], q.answer) for q in queries]
    rows = [tuple(f"<{name(token)}>" for token in tokens) for tokens in asked]
    file = as_csv(tmp_path / "asked.csv", rows)
    run = import_series(tmp_path / "out", tmp_path / "run", questions=file)
    assert run.rows()[-1]["accuracy/asked"] == known.rows()[-1]["accuracy/train_inferred"]
    assert run.baselines == {}
    assert run.grok["grok_step"] is None
    found = analyze(run, "causal_tracing", progress=False, n_jobs=1)
    assert found.coords["split"].values.tolist() == ["asked"]


def test_names_of_several_tokens_are_counted_and_the_first_named(tmp_path: Path) -> None:
    data = composition_data(tmp_path / "data")
    grokked_series(tmp_path / "out", data, (0, 1), n_layer=1)
    file = as_csv(tmp_path / "world.csv", WORLD)
    with pytest.raises(HopscopeError, match=r"9 of the 9 names are not one token .*'Euro' first"):
        import_series(tmp_path / "out", tmp_path / "run", questions=file)
    with pytest.raises(HopscopeError, match="give either --data"):
        import_series(tmp_path / "out", tmp_path / "run")
