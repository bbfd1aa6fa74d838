"""Donors of bridge patches that are atomic prompts (h', r1') instead of questions.

Attention is causal, so S[i, relation_1] of any question (h', r1', ...) *is* the state of the
atomic prompt (h', r1'), bit for bit. Such a donor therefore adds nothing at that state to a
question with the same first hop; what it adds is the choice: every trained fact can lend its
object, whether or not a question of the split begins with it.

Donors are drawn as in `analyses.interventions.bridge_patching`: A = (h', r1') shares neither
subject nor relation with B = (h, r1, r2), and nothing but its object b' leads to the target r2(b').
"""

from __future__ import annotations

import numpy as np

from analyses.interventions.bridge_patching import Donors, lowest
from analyses.options.interventions import CONTROLS
from analyses.questions.corruptions import NO_FACT, Chains, FactTable, hashed
from analyses.questions.examples import Examples
from circuits.corpus.names import ATOMIC_ID

_MOST_FACTS = 4000


def draw_atomic_donors(examples: Examples, seed: int) -> Donors:
    """A donor per two-hop question and control, as the prompt (h', r1', r2) with B's own r2.

    Only its states at relation_1 are those of an atomic prompt.
    """
    queries, table = examples.queries, FactTable.of(examples.corpus.graph)
    first = queries.vocab.first_relation
    facts = examples.corpus.queries(ATOMIC_ID).asked_ids - [0, first]
    facts = facts[table.object[facts[:, 0], facts[:, 1]] >= 0]
    facts = np.random.default_rng([seed, 2]).permutation(facts)[:_MOST_FACTS]
    chosen, target = _draw(Chains.of(queries), facts, table, seed)
    own = queries.asked_ids[None, :, 2:].repeat(len(CONTROLS), 0)
    given = np.concatenate([facts[chosen] + [0, first], own], -1)
    tokens = np.where(chosen[..., None] >= 0, given, queries.asked_ids)
    return Donors(tokens, chosen, target)


def _draw(
    ours: Chains, facts: np.ndarray, table: FactTable, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """For each control an index into the facts (-1: none); and the target of the real donor."""
    h, bridge = ours.stops.T[..., None]
    r1, r2 = ours.relations.T[..., None]
    its_h, its_r1 = facts.T
    its_object = table.object[its_h, its_r1]
    leads_to = table.follow(its_object, [r2])
    elsewhere = (  # what the patched question could answer without the object's second hop
        np.broadcast_to(its_object, leads_to.shape),
        table.follow(its_h, [r2]),
        table.follow(its_h, [r1, r2]),
        table.follow(h, [its_r1, r2]),
    )

    def only_by_object(wanted: np.ndarray) -> np.ndarray:
        apart = (its_h != h) & (its_r1 != r1)
        return apart & np.logical_and.reduce([answer != wanted for answer in elsewhere])

    priority = hashed(hashed(seed, h, r1, r2), its_h, its_r1)
    other = its_object != bridge
    new = (leads_to >= 0) & (leads_to != ours.answer[:, None])
    chosen = lowest(priority, only_by_object(leads_to) & other & new)
    target = np.where(chosen >= 0, leads_to[np.arange(len(leads_to)), chosen], NO_FACT)
    placebo = only_by_object(target[:, None])
    same = lowest(priority, placebo & ~other)
    random = lowest(priority, placebo & other & (leads_to != target[:, None]))
    return np.where(chosen >= 0, np.stack([chosen, same, random]), -1), target
