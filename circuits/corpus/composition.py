"""Which facts and compositions are trained and which are tested.

Procedure (*Grokked Transformers*, arXiv 2405.15071, section 2 and appendix; IO/OI after Ye et al.,
arXiv 2505.23653):

1. A random share of the atomic facts is OOD, the rest ID. Both are trained as atomic facts.
2. All chains of facts (h, r1, b), (b, r2, t) are enumerated. A chain over a key
   (subject, relation) with several objects is ambiguous: neither trained nor tested. Nor is a
   chain that ends at its own subject, unless splits.returning allows it.
3. Chains of ID facts only (II) are divided into a held-out ID test and the pool; of the pool
   round(phi * number of ID facts) are trained. With splits.stratify = "bridge" every draw takes
   chains over all bridges in turn.
4. Chains of OOD facts only (OO) are the OOD test. Chains with one OOD fact are never trained
   (unless injected): IO has it as the last hop, OI as the first.

A chain is a row of fact indices; everything is an array operation over such rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Int

from circuits.corpus.draws import halved, sampled, stream
from circuits.corpus.names import (
    HELDOUT_DERIVED,
    HELDOUT_REAL,
    ID_TEST,
    INJECTED,
    IO_TEST,
    OI_TEST,
    OOD_TEST,
    TRAIN,
)
from circuits.errors import HopscopeError
from circuits.graph.knowledge_graph import PROVENANCES, KnowledgeGraph
from circuits.graph.paths import two_hop_paths
from circuits.recipes.schema import SplitsSection

MAX_CHAINS = 40_000_000
"""More chains than this are refused: they would not fit into a workstation's memory."""


@dataclass(frozen=True, eq=False)
class Partition:
    """Chains of facts by split, with counts and notes."""

    in_distribution: Bool[np.ndarray, " n_facts"]
    chains: dict[str, Int[np.ndarray, "n hops"]]
    """Rows of fact indices by split name."""
    counts: dict[str, int]
    """Chains before sampling: II, IO, OI, OO, ambiguous, returning (left out), chains, facts_id,
    facts_ood."""
    notes: list[str] = field(default_factory=list)
    """Sentences for the report: small and empty splits."""


@dataclass(frozen=True, eq=False)
class RealQuestions:
    """Chains of facts in a source's records."""

    asked: Int[np.ndarray, "a 2"]
    """Chains that the source asks about."""
    derived: Int[np.ndarray, "d 2"]
    """Chains that its records imply but that it does not ask about."""


def draw_in_distribution(n_facts: int, ood_share: float, seed: int) -> Bool[np.ndarray, " n_facts"]:
    """Mask of ID facts; exactly round(ood_share * n_facts) others are OOD."""
    mask = np.ones(n_facts, bool)
    mask[stream(seed, "id_ood").permutation(n_facts)[: round(ood_share * n_facts)]] = False
    return mask


def fact_chains(graph: KnowledgeGraph, hops: int = 2) -> Int[np.ndarray, "n hops"]:
    """All chains of `hops` facts in which each object is the next subject, sorted."""
    paths = two_hop_paths(graph)
    chains = np.column_stack([paths.first_fact, paths.second_fact])
    first = np.searchsorted(paths.first_fact, np.arange(len(graph) + 1))
    for _ in range(hops - 2):
        width = np.diff(first)[chains[:, -1]]
        total = int(width.sum())
        if total > MAX_CHAINS:
            raise HopscopeError(
                f"{graph.name}: {total:,} chains of {hops} facts; at most {MAX_CHAINS:,} are "
                "enumerated. Use fewer facts or splits.hops = 2."
            )
        offset = first[chains[:, -1]] - (np.cumsum(width) - width)
        following = paths.second_fact[np.arange(total) + np.repeat(offset, width)]
        chains = np.column_stack([np.repeat(chains, width, axis=0), following])
    return chains


def split_composition(
    graph: KnowledgeGraph,
    section: SplitsSection,
    phi: float | None,
    seed: int,
    real_questions: RealQuestions | None = None,
) -> Partition:
    """Divide facts and chains as the module's procedure says.

    Args:
        graph: The (augmented) graph.
        section: The recipe's [splits].
        phi: Trained inferred facts per ID fact; None trains the whole pool.
        seed: The recipe's seed.
        real_questions: Chains from the source's own records, held out before all others.

    Raises:
        HopscopeError: if there is no chain to train on, or phi asks for more than there are.
    """
    mask = draw_in_distribution(len(graph), section.ood_share, seed)
    groups, counts = _grouped(graph, mask, section)
    if not counts["II"]:
        raise HopscopeError(
            f"{graph.name}: no {section.hops}-hop path of ID facts, so composition cannot be "
            "trained. Give a graph in which some object is the subject of another fact, a "
            "smaller splits.ood_share, or augmentation.modes that add facts; attributes are "
            'compared with splits.task = "comparison".'
        )
    heldout, rest = _hold_out_real(graph, groups["II"], section, seed, real_questions)
    bridge = graph.facts[:, 2] if section.stratify == "bridge" else None
    test, pool = halved(rest, section.id_test_items, stream(seed, "id_test"), bridge)
    wanted = _n_trained(graph, len(pool), phi, counts["facts_id"])
    chains = {TRAIN: sampled(pool, wanted, stream(seed, "pool"), bridge), ID_TEST: test, **heldout}
    if section.inject_ood != "none":
        chains[INJECTED], groups["IO"], groups["OI"] = _inject(groups, mask, section, seed)
    draw = stream(seed, "tests")
    for name, group in ((OOD_TEST, "OO"), (IO_TEST, "IO"), (OI_TEST, "OI")):
        chains[name] = sampled(groups[group], section.max_test_items, draw, bridge)
    sizes = {name: len(rows) for name, rows in chains.items()}
    return Partition(mask, chains, counts, remarks(sizes, section))


def _grouped(
    graph: KnowledgeGraph, mask: Bool[np.ndarray, " n_facts"], section: SplitsSection
) -> tuple[dict[str, Int[np.ndarray, "n hops"]], dict[str, int]]:
    """(chains that may be asked, by which of their facts are OOD; counts of all)."""
    every = fact_chains(graph, section.hops)
    ambiguous = graph.multi_valued[every].any(1)
    returning = graph.facts[every[:, 0], 0] == graph.facts[every[:, -1], 2]
    returning &= ~ambiguous & (not section.returning)
    once = ~ambiguous & ~returning
    ood = ~mask[every]
    n_ood = ood.sum(1)
    groups = {
        "II": every[once & (n_ood == 0)],
        "IO": every[once & (n_ood == 1) & ood[:, -1]],
        "OI": every[once & (n_ood == 1) & ood[:, 0]],
        "OO": every[once & (n_ood == section.hops)],
    }
    counts = {name: len(rows) for name, rows in groups.items()}
    counts |= {"ambiguous": int(ambiguous.sum()), "returning": int(returning.sum())}
    counts["chains"] = len(every)
    counts |= {"facts_id": int(mask.sum()), "facts_ood": int((~mask).sum())}
    return groups, counts


def _n_trained(graph: KnowledgeGraph, n_pool: int, phi: float | None, n_id: int) -> int:
    """Number of trained inferred facts; refuses more than the pool has."""
    wanted = n_pool if phi is None else round(phi * n_id)
    if wanted > n_pool:
        raise HopscopeError(
            f"{graph.name}: augmentation.phi = {phi:g} needs {wanted:,} trained inferred facts "
            f"for its {n_id:,} ID facts, but there are {n_pool:,} besides the held-out ones; "
            f"the highest phi here is {np.floor(1000 * n_pool / n_id) / 1000:g}. Lower "
            "augmentation.phi or splits.id_test_items, or allow more augmentation.modes."
        )
    return wanted


def _hold_out_real(
    graph: KnowledgeGraph,
    pool: Int[np.ndarray, "n hops"],
    section: SplitsSection,
    seed: int,
    questions: RealQuestions | None,
) -> tuple[dict[str, Int[np.ndarray, "t hops"]], Int[np.ndarray, "p hops"]]:
    """(held out by split, rest): II chains of real facts.

    If the source asks questions, those come first, then the chains that its records imply.
    """
    if not section.heldout_real_items:
        return {}, pool
    real = (graph.provenance == PROVENANCES.index("real"))[pool].all(1)
    groups = {HELDOUT_REAL: real}
    if questions is not None:
        asked, derived = (_among(pool, rows) for rows in (questions.asked, questions.derived))
        groups = {HELDOUT_REAL: real & asked, HELDOUT_DERIVED: real & derived & ~asked}
    draw, free = stream(seed, "heldout_real"), min(section.heldout_real_items, len(pool) // 4)
    chains, rest = {}, np.ones(len(pool), bool)
    for name, group in groups.items():
        chosen = np.sort(draw.permutation(np.flatnonzero(group))[:free])
        if len(chosen) or name == HELDOUT_REAL:
            chains[name], rest[chosen], free = pool[chosen], False, free - len(chosen)
    return chains, pool[rest]


def _among(
    rows: Int[np.ndarray, "n hops"], wanted: Int[np.ndarray, "q hops"]
) -> Bool[np.ndarray, " n"]:
    """Which rows are among the wanted ones."""
    both = np.concatenate([wanted.astype(rows.dtype), rows])
    same = np.unique(both, axis=0, return_inverse=True)[1].reshape(-1)
    return np.isin(same[len(wanted) :], same[: len(wanted)])


def _inject(
    groups: dict[str, Int[np.ndarray, "n hops"]],
    mask: Bool[np.ndarray, " n_facts"],
    section: SplitsSection,
    seed: int,
) -> tuple[Int[np.ndarray, "k hops"], Int[np.ndarray, "a hops"], Int[np.ndarray, "b hops"]]:
    """(injected, rest of IO, rest of OI): each OOD fact goes into k chains per hop, with ID
    partners."""
    draw, taken = stream(seed, "inject"), {}
    for group, column, switch in (("OI", 0, "first_hop"), ("IO", -1, "second_hop")):
        rows = groups[group]
        if section.inject_ood in (switch, "both_hops"):
            order = draw.permutation(len(rows))
            by_fact = order[np.argsort(rows[order, column], kind="stable")]
            fact = rows[by_fact, column]
            place = np.arange(len(fact)) - np.searchsorted(fact, fact)
            chosen = by_fact[place < section.inject_per_fact]
        else:
            chosen = np.empty(0, np.int64)
        taken[group] = np.zeros(len(rows), bool)
        taken[group][chosen] = True
    injected = np.concatenate([groups["OI"][taken["OI"]], groups["IO"][taken["IO"]]])
    assert ((~mask[injected]).sum(1) == 1).all()
    return injected, groups["IO"][~taken["IO"]], groups["OI"][~taken["OI"]]


def remarks(sizes: dict[str, int], section: SplitsSection) -> list[str]:
    """Sentences on the test splits that are empty or smaller than asked for."""
    notes = []
    wanted = {ID_TEST: section.id_test_items, HELDOUT_REAL: section.heldout_real_items}
    for name, size in sizes.items():
        least = min(1000, wanted.get(name, section.max_test_items))
        if name in (TRAIN, INJECTED, HELDOUT_DERIVED) or size >= least:
            continue
        if not size:
            notes.append(f"{name} is empty: the graph has no such question.")
        else:
            notes.append(f"{name} has only {size:,} items: the graph has no more.")
    return notes


def chains_of_names(
    graph: KnowledgeGraph, named: Iterable[tuple[str, str, str, str, str]]
) -> Int[np.ndarray, "q 2"]:
    """Chains (h, r1, b, r2, t) of names as rows of facts; those not in the graph are dropped."""
    entity = {name: i for i, name in enumerate(graph.entities)}
    relation = {name: i for i, name in enumerate(graph.relations)}
    row = {tuple(fact): i for i, fact in enumerate(graph.facts.tolist())}
    chains = []
    for h, r1, b, r2, t in named:
        numbers = [entity.get(e, -1) for e in (h, b, t)]
        first = row.get((numbers[0], relation.get(r1, -1), numbers[1]))
        second = row.get((numbers[1], relation.get(r2, -1), numbers[2]))
        if first is not None and second is not None:
            chains.append((first, second))
    return np.array(chains, np.int32).reshape(-1, 2)


def chains_of_questions(
    graph: KnowledgeGraph, asked: Iterable[Sequence[str]]
) -> Int[np.ndarray, "q 2"]:
    """Chains that questions (h, r1, r2) of names ask for; those without one answer are dropped."""
    entity = {name: i for i, name in enumerate(graph.entities)}
    relation = {name: i for i, name in enumerate(graph.relations)}
    one = np.flatnonzero(~graph.multi_valued)
    row = {tuple(graph.facts[i, :2].tolist()): int(i) for i in one}
    chains = []
    for h, r1, r2 in asked:
        first = row.get((entity.get(h, -1), relation.get(r1, -1)))
        if first is None:
            continue
        second = row.get((int(graph.facts[first, 2]), relation.get(r2, -1)))
        if second is not None:
            chains.append((first, second))
    return np.array(chains, np.int32).reshape(-1, 2)
