"""The answerers that do not compose, one question at a time, from their docstrings
(`circuits.corpus.shortcuts`, `circuits.corpus.relation_rules`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable

import numpy as np

from circuits.corpus.names import ID_TEST, TRAIN
from circuits.corpus.queries import Queries
from circuits.runs.run import Run

Answerer = Callable[[tuple[int, ...]], int]
"""The token that is answered to a question's tokens."""
Way = tuple[int, int]
"""How one fact gives an answer: (1, relation) to the object, (2, relation) back to the subject."""
COPY: Way = (0, 0)

Asked = list[tuple[tuple[int, ...], int]]
"""Questions with their right answers."""


def asked_of(run: Run, split: str) -> Asked:
    """All questions of a split."""
    queries: Queries = run.queries(split)
    rows = zip(queries.token_ids.tolist(), queries.answer_ids.tolist(), strict=True)
    return [(tuple(tokens), answer) for tokens, answer in rows]


def answerers(run: Run) -> dict[str, Answerer]:
    """Every answerer of a run, taught on its trained questions."""
    trained = asked_of(run, TRAIN)
    majority = lookup(trained, lambda q: ())
    if run.corpus.task == "comparison":  # (attribute, entity 1, entity 2)
        return {
            "attribute_entity_1": lookup(trained, lambda q: q[:2]),
            "attribute_entity_2": lookup(trained, lambda q: (q[0], q[2])),
            "attribute": lookup(trained, lambda q: q[0]),
            "majority": majority,
        }
    first = len(run.vocab.entities)
    facts = {(int(s), first + int(r)): int(o) for s, r, o in run.graph.facts}
    return {
        "h_r2": lookup(trained, lambda q: (q[0], q[2])),
        "r1_r2": lookup(trained, lambda q: (q[1], q[2])),
        "h_r1": lookup(trained, lambda q: (q[0], q[1])),
        "majority": majority,
        "copy_subject": lambda q: q[0],
        "inverse_r1": _inverse(trained),
        "same_fact": _same_fact(trained, facts),
        "one_fact": one_fact(trained, facts, majority),
    }


def best_accuracy(run: Run, split: str = ID_TEST) -> tuple[str, float]:
    """The best answerer of a split and its accuracy there."""
    asked = asked_of(run, split)
    rates = {
        name: float(np.mean([answers(q) == right for q, right in asked]))
        for name, answers in answerers(run).items()
    }
    best = max(rates, key=lambda name: rates[name])
    return best, rates[best]


def beyond(run: Run) -> list[bool]:
    """Whether each ID question is one that no answerer answers rightly."""
    every = answerers(run).values()
    return [all(answers(q) != right for answers in every) for q, right in asked_of(run, ID_TEST)]


def lookup(trained: Asked, part: Callable[[tuple[int, ...]], Hashable]) -> Answerer:
    """The most frequent answer to what shares that part, the smallest in a tie; of all where
    nothing does.

    >>> trained = [((0, 5), 2), ((0, 6), 1), ((1, 5), 3), ((1, 6), 3)]
    >>> by_first = lookup(trained, lambda q: q[0])
    >>> by_first((0, 9)), by_first((1, 9)), by_first((7, 9))
    (1, 3, 3)
    """
    counts: dict[Hashable, Counter[int]] = {}
    overall: Counter[int] = Counter()
    for q, right in trained:
        counts.setdefault(part(q), Counter())[right] += 1
        overall[right] += 1
    return lambda q: _most(counts.get(part(q), overall))


def _most(counts: Counter[int]) -> int:
    return min(counts, key=lambda answer: (-counts[answer], answer))


def _inverse(trained: Asked) -> Answerer:
    """The subject where it was right more often than the usual answer to these relations."""
    usual = lookup(trained, lambda q: q[1:])
    copied: Counter[Hashable] = Counter()
    for q, right in trained:
        copied[q[1:]] += (right == q[0]) - (right == usual(q))
    return lambda q: q[0] if copied[q[1:]] > 0 else usual(q)


def _same_fact(trained: Asked, facts: dict[tuple[int, int], int]) -> Answerer:
    """The answer to the last other trained question that is the same up to duplicate relations."""
    named = _names(facts)
    usual = lookup(trained, lambda q: ())

    def meant(q: tuple[int, ...]) -> tuple[int, ...]:
        return (q[0], named[q[1]], named[q[2]])

    known: dict[tuple[int, ...], dict[tuple[int, ...], int]] = {}
    for q, right in trained:
        known.setdefault(meant(q), {})[q] = right

    def answers(q: tuple[int, ...]) -> int:
        others = [right for other, right in known.get(meant(q), {}).items() if other != q]
        return others[-1] if others else usual(q)

    return answers


def _names(facts: dict[tuple[int, int], int]) -> dict[int, int]:
    """One relation for each group of duplicates, which share half of the smaller one's facts."""
    pairs: dict[int, set[tuple[int, int]]] = {}
    for (s, r), o in facts.items():
        pairs.setdefault(r, set()).add((s, o))
    named = {r: r for r in pairs}
    for r in pairs:
        for q in pairs:
            if 2 * len(pairs[r] & pairs[q]) >= min(len(pairs[r]), len(pairs[q])):
                named = {x: named[r] if name == named[q] else name for x, name in named.items()}
    return named


def one_fact(trained: Asked, facts: dict[tuple[int, int], int], usual: Answerer) -> Answerer:
    """It knows the facts and makes one hop: by (r1, r2) it answers what was right most often among
    the trained, h or an object or the only subject of h."""
    hops = _one_hop(facts)
    best: dict[tuple[int, ...], Counter[Way]] = {}
    for q, right in trained:
        hits = best.setdefault(q[1:], Counter())
        hits.update(way for way, offer in _offers(hops, q[0]).items() if offer == right)

    def answers(q: tuple[int, ...]) -> int:
        hits = best.get(q[1:], Counter())
        way = min(hits, key=lambda way: (-hits[way], way), default=COPY)
        return _offers(hops, q[0]).get(way, usual(q))

    return answers


def _offers(hops: dict[int, dict[Way, int]], h: int) -> dict[Way, int]:
    return {COPY: h, **hops.get(h, {})}


def _one_hop(facts: dict[tuple[int, int], int]) -> dict[int, dict[Way, int]]:
    """By entity: its objects, and the subjects that it is the object of if there is one."""
    found: dict[int, dict[Way, int]] = {}
    subjects = Counter((o, r) for (_, r), o in facts.items())
    for (s, r), o in facts.items():
        found.setdefault(s, {})[1, r] = o
        if subjects[o, r] == 1:
            found.setdefault(o, {})[2, r] = s
    return found
