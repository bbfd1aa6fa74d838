"""What the README says of the two runs that come with it, computed a second time.

The second way is slow and shares no code with the first: one question at a time, in NumPy
(`tests/support/numpy_model.py`), with donors and partners drawn here. Where the README counts 1,000
questions and this counts 100, the two may differ by chance; `near` allows three standard errors.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy_model import answer, block, embedded, weights_of

from circuits.runs.run import Run, open_run

ASSETS = Path(__file__).parents[2] / "assets"
N = 100


@cache
def run_of(name: str) -> Run:
    return open_run(ASSETS / name)


@cache
def facts_of(name: str) -> dict[tuple[int, int], int]:
    """Object's token by (subject's token, relation's token)."""
    run = run_of(name)
    first = len(run.vocab.entities)
    return {(int(s), first + int(r)): int(o) for s, r, o in run.graph.facts}


def questions(name: str, split: str = "id_test", n: int = N) -> np.ndarray:
    """Tokens [n, 3] of questions drawn from a split."""
    asked = run_of(name).queries(split).token_ids
    chosen = np.random.default_rng(1).permutation(len(asked))[:n]
    return np.asarray(asked[chosen])


def rightly(name: str, question: np.ndarray) -> int:
    """The right answer by the graph."""
    facts = facts_of(name)
    return facts[facts[question[0], question[1]], question[2]]


def accuracy(name: str, step: int, split: str = "id_test") -> float:
    w = weights_of(ASSETS / name, step)
    right = []
    for question in questions(name, split):
        resid = block(w, 1, block(w, 0, embedded(w, question)))
        right.append(answer(w, resid) == rightly(name, question))
    return float(np.mean(right))


def with_donors(name: str) -> Iterator[tuple[np.ndarray, np.ndarray, int]]:
    """(question, donor question, the answer that the donor's bridge leads to)."""
    facts, rng = facts_of(name), np.random.default_rng(2)
    pool = questions(name, n=10_000)
    for question in questions(name):
        for i in rng.permutation(len(pool)):
            leads_to = facts.get((facts[pool[i][0], pool[i][1]], question[2]))
            if leads_to is not None and leads_to != rightly(name, question):
                yield question, pool[i], leads_to
                break


def swap(name: str, step: int) -> float:
    """Share of answers that become the donor bridge's when S[1, relation 1] is the donor's."""
    w = weights_of(ASSETS / name, step)
    follows = []
    for question, donor, leads_to in with_donors(name):
        resid = block(w, 0, embedded(w, question))
        resid[1] = block(w, 0, embedded(w, donor))[1]
        follows.append(answer(w, block(w, 1, resid)) == leads_to)
    return float(np.mean(follows))


def route_alone(name: str, step: int, interchange: bool) -> float:
    """Of the right answers, those that stay right when attention at the last position sees nothing
    of the subject, and of relation 1 only what was computed there.

    What it sees instead is the mean over questions, or another question's.
    """
    w, asked = weights_of(ASSETS / name, step), questions(name)
    before = [[embedded(w, q), block(w, 0, embedded(w, q))] for q in asked]
    mean = np.mean(before, axis=0)
    others = np.random.default_rng(3).permutation(len(asked))
    stays = []
    for row, question in enumerate(asked):
        clean = block(w, 1, before[row][1])
        if answer(w, clean) != rightly(name, question):
            continue
        other = before[others[row]] if interchange else mean
        resid = embedded(w, question)
        for i in range(2):
            computed = before[row][i][1] - before[row][0][1]
            seen = np.stack([other[i][0], other[0][1] + computed, resid[2]])
            resid = block(w, i, resid, seen)
        stays.append(answer(w, resid) == rightly(name, question))
    return float(np.mean(stays))


def near(said: float, n: int = N) -> object:
    """Within three standard errors of a share of n, and of rounding."""
    return pytest.approx(said, abs=3 * np.sqrt(max(said * (1 - said), 0.01) / n) + 0.005)


def test_textbook_memorizes_long_before_it_generalizes() -> None:
    assert accuracy("textbook", 800, "train_inferred") == near(0.99)
    for step, said in ((800, 0.03), (2800, 0.19), (4000, 0.72), (6400, 0.98), (8500, 1.0)):
        assert accuracy("textbook", step) == near(said)


def test_answers_of_textbook_follow_a_swapped_bridge_more_and_more() -> None:
    for step, said in ((800, 0.05), (2800, 0.21), (4000, 0.70), (8500, 0.97)):
        assert swap("textbook", step) == near(said)


def test_the_two_hop_route_alone_answers_for_textbook() -> None:
    assert route_alone("textbook", 8500, interchange=False) == near(1.0)
    assert route_alone("textbook", 8500, interchange=True) == near(0.98)


def test_half_of_the_answers_of_the_demo_follow_a_swapped_bridge() -> None:
    assert accuracy("demo", 600) == near(0.47)
    assert accuracy("demo", 6000) == near(0.978)
    assert swap("demo", 6000) == near(0.556)
    assert route_alone("demo", 6000, interchange=False) == near(0.71)
    assert route_alone("demo", 6000, interchange=True) == near(0.36)
