"""Coverage by arrays equals the definitions, taken literally, on graphs that one can count."""

from __future__ import annotations

from collections import defaultdict
from itertools import combinations

import numpy as np
import pytest
from hand_wired import random_corpus

from circuits.corpus.coverage import EVERY, FIRST_HOP, every_fragment, k_cutoff
from circuits.corpus.queries import Queries
from circuits.corpus.vocab import Vocab

VOCAB = Vocab(tuple("abcdxyz"), tuple(f"r{i}" for i in range(6)))


def questions(*rows: str) -> Queries:
    """From "a0 1 x": subject and relation_1, relation_2, answer."""
    table = []
    for row in rows:
        first, second, answer = row.split()
        entity, relation = VOCAB.entities.index, VOCAB.first_relation
        hop = (entity(first[0]), relation + int(first[1]), relation + int(second))
        table.append((*hop, entity(answer)))
    found = np.array(table, np.int32).reshape(-1, 4)
    none = np.zeros((len(found), 1), np.int32)
    return Queries("composition", VOCAB, found[:, :3], none, found[:, 3])


def test_the_cutoff_is_the_number_of_contexts_that_show_two_first_hops_alike() -> None:
    trained = questions(
        "a0 1 x", "a0 2 y", "b0 1 x", "b0 2 y", "b0 3 z",  # a0 and b0 agree twice
        "c0 1 x", "c0 4 y",  # and c0 with each of them once
    )  # fmt: skip
    asked = questions("a0 3 z", "c0 3 z", "a0 4 y", "a0 5 x", "b0 3 z", "d0 3 z")
    assert k_cutoff(trained, asked).tolist() == [2, 1, 1, 0, EVERY, 0]


def test_one_contradiction_ends_an_equivalence_whatever_else_agrees() -> None:
    agreeing = ("a0 1 x", "a0 2 y", "b0 1 x", "b0 2 y", "b0 3 z")
    contradicting = (*agreeing, "a0 4 x", "b0 4 y")
    asked = questions("a0 3 z")
    assert k_cutoff(questions(*agreeing), asked).tolist() == [2]
    assert k_cutoff(questions(*contradicting), asked).tolist() == [0]


def test_equivalence_is_transitive_and_as_strong_as_its_weakest_link() -> None:
    trained = questions(
        "a0 1 x", "a0 2 y", "b0 1 x", "b0 2 y", "b0 3 z", "c0 3 z", "c0 4 x", "d0 4 x", "d0 5 y"
    )
    asked = questions("a0 3 z", "a0 4 x", "a0 5 y")
    assert k_cutoff(trained, asked).tolist() == [2, 1, 1]


def test_a_twin_relation_covers_what_the_first_hop_does_not() -> None:
    """Relations 1 and 2 act alike after both first hops that are shown with them."""
    trained = questions("a0 1 x", "a0 2 x", "b0 1 y", "b0 2 y", "c0 1 z")
    asked = questions("c0 2 z")
    assert k_cutoff(trained, asked).tolist() == [0]
    assert k_cutoff(trained, asked, every_fragment(3)).tolist() == [2]


@pytest.mark.parametrize("fragments", [FIRST_HOP, every_fragment(3)])
@pytest.mark.parametrize("seed", [0, 1])
def test_a_literal_reading_of_the_definitions_gives_the_same(fragments, seed: int) -> None:
    corpus = random_corpus(5, 5, seed)
    trained, asked = corpus.queries("train_inferred"), corpus.queries("id_test")
    found = k_cutoff(trained, asked, fragments)
    assert len(set(found.tolist())) > 1
    assert found.tolist() == _literally(trained, asked, fragments)


def test_questions_with_an_ood_first_hop_are_never_covered_by_first_hops() -> None:
    corpus = random_corpus(16, 6)
    trained = corpus.queries("train_inferred")
    for split in ("oi_test", "ood_test"):
        assert k_cutoff(trained, corpus.queries(split)).tolist() == [0] * len(corpus.queries(split))
    assert k_cutoff(trained, corpus.queries("id_test")).max() >= 2
    assert set(k_cutoff(trained, trained).tolist()) == {EVERY}


def test_no_questions_have_no_cutoffs() -> None:
    trained = questions("a0 1 x")
    assert k_cutoff(trained, questions()).tolist() == []
    assert k_cutoff(questions(), trained).tolist() == [0]


def _literally(trained: Queries, asked: Queries, fragments) -> list[int]:
    seen = {
        tuple(row): int(a)
        for row, a in zip(trained.token_ids.tolist(), trained.answer_ids, strict=True)
    }
    every = dict(seen)
    for row, a in zip(asked.token_ids.tolist(), asked.answer_ids, strict=True):
        every[tuple(row)] = int(a)
    cutoffs = dict.fromkeys(map(tuple, asked.token_ids.tolist()), 0)
    for k in range(1, 30):
        near = defaultdict(set)
        for positions in fragments:
            alike = _equivalent(seen, positions, k)
            for one, other in combinations(every, 2):
                inside = [tuple(q[p] for p in positions) for q in (one, other)]
                outside = [
                    tuple(q[p] for p in range(3) if p not in positions) for q in (one, other)
                ]
                same = inside[0] == inside[1] or inside[1] in alike[inside[0]]
                if outside[0] == outside[1] and every[one] == every[other] and same:
                    near[one].add(other)
                    near[other].add(one)
        reached, open_ = set(seen), list(seen)
        while open_:
            for other in near[open_.pop()] - reached:
                reached.add(other)
                open_.append(other)
        for question in cutoffs:
            if question in reached:
                cutoffs[question] = k
    return [cutoffs[tuple(row)] for row in asked.token_ids.tolist()]


def _equivalent(seen: dict, positions: tuple, k: int) -> dict:
    """For each fragment all fragments that a chain of k-equivalences reaches."""
    behaviour: dict = defaultdict(dict)
    for question, answer in seen.items():
        inside = tuple(question[p] for p in positions)
        outside = tuple(question[p] for p in range(3) if p not in positions)
        behaviour[inside][outside] = answer
    direct = defaultdict(set)
    for one, other in combinations(behaviour, 2):
        shared = set(behaviour[one]) & set(behaviour[other])
        if len(shared) >= k and all(behaviour[one][c] == behaviour[other][c] for c in shared):
            direct[one].add(other)
            direct[other].add(one)
    closed = defaultdict(set)
    for start in behaviour:
        found, open_ = {start}, [start]
        while open_:
            for other in direct[open_.pop()] - found:
                found.add(other)
                open_.append(other)
        closed[start] = found - {start}
    return closed
