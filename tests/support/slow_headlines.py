"""Headline numbers of a run of compositions, computed a second time and slowly.

One question at a time, in NumPy (`numpy_model`), from what the docstrings of the analyses say.
Donors, partners and placebos are drawn here and not as there, so that two numbers agree up to
chance: `within` says how far apart two shares may be.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy_model import Weights, answer, block, embedded, states, top_token, weights_of

from circuits.corpus.names import ID_TEST, TRAIN
from circuits.runs.run import open_run

Place = tuple[int, int]
"""(layer, position) of a state."""
AFTER_ONE_BLOCK: Place = (1, 1)
"""S[1, relation 1], the only state of two blocks that has seen the first hop and can be used."""


class SlowRun:
    """A run, how many questions of a split are asked, and from how many a lens learns."""

    def __init__(self, path: Path, n: int, learns_from: int = 1000) -> None:
        self.path, self.n, self.run = path, n, open_run(path)
        self.learns_from = learns_from
        model = tomllib.loads((path / "recipe.toml").read_text())["model"]
        self.order = [*range(model["n_layers"])] * model["n_passes"]
        """The blocks in the order in which they are run."""

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

    def weights(self, step: int) -> Weights:
        """The weights of a checkpoint."""
        return weights_of(self.path, step)

    def states(self, w: Weights, question: np.ndarray) -> list[np.ndarray]:
        """S[0], S[1], ..., the last after all blocks."""
        return states(w, question, self.order)

    def answers(self, w: Weights, question: np.ndarray) -> int:
        """The model's answer."""
        return answer(w, self.states(w, question)[-1])

    def accuracy(self, step: int, split: str = ID_TEST, n: int | None = None) -> float:
        """Share of right answers."""
        w = self.weights(step)
        asked = self.questions(split, n)
        return float(np.mean([self.answers(w, q) == self.rightly(q) for q in asked]))

    def best_place(self, step: int) -> Place:
        """The state, usable and not the subject's, whose swaps turn most trained answers."""
        depth = len(self.order)
        places = [(layer, position) for layer in range(1, depth) for position in (1, 2)]
        return max(places, key=lambda at: self.swap(step, TRAIN, at, n=60))

    def swap(
        self, step: int, split: str = ID_TEST, at: Place = AFTER_ONE_BLOCK, n: int | None = None
    ) -> float:
        """Share of answers that become the donor bridge's when a state is the donor's."""
        w = self.weights(step)
        follows = [
            self.swapped(w, question, donor, at) == leads_to
            for question, donor, leads_to in self.with_donors(split, n)
        ]
        return float(np.mean(follows)) if follows else float("nan")

    def kept_with_same_bridge(self, step: int) -> float:
        """Share of answers that stay with a donor that has the same bridge by another first hop."""
        w, rng = self.weights(step), np.random.default_rng(4)
        pool = self.questions(n=10_000)
        stays = []
        for question in self.questions():
            clean = self.answers(w, question)
            for i in rng.permutation(len(pool)):
                donor = pool[i]
                unlike = donor[0] != question[0] and donor[1] != question[1]
                if unlike and self.bridge(donor) == self.bridge(question):
                    stays.append(self.swapped(w, question, donor) == clean)
                    break
        return float(np.mean(stays))

    def placebo(self, step: int, at: Place = AFTER_ONE_BLOCK) -> float:
        """Share of answers that become what the real donor leads to with the state of a random
        other question, whose bridge leads elsewhere."""
        w, rng = self.weights(step), np.random.default_rng(5)
        pool = self.questions(n=10_000)
        follows = []
        for question, _, leads_to in self.with_donors(ID_TEST):
            other = pool[rng.integers(len(pool))]
            if self.facts.get((self.bridge(other), question[2])) != leads_to:
                follows.append(self.swapped(w, question, other, at) == leads_to)
        return float(np.mean(follows))

    def swapped(self, w: Weights, question: np.ndarray, donor: np.ndarray, *at: Place) -> int:
        """The answer when the states at these places are the donor's; S[1, relation 1] if none."""
        places = at or (AFTER_ONE_BLOCK,)
        theirs = states(w, donor, self.order[: max(layer for layer, _ in places)])
        resid = embedded(w, question)
        for layer in range(len(self.order) + 1):
            if layer:
                resid = block(w, self.order[layer - 1], resid)
            for position in (p for where, p in places if where == layer):
                resid[position] = theirs[layer][position]
        return answer(w, resid)

    def with_donors(
        self, split: str, n: int | None = None
    ) -> Iterator[tuple[np.ndarray, np.ndarray, int]]:
        """(question, donor question, the answer that the donor's bridge leads to)."""
        rng = np.random.default_rng(2)
        pool = self.questions(split, n=10_000)
        for question in self.questions(split, n):
            for i in rng.permutation(len(pool)):
                leads_to = self.facts.get((self.bridge(pool[i]), question[2]))
                if leads_to is not None and self._only_by_bridge(question, pool[i], leads_to):
                    yield question, pool[i], leads_to
                    break

    def _only_by_bridge(self, question: np.ndarray, donor: np.ndarray, leads_to: int) -> bool:
        """Whether the answer is another one, and only the donor's bridge brings the question to it:
        neither its own answer nor its subject or relations, each at its place."""
        h, r1, r2 = (int(name) for name in question)
        other, q1, q2 = (int(name) for name in donor)
        if h == other or r1 == q1 or leads_to in (self.rightly(question), self.rightly(donor)):
            return False
        replaced = [(other, r1, r2), (h, q1, r2), (h, r1, q2)]
        return leads_to not in [
            self.facts.get((self.facts.get((a, b), -1), c)) for a, b, c in replaced
        ]

    def route(
        self, step: int, *, interchange: bool, excluded: bool = False, split: str = ID_TEST
    ) -> float:
        """Of the right answers, those that stay right when attention at the last position sees
        nothing of the subject, and of relation 1 only what was computed there; excluded: when it
        sees everything but what was computed at relation 1.

        What it sees instead is the mean over questions, or another question's.
        """
        stays = self.right_when_cut(step, self.questions(split), interchange, excluded)
        stays = [kept for right, kept in stays if right]
        return float(np.mean(stays)) if stays else float("nan")

    def right_when_cut(
        self, step: int, asked: np.ndarray, interchange: bool, excluded: bool
    ) -> list[tuple[bool, bool]]:
        """Whether each question is answered rightly, and whether it still is when cut."""
        w = self.weights(step)
        every = [self.states(w, q) for q in asked]
        before = [resid[:-1] for resid in every]
        mean = np.mean(before, axis=0)
        others = self._partners(asked) if interchange else None
        found = []
        for row, question in enumerate(asked):
            other = mean if others is None else before[others[row]]
            resid = embedded(w, question)
            for layer, i in enumerate(self.order):
                resid = block(w, i, resid, _seen(before[row], other, layer, resid, excluded))
            right = self.rightly(question)
            found.append((answer(w, every[row][-1]) == right, answer(w, resid) == right))
        return found

    def _partners(self, asked: np.ndarray) -> list[int]:
        """For each question another one with none of its tokens, another bridge and answer."""
        rng, partners = np.random.default_rng(3), []
        for question in asked:
            order = rng.permutation(len(asked))
            mine = {self.bridge(question), self.rightly(question)}
            alike = [
                len({*asked[i].tolist()} & {*question.tolist()})
                + len({self.bridge(asked[i]), self.rightly(asked[i])} & mine)
                for i in order
            ]
            partners.append(int(order[int(np.argmin(alike))]))
        return partners

    def decoded(self, step: int, split: str = ID_TEST, layer: int = 1) -> float:
        """Share of questions whose bridge is the top token at S[layer, relation 1] after a ridge
        translation into the last state there, which is learned from other first hops."""
        w, rng = self.weights(step), np.random.default_rng(6)
        hops = sorted({(int(q[0]), int(q[1])) for q in self.questions(TRAIN, n=100_000)})
        hops = [hops[i] for i in rng.permutation(len(hops))]
        asked, right = self.questions(split), []
        known: dict[tuple[int, int], list[np.ndarray]] = {}
        for fold in (0, 1):  # half of the first hops are read, and the lens learns from the others
            mine = [q for q in asked if (7 * q[0] + 3 * q[1]) % 2 == fold]
            read = {(int(q[0]), int(q[1])) for q in mine}
            others = [hop for hop in hops if hop not in read][: self.learns_from]
            for hop in (hop for hop in others if hop not in known):
                known[hop] = [s[1] for s in self.states(w, np.array([*hop, hop[1]]))]
            times = (others * self.learns_from)[: self.learns_from]  # each first hop in turn
            translate = _ridge([known[hop] for hop in times], layer)
            right += [
                top_token(w, translate(self.states(w, q)[layer][1])) == self.bridge(q) for q in mine
            ]
        return float(np.mean(right))

    def best_layer(self, step: int) -> int:
        """The usable layer at which most bridges of trained questions are decoded."""
        layers = range(1, len(self.order))
        if len(layers) == 1:
            return layers[0]
        few = SlowRun(self.path, 200)
        return max(layers, key=lambda layer: few.decoded(step, TRAIN, layer))

    def decoded_after_the_last_block(self, step: int) -> float:
        """Share of questions whose bridge is the top token of the last state of relation 1."""
        w = self.weights(step)
        found = [top_token(w, self.states(w, q)[-1][1]) == self.bridge(q) for q in self.questions()]
        return float(np.mean(found))


def within(said: float, found: float, n: int) -> bool:
    """Whether two shares, each of about n questions with draws of its own, differ by no more than
    three standard errors of such a difference.

    >>> within(0.50, 0.60, 100), within(0.50, 0.75, 100)
    (True, False)
    """
    return abs(said - found) <= 3 * np.sqrt(2 * max(said * (1 - said), 0.01) / n) + 0.005


def _seen(
    own: list[np.ndarray], other: np.ndarray, layer: int, resid: np.ndarray, excluded: bool
) -> np.ndarray:
    """Keys and values for the last position of the block after this layer."""
    computed = [state[layer][1] - state[0][1] for state in (own, other)]
    if excluded:
        return np.stack([own[layer][0], own[0][1] + computed[1], resid[2]])
    return np.stack([other[layer][0], other[0][1] + computed[0], resid[2]])


def _ridge(pairs: list[list[np.ndarray]], layer: int):  # type: ignore[no-untyped-def]
    """The affine map from a layer to the last one that is nearest to the identity, with a penalty
    of one variance."""
    x, y = (np.array([pair[i] for pair in pairs]) for i in (layer, -1))
    mean, target = x.mean(0), y.mean(0)
    x, y = x - mean, y - target
    gram = x.T @ x + (x**2).mean() * np.eye(x.shape[1])
    matrix = np.eye(x.shape[1]) + np.linalg.solve(gram, x.T @ (y - x))
    return lambda state: (state - mean) @ matrix + target
