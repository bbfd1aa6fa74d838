"""Headline numbers of a two-block run of compositions, computed a second time and slowly.

One question at a time, in NumPy (`numpy_model`), from what the docstrings of the analyses say.
Donors, partners and placebos are drawn here and not as there, so that two numbers agree up to
chance: `within` says how far apart two shares may be.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy_model import Weights, answer, block, embedded, top_token, weights_of

from circuits.corpus.names import ID_TEST, TRAIN
from circuits.runs.run import open_run

Way = tuple[int, int]
"""How one fact gives an answer: (1, relation) to the object, (2, relation) back to the subject."""
COPY: Way = (0, 0)


class SlowRun:
    """A run, and how many questions of a split are asked."""

    def __init__(self, path: Path, n: int) -> None:
        self.path, self.n, self.run = path, n, open_run(path)

    @property
    def last(self) -> int:
        """The last checkpoint's step."""
        return self.run.steps[-1]

    @cached_property
    def facts(self) -> dict[tuple[int, int], int]:
        """Object's token by (subject's token, relation's token)."""
        first = len(self.run.vocab.entities)
        return {(int(s), first + int(r)): int(o) for s, r, o in self.run.graph.facts}

    def questions(self, split: str = ID_TEST, n: int | None = None) -> np.ndarray:
        """Tokens [n, 3] of questions drawn from a split."""
        asked = self.run.queries(split).token_ids
        chosen = np.random.default_rng(1).permutation(len(asked))[: n or self.n]
        return np.asarray(asked[chosen])

    def bridge(self, question: np.ndarray) -> int:
        """The bridge by the graph."""
        return self.facts[question[0], question[1]]

    def rightly(self, question: np.ndarray) -> int:
        """The right answer by the graph."""
        return self.facts[self.bridge(question), question[2]]

    def states(self, w: Weights, question: np.ndarray) -> list[np.ndarray]:
        """S[0], S[1] and S[2]."""
        resid = [embedded(w, question)]
        for i in range(2):
            resid.append(block(w, i, resid[-1]))
        return resid

    def accuracy(self, step: int, split: str = ID_TEST) -> float:
        """Share of right answers."""
        w = weights_of(self.path, step)
        right = [answer(w, self.states(w, q)[2]) == self.rightly(q) for q in self.questions(split)]
        return float(np.mean(right))

    def swap(self, step: int, split: str = ID_TEST) -> float:
        """Share of answers that become the donor bridge's when S[1, relation 1] is the donor's."""
        w = weights_of(self.path, step)
        follows = [
            self._patched(w, question, donor) == leads_to
            for question, donor, leads_to in self._with_donors(split)
        ]
        return float(np.mean(follows))

    def kept_with_same_bridge(self, step: int) -> float:
        """Share of answers that stay with a donor that has the same bridge by another first hop."""
        w, rng = weights_of(self.path, step), np.random.default_rng(4)
        pool = self.questions(n=10_000)
        stays = []
        for question in self.questions():
            clean = answer(w, self.states(w, question)[2])
            for i in rng.permutation(len(pool)):
                donor = pool[i]
                unlike = donor[0] != question[0] and donor[1] != question[1]
                if unlike and self.bridge(donor) == self.bridge(question):
                    stays.append(self._patched(w, question, donor) == clean)
                    break
        return float(np.mean(stays))

    def placebo(self, step: int) -> float:
        """Share of answers that become what the real donor leads to with the state of a random
        other question, whose bridge leads elsewhere."""
        w, rng = weights_of(self.path, step), np.random.default_rng(5)
        pool = self.questions(n=10_000)
        follows = []
        for question, _, leads_to in self._with_donors(ID_TEST):
            other = pool[rng.integers(len(pool))]
            if self.facts.get((self.bridge(other), question[2])) != leads_to:
                follows.append(self._patched(w, question, other) == leads_to)
        return float(np.mean(follows))

    def _patched(self, w: Weights, question: np.ndarray, donor: np.ndarray) -> int:
        resid = block(w, 0, embedded(w, question))
        resid[1] = block(w, 0, embedded(w, donor))[1]
        return answer(w, block(w, 1, resid))

    def _with_donors(self, split: str) -> Iterator[tuple[np.ndarray, np.ndarray, int]]:
        """(question, donor question, the answer that the donor's bridge leads to)."""
        rng = np.random.default_rng(2)
        pool = self.questions(split, n=10_000)
        for question in self.questions(split):
            for i in rng.permutation(len(pool)):
                leads_to = self.facts.get((self.bridge(pool[i]), question[2]))
                if leads_to is not None and leads_to != self.rightly(question):
                    yield question, pool[i], leads_to
                    break

    def route(self, step: int, *, interchange: bool, excluded: bool = False) -> float:
        """Of the right answers, those that stay right when attention at the last position sees
        nothing of the subject, and of relation 1 only what was computed there; excluded: when it
        sees everything but what was computed at relation 1.

        What it sees instead is the mean over questions, or another question's.
        """
        w, asked = weights_of(self.path, step), self.questions()
        before = [self.states(w, q)[:2] for q in asked]
        mean = np.mean(before, axis=0)
        others = np.random.default_rng(3).permutation(len(asked))
        stays = []
        for row, question in enumerate(asked):
            if answer(w, block(w, 1, before[row][1])) != self.rightly(question):
                continue
            other = before[others[row]] if interchange else mean
            resid = embedded(w, question)
            for i in range(2):
                resid = block(w, i, resid, _seen(before[row], other, i, resid, excluded))
            stays.append(answer(w, resid) == self.rightly(question))
        return float(np.mean(stays))

    def decoded(self, step: int, split: str = ID_TEST) -> float:
        """Share of questions whose bridge is the top token at S[1, relation 1] after a ridge
        translation into S[2, relation 1], which is learned from other first hops."""
        w, rng = weights_of(self.path, step), np.random.default_rng(6)
        hops = sorted({(int(q[0]), int(q[1])) for q in self.questions(TRAIN, n=100_000)})
        hops = [hops[i] for i in rng.permutation(len(hops))[: max(500, self.n)]]
        known = {hop: [s[1] for s in self.states(w, np.array([*hop, hop[1]]))] for hop in hops}
        asked = self.questions(split)
        right = []
        for fold in (0, 1):  # half of the first hops are read, and the lens learns from the others
            mine = [q for q in asked if (7 * q[0] + 3 * q[1]) % 2 == fold]
            read = {(int(q[0]), int(q[1])) for q in mine}
            translate = _ridge([known[hop] for hop in hops if hop not in read])
            right += [
                top_token(w, translate(self.states(w, q)[1][1])) == self.bridge(q) for q in mine
            ]
        return float(np.mean(right))

    def decoded_after_the_last_block(self, step: int) -> float:
        """Share of questions whose bridge is the top token at S[2, relation 1]."""
        w = weights_of(self.path, step)
        found = [top_token(w, self.states(w, q)[2][1]) == self.bridge(q) for q in self.questions()]
        return float(np.mean(found))

    def one_fact(self, split: str = ID_TEST) -> float:
        """Accuracy of the answerer that knows the facts and makes one hop: by (r1, r2) it answers
        what was right most often among the trained, h or an object or the only subject of h."""
        best: dict[tuple[int, int], Counter[Way]] = {}
        for q in self.questions(TRAIN, n=1_000_000):
            hits = best.setdefault((int(q[1]), int(q[2])), Counter())
            right = self.rightly(q)
            hits.update(way for way, offer in self._offers(int(q[0])).items() if offer == right)
        found = []
        for q in self.questions(split):
            hits = best.get((int(q[1]), int(q[2])), Counter())
            way = min(hits, key=lambda way: (-hits[way], way), default=COPY)
            found.append(self._offers(int(q[0])).get(way) == self.rightly(q))
        return float(np.mean(found))

    def _offers(self, h: int) -> dict[Way, int]:
        return {COPY: h, **self._one_hop.get(h, {})}

    @cached_property
    def _one_hop(self) -> dict[int, dict[Way, int]]:
        """By entity: its objects, and the subjects that it is the object of if there is one."""
        found: dict[int, dict[Way, int]] = {}
        subjects = Counter((o, r) for (_, r), o in self.facts.items())
        for (s, r), o in self.facts.items():
            found.setdefault(s, {})[1, r] = o
            if subjects[o, r] == 1:
                found.setdefault(o, {})[2, r] = s
        return found


def within(said: float, found: float, n: int) -> bool:
    """Whether two shares of about n questions differ by no more than three standard errors.

    >>> within(0.50, 0.55, 100), within(0.50, 0.70, 100)
    (True, False)
    """
    return abs(said - found) <= 3 * np.sqrt(max(said * (1 - said), 0.01) / n) + 0.005


def _seen(
    own: list[np.ndarray], other: np.ndarray, i: int, resid: np.ndarray, excluded: bool
) -> np.ndarray:
    """Keys and values of block i for the last position."""
    computed = [state[i][1] - state[0][1] for state in (own, other)]
    if excluded:
        return np.stack([own[i][0], own[0][1] + computed[1], resid[2]])
    return np.stack([other[i][0], other[0][1] + computed[0], resid[2]])


def _ridge(pairs: list[list[np.ndarray]]):  # type: ignore[no-untyped-def]
    """The affine map from S[1] to S[2] nearest to the identity, with a penalty of one variance."""
    x, y = (np.array([pair[i] for pair in pairs]) for i in (1, 2))
    mean, target = x.mean(0), y.mean(0)
    x, y = x - mean, y - target
    gram = x.T @ x + (x**2).mean() * np.eye(x.shape[1])
    matrix = np.eye(x.shape[1]) + np.linalg.solve(gram, x.T @ (y - x))
    return lambda state: (state - mean) @ matrix + target
