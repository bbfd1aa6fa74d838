"""Corrupted questions for causal tracing, and the table of facts they are judged by.

A question follows facts from a subject: (h, r1, ..., rk) leads over bridges to t. One token is
replaced, and the replacement is drawn uniformly from (*Grokked Transformers*, section 4 and code)

- for the subject: the subjects of ID facts,
- for relation j: the relations of ID facts of the entity that relation j is applied to,

leaving out replacements that also lead to t. The reference rules keep replacements that lead
nowhere (a fact on the way is missing); otherwise a replacement is drawn only if its own answer
exists and differs from t. Keys (subject, relation) with several objects have no single answer and
are never drawn.

Every candidate gets a pseudo-random priority from a hash of (seed, question, position, candidate),
and the smallest priorities win. A draw therefore depends on the question alone, not on the other
examples, the checkpoint or any order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int

from circuits.corpus.queries import Queries
from circuits.graph.knowledge_graph import KnowledgeGraph

NO_FACT, AMBIGUOUS = -1, -2
_ROWS_AT_ONCE = 2_000_000  # candidates


@dataclass(frozen=True)
class FactTable:
    """Object of every (subject, relation)."""

    object: Int[np.ndarray, "n_entities n_relations"]
    """`NO_FACT` where there is none, `AMBIGUOUS` where there are several."""

    @classmethod
    def of(
        cls, graph: KnowledgeGraph, rows: Bool[np.ndarray, " n_facts"] | None = None
    ) -> FactTable:
        """Table of all facts, or of those chosen by a mask."""
        facts = graph.facts if rows is None else graph.facts[rows]
        table = np.full((len(graph.entities), len(graph.relations)), NO_FACT, np.int32)
        s, r, o = facts.T
        table[s, r] = o
        several = table[s, r] != o
        table[s[several], r[several]] = AMBIGUOUS
        return cls(table)

    def follow(
        self, start: Int[np.ndarray, "*_"], relations: list[Int[np.ndarray, "*_"]]
    ) -> Int[np.ndarray, "*_"]:
        """The entity at the end of a chain of relations; `NO_FACT` or `AMBIGUOUS` if a step is."""
        at = start
        for relation in relations:
            step = self.object[np.maximum(at, 0), relation]
            at = np.where(at < 0, at, step)
        return at


@dataclass(frozen=True)
class Corruptions:
    """Replacements of the token at one position."""

    tokens: Int[np.ndarray, "draw n"]
    """Token ids; the question's own where `valid` is false."""
    valid: Bool[np.ndarray, "draw n"]
    """False where a question has fewer replacements."""
    answer: Int[np.ndarray, "draw n"]
    """The corrupted question's own answer, `NO_FACT` where there is none."""


def draw_corruptions(
    queries: Queries,
    graph: KnowledgeGraph,
    in_distribution: Bool[np.ndarray, " n_facts"],
    position: int,
    *,
    draws: int,
    reference: bool,
    seed: int,
) -> Corruptions:
    """Draw up to `draws` different replacements per question of the token at `position`."""
    known, trained = FactTable.of(graph), FactTable.of(graph, in_distribution)
    chains = Chains.of(queries)
    subjects = np.unique(graph.facts[in_distribution, 0])
    pool = subjects if position == 0 else np.arange(len(graph.relations))
    step = max(1, _ROWS_AT_ONCE // max(1, len(pool)))
    parts = [
        _draw(
            chains.rows(slice(i, i + step)), known, trained, pool, position, draws, reference, seed
        )
        for i in range(0, len(queries), step)
    ]
    chosen, answer = (np.concatenate(part, 1) for part in zip(*parts, strict=True))
    valid = chosen >= 0
    first = 0 if position == 0 else queries.vocab.first_relation
    tokens = np.where(valid, chosen + first, queries.asked_ids[:, position])
    return Corruptions(tokens, valid, np.where(valid, answer, NO_FACT))


@dataclass(frozen=True)
class Chains:
    """Questions as indices of entities and relations."""

    stops: Int[np.ndarray, "n hops"]
    """Subject, then bridges."""
    relations: Int[np.ndarray, "n hops"]
    answer: Int[np.ndarray, " n"]

    @classmethod
    def of(cls, queries: Queries) -> Chains:
        """The chains of composition questions, with any number of hops."""
        tokens = queries.asked_ids
        return cls(
            np.column_stack([tokens[:, 0], queries.bridge_ids]),
            tokens[:, 1:] - queries.vocab.first_relation,
            queries.answer_ids,
        )

    def rows(self, which: slice) -> Chains:
        """A slice of the questions."""
        return Chains(self.stops[which], self.relations[which], self.answer[which])


def _draw(
    chains: Chains,
    known: FactTable,
    trained: FactTable,
    pool: np.ndarray,
    position: int,
    draws: int,
    reference: bool,
    seed: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Chosen candidates (-1: none left) and where they lead, [draws, n] each."""
    n = len(chains.answer)
    candidates = np.broadcast_to(pool, (n, len(pool)))
    hops = [chains.relations[:, j, None] for j in range(chains.relations.shape[1])]
    if position == 0:
        allowed = np.ones(candidates.shape, bool)
        answer = known.follow(candidates, [np.broadcast_to(h, candidates.shape) for h in hops])
    else:
        at = np.broadcast_to(chains.stops[:, position - 1, None], candidates.shape)
        allowed = trained.object[at, candidates] != NO_FACT
        later = [np.broadcast_to(h, candidates.shape) for h in hops[position:]]
        answer = known.follow(at, [candidates, *later])
    allowed = allowed & (answer != chains.answer[:, None]) & (answer != AMBIGUOUS)
    if not reference:
        allowed &= answer != NO_FACT
    question = hashed(seed, position, chains.stops[:, 0], *chains.relations.T)
    priority = np.where(allowed, hashed(question[:, None], candidates), np.iinfo(np.uint64).max)
    draws_here = min(draws, len(pool))
    first = np.argsort(priority, 1, kind="stable")[:, :draws_here]
    taken = np.take_along_axis(allowed, first, 1)
    chosen = np.where(taken, np.take_along_axis(candidates, first, 1), -1)
    leads_to = np.take_along_axis(answer, first, 1)
    gap = ((0, 0), (0, draws - draws_here))
    return np.pad(chosen, gap, constant_values=-1).T, np.pad(leads_to, gap).T


def hashed(*parts: int | Int[np.ndarray, ...]) -> Int[np.ndarray, ...]:
    """Well-mixed 64-bit hash of integers, elementwise with broadcasting (SplitMix64)."""
    state = np.zeros((), np.uint64)
    with np.errstate(over="ignore"):
        for part in parts:
            state = state + np.asarray(part).astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
            state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            state = state ^ (state >> np.uint64(31))
    return state
