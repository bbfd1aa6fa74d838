"""How many inferred facts of a graph can be trained: what augmentation aims at.

Counts only, nothing is enumerated. The ID/OOD division is the one that the splits will draw for the
same graph, so the counts here hold there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from jaxtyping import Bool, Float

from circuits.corpus.comparison import compared_attributes, comparison_id_mask
from circuits.corpus.composition import draw_in_distribution
from circuits.graph.knowledge_graph import KnowledgeGraph
from circuits.graph.paths import phi_r
from circuits.recipes.schema import SplitsSection


@dataclass(frozen=True)
class Capacity:
    """What a graph offers to training."""

    facts_id: int
    """ID facts; for comparisons those of the compared attributes."""
    inferred: int
    """Unambiguous inferred facts over ID facts only: the pool and everything held out of it."""


@dataclass(frozen=True)
class Goal:
    """When augmentation may stop."""

    splits: SplitsSection
    seed: int
    phi: float | None = None
    """Trained inferred facts per ID fact."""
    trained: int | None = None
    """Instead of phi: this many trained inferred facts."""
    n_facts: int | None = None
    """Exactly this many atomic facts."""
    least_phi_r: float | None = None
    held_out: int = 0
    """Inferred facts to be held out besides the trained ones."""
    growth: float = 2.0
    """How many times the fewest facts `densify` may add to spread them."""
    ignore: tuple[int, ...] = ()
    """Relations that cannot reach `least_phi_r` and are not held to it."""

    @property
    def asks_for_phi(self) -> bool:
        """Whether the goal is a number of trained inferred facts."""
        return self.phi is not None or self.trained is not None

    def reached(self, graph: KnowledgeGraph) -> bool:
        """Whether this graph is enough."""
        if self.n_facts is not None:
            return len(graph) >= self.n_facts
        if self.asks_for_phi and self.shortfall(graph) > 0:
            return False
        return not self.failing(graph)

    def wanted(self, facts_id: int) -> int:
        """Trained inferred facts required, given the number of ID facts."""
        return self.trained or round((self.phi or 0.0) * facts_id)

    def shortfall(self, graph: KnowledgeGraph) -> int:
        """Missing inferred facts; 0 or less if there are enough."""
        now = capacity(graph, self.splits, self.seed)
        return self.wanted(now.facts_id) + self.held_out - now.inferred

    def highest_phi(self, graph: KnowledgeGraph) -> float:
        """The phi for which this graph is enough, once the splits have held out their share."""
        now = capacity(graph, self.splits, self.seed)
        rest = now.inferred - min(self.splits.heldout_real_items, now.inferred // 4)
        rest -= min(self.splits.id_test_items, rest // 2)
        return rest / max(now.facts_id, 1)

    def failing(self, graph: KnowledgeGraph) -> list[int]:
        """Relations below `least_phi_r`, apart from those ignored."""
        if self.least_phi_r is None:
            return []
        has_facts = np.bincount(graph.facts[:, 1], minlength=len(graph.relations)) > 0
        below = np.flatnonzero(has_facts & (phi_r(graph) < self.least_phi_r))
        return [int(r) for r in below if r not in self.ignore]


def capacity(graph: KnowledgeGraph, splits: SplitsSection, seed: int) -> Capacity:
    """Count ID facts and the inferred facts among them."""
    if splits.task == "comparison":
        return _comparison_capacity(graph, splits, seed)
    mask = in_distribution(graph, splits, seed)
    usable = mask & ~graph.multi_valued
    chains = count_chains(graph, usable, splits.hops)
    if not splits.returning:
        chains -= count_returning(graph, usable, splits.hops)
    return Capacity(int(mask.sum()), chains)


def in_distribution(
    graph: KnowledgeGraph, splits: SplitsSection, seed: int
) -> Bool[np.ndarray, " n_facts"]:
    """The ID facts that the splits will draw for this graph."""
    if splits.task == "comparison":
        attributes = compared_attributes(graph, splits)
        return comparison_id_mask(graph, attributes, splits.ood_share, seed)
    return draw_in_distribution(len(graph), splits.ood_share, seed)


def count_chains(graph: KnowledgeGraph, usable: Bool[np.ndarray, " n_facts"], hops: int) -> int:
    """Number of chains of `hops` usable facts."""
    subject, obj = graph.facts[usable, 0], graph.facts[usable, 2]
    ways: Float[np.ndarray, " n_entities"] = np.ones(
        len(graph.entities)
    )  # chains of k facts that start at each entity
    for _ in range(hops):
        ways = np.bincount(subject, weights=ways[obj], minlength=len(graph.entities))
    return round(float(ways.sum()))


def count_returning(graph: KnowledgeGraph, usable: Bool[np.ndarray, " n_facts"], hops: int) -> int:
    """Number of chains of `hops` usable facts that end at their own subject."""
    subject, _, obj = graph.facts[usable].T
    n = len(graph.entities)
    steps = sp.csr_array((np.ones(len(subject), np.int64), (subject, obj)), shape=(n, n))
    ways = steps
    for _ in range(hops - 2):
        ways = ways @ steps
    return int(ways.multiply(steps.T).sum())


def _comparison_capacity(graph: KnowledgeGraph, splits: SplitsSection, seed: int) -> Capacity:
    attributes = compared_attributes(graph, splits)
    mask = in_distribution(graph, splits, seed)
    total = facts_id = 0
    for attribute in attributes:
        of_it = mask & (graph.facts[:, 1] == attribute)
        facts_id += int(of_it.sum())
        alike = np.bincount(graph.facts[of_it & ~graph.multi_valued, 2]).astype(np.int64)
        n = int(alike.sum())
        pairs, same = n * (n - 1) // 2, int((alike * (alike - 1) // 2).sum())
        total += 2 * (2 * min(same, pairs - same) if splits.comparison_form == "same" else pairs)
    return Capacity(facts_id, total)
