"""Pairs of questions that differ in one token: with another answer, and as a placebo with the same.

For each position of a question:

- the *corrupted* question of causal tracing (`analyses.questions.corruptions`): another token,
  whose own answer t' exists and differs from t;
- its *placebo*: another token that leads to the same answer t. Writing an activation of the placebo
  does everything that patching does, except changing what the answer depends on.

In questions of many tokens a name is replaced, and `tokens` and `placebo` of a `Contrast` hold what
is asked (`Queries.asked_ids`).

Not every question has both; `valid` and `placebo_valid` of a `Contrast` say which do.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Int

from analyses.questions.corruptions import NO_FACT, FactTable, draw_corruptions, hashed
from analyses.questions.examples import Examples
from circuits.circuit.contrast_runs import Contrast, ContrastRuns
from circuits.corpus.queries import Queries
from circuits.model.protocol import Model
from circuits.patching.engines import engine_for, traced

_ROWS_AT_ONCE = 2_000_000


def draw_contrasts(examples: Examples, seed: int) -> tuple[Contrast, ...]:
    """One contrast per position, the same at every checkpoint."""
    return examples.once(("contrasts", seed), lambda: _draw(examples, seed))


def contrast_runs(model: Model, examples: Examples, seed: int) -> ContrastRuns:
    """The runs of some questions, and of what `draw_contrasts` makes of them, in one checkpoint."""
    queries, contrasts = examples.queries, draw_contrasts(examples, seed)
    if not queries.ragged:
        return ContrastRuns.of(model, queries.tokens, queries.answer, contrasts)
    engine = engine_for(model)
    return ContrastRuns(
        model,
        engine,
        contrasts,
        queries.answer.to(engine.device),
        traced(engine, queries),
        tuple(traced(engine, queries.asking(contrast.tokens)) for contrast in contrasts),
        tuple(traced(engine, queries.asking(contrast.placebo)) for contrast in contrasts),
    )


def _draw(examples: Examples, seed: int) -> tuple[Contrast, ...]:
    queries, corpus = examples.queries, examples.corpus
    found = []
    for p in range(queries.asked_ids.shape[1]):
        drawn = draw_corruptions(
            queries, corpus.graph, corpus.in_distribution, p, draws=1, reference=False, seed=seed
        )
        valid = drawn.valid[0] & (drawn.answer[0] >= 0)
        same = same_answer_tokens(
            queries,
            FactTable.of(corpus.graph),
            FactTable.of(corpus.graph, corpus.in_distribution),
            p,
            seed,
        )
        answer = np.where(valid, drawn.answer[0], queries.answer_ids)
        found.append(
            Contrast(
                changed=(p,),
                tokens=_with(queries, p, np.where(valid, drawn.tokens[0], NO_FACT)),
                other=answer if queries.names is None else queries.names.first[answer],
                valid=valid,
                placebo=_with(queries, p, same),
                placebo_valid=same >= 0,
            )
        )
    return tuple(found)


def same_answer_tokens(
    queries: Queries, known: FactTable, trained: FactTable, position: int, seed: int
) -> Int[np.ndarray, " n"]:
    """A token other than the question's own that leads to its answer; -1 where there is none.

    A subject is drawn from those of ID facts of the question's relation 1, a relation from those
    of ID facts of the entity that it is applied to; by a hash of seed, question and candidate, as
    corruptions are.
    """
    n_entities, n_relations = known.object.shape
    size = n_entities if position == 0 else n_relations
    step = max(1, _ROWS_AT_ONCE // size)
    parts = [
        _same_answer(queries.take(np.arange(i, min(i + step, len(queries)))), known, trained,
                     np.arange(size), position, seed)
        for i in range(0, len(queries), step)
    ]  # fmt: skip
    first = 0 if position == 0 else queries.vocab.first_relation
    chosen = np.concatenate(parts)
    return np.where(chosen >= 0, chosen + first, NO_FACT)


def _same_answer(
    queries: Queries,
    known: FactTable,
    trained: FactTable,
    pool: np.ndarray,
    position: int,
    seed: int,
) -> np.ndarray:
    n, first_relation = len(queries), queries.vocab.first_relation
    relations = queries.asked_ids[:, 1:] - first_relation
    candidates = np.broadcast_to(pool, (n, len(pool)))
    if position == 0:
        start, own = candidates, queries.asked_ids[:, 0]
        hops = [np.broadcast_to(r[:, None], candidates.shape) for r in relations.T]
        allowed = trained.object[candidates, hops[0]] != NO_FACT
    else:
        stops = np.column_stack([queries.asked_ids[:, 0], queries.bridge_ids])
        start = np.broadcast_to(stops[:, position - 1, None], candidates.shape)
        own = relations[:, position - 1]
        later = [np.broadcast_to(r[:, None], candidates.shape) for r in relations.T[position:]]
        hops = [candidates, *later]
        allowed = trained.object[start, candidates] != NO_FACT
    allowed = allowed & (candidates != own[:, None])
    allowed &= known.follow(start, hops) == queries.answer_ids[:, None]
    question = hashed(seed, 1 + position, queries.asked_ids[:, 0], *relations.T)
    priority = np.where(allowed, hashed(question[:, None], candidates), np.iinfo(np.uint64).max)
    best = priority.argmin(1)
    return np.where(allowed[np.arange(n), best], best, -1)


def _with(queries: Queries, position: int, tokens: np.ndarray) -> Int[np.ndarray, "n pos"]:
    """The questions with these tokens at a position; unchanged where a token is negative."""
    table = queries.asked_ids.astype(np.int64)
    table[:, position] = np.where(tokens >= 0, tokens, table[:, position])
    return table
