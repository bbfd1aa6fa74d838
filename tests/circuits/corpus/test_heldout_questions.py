"""What a source asks, and what its records imply, are held out and counted apart."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from random_graphs import recipe

from circuits.corpus.build import build_corpus
from circuits.corpus.corpus import Corpus

N = 60


def questions() -> list[dict]:
    """Films and directors: compositional questions about mothers, comparisons of birthplaces."""

    def record(kind: str, number: int, evidences: list[list[str]]) -> dict:
        said = {"question": "?", "answer": evidences[-1][2], "evidences": evidences}
        return {"_id": f"{kind} {number}", "type": kind} | said

    def chain(i: int, second: str) -> list[list[str]]:
        return [[f"film {i}", "director", f"man {i}"], [f"man {i}", second, f"{second} {i % 9}"]]

    asked = [record("compositional", i, chain(i, "mother")) for i in range(N)]
    halves = [
        record("bridge_comparison", i, chain(i, "birthplace") + chain((i + 7) % N, "birthplace"))
        for i in range(N)
    ]
    return asked + halves


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    path: Path = tmp_path_factory.mktemp("wiki") / "train.json"
    path.write_text(json.dumps(questions()))
    settings = {"ood_share": 0.0, "id_test_items": 20, "heldout_real_items": 25}
    return build_corpus(recipe(source={"name": "two_wiki", "path": str(path)}, splits=settings))


def test_only_what_people_ask_is_held_out_as_real(corpus: Corpus) -> None:
    mother = corpus.vocab.relation("mother")
    assert len(corpus.queries("heldout_real")) == 25
    assert set(corpus.queries("heldout_real").token_ids[:, 2].tolist()) == {mother}


def test_halves_of_comparisons_follow_where_too_few_are_asked(tmp_path: Path) -> None:
    records = questions()
    path = tmp_path / "train.json"
    path.write_text(json.dumps(records[:10] + records[N:]))
    settings = {"ood_share": 0.0, "id_test_items": 10, "heldout_real_items": 17}
    corpus = build_corpus(recipe(source={"name": "two_wiki", "path": str(path)}, splits=settings))
    mother, birthplace = (corpus.vocab.relation(r) for r in ("mother", "birthplace"))
    assert set(corpus.queries("heldout_real").token_ids[:, 2].tolist()) == {mother}
    assert set(corpus.queries("heldout_derived").token_ids[:, 2].tolist()) == {birthplace}
    sizes = corpus.report["splits"]
    assert (sizes["heldout_real"], sizes["heldout_derived"]) == (10, 7)


def test_questions_whose_second_hop_is_trained_are_counted(corpus: Corpus) -> None:
    """Each mother is asked for in one question, so no held-out one has its last hop in training."""
    assert corpus.report["diversity"]["heldout_real"]["second_hop_seen"] == 0
    trained = corpus.queries("train_inferred")
    assert not np.isin(
        corpus.queries("heldout_real").bridge_ids[:, 0],
        trained.bridge_ids[trained.token_ids[:, 2] == corpus.vocab.relation("mother"), 0],
    ).any()
