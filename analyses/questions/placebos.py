"""Placebo questions: the same later relations after an unrelated first hop.

What can be read at relation_2 is in part given away by relation_2 itself: most questions that ask
for a currency have one of a few answers. A placebo keeps the later relations and replaces the first
hop (h, r1) by another fact (h', r1') whose subject, relation and object (the bridge) all differ,
and to whose object the later relations apply. What a state holds of the *original* question's
names in a placebo's run, it would hold whatever the first hop.

The draw is uniform over such facts and depends on the seed and the question alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int

from analyses.questions.corruptions import NO_FACT, Chains, FactTable, hashed
from analyses.questions.examples import Examples

_POOL = 20_000  # first hops are drawn from at most this many facts
_PAIRS_AT_ONCE = 2_000_000


@dataclass(frozen=True)
class Placebos:
    """A placebo for each question."""

    tokens: Int[np.ndarray, "n pos"]
    """Token ids; the question's own where there is no placebo."""
    valid: Bool[np.ndarray, " n"]


def draw_placebos(examples: Examples, seed: int = 0) -> Placebos:
    """A placebo for each of the examples, which are compositions.

    >>> from analyses.questions.examples import draw_examples
    >>> from circuits import open_run
    >>> examples = draw_examples(open_run("assets/demo").corpus, "id_test", 5)
    >>> placebos = draw_placebos(examples)
    >>> same = examples.queries.asked_ids == placebos.tokens
    >>> same.all(0).tolist()  # subject, relation_1, relation_2
    [False, False, True]
    """
    graph, queries = examples.corpus.graph, examples.queries
    facts = graph.facts[~graph.multi_valued]
    if len(facts) > _POOL:
        facts = facts[np.sort(np.random.default_rng([seed, 5]).permutation(len(facts))[:_POOL])]
    table, chains = FactTable.of(graph), Chains.of(queries)
    step = max(1, _PAIRS_AT_ONCE // max(1, len(facts)))
    chosen = np.concatenate(
        [
            _draw(chains.rows(slice(i, i + step)), facts, table, seed)
            for i in range(0, len(queries), step)
        ]
    )
    valid = chosen >= 0
    tokens = queries.asked_ids.copy()
    tokens[valid, 0] = facts[chosen[valid], 0]
    tokens[valid, 1] = facts[chosen[valid], 1] + queries.vocab.first_relation
    return Placebos(tokens, valid)


def _draw(
    chains: Chains, facts: Int[np.ndarray, "fact 3"], table: FactTable, seed: int
) -> Int[np.ndarray, " n"]:
    """Row of the fact that is each question's new first hop; -1 if none fits."""
    subject, relation, obj = facts.T
    later = [chains.relations[:, j, None] for j in range(1, chains.relations.shape[1])]
    shape = (len(chains.answer), len(facts))
    allowed = table.follow(np.broadcast_to(obj, shape), later) > NO_FACT
    allowed &= subject != chains.stops[:, :1]
    allowed &= relation != chains.relations[:, :1]
    allowed &= obj != chains.stops[:, 1:2]
    question = hashed(seed, 5, chains.stops[:, 0], *chains.relations.T)
    priority = hashed(question[:, None], subject, relation)
    first = np.where(allowed, priority, np.iinfo(np.uint64).max).argmin(1)
    return np.where(allowed[np.arange(len(first)), first], first, -1)
