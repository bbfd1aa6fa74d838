"""The start and the goal of augmentation, from a recipe or the sizes of *Wild*.

*Grokking in the Wild* (arXiv 2504.20752, Table 2):

| preset           | atomic / inferred before | after         |
|------------------|--------------------------|---------------|
| wild_comparison  | 120 / 60                 | 1,000 / 8,000 |
| wild_composition | 200 / 100                | 800 / 5,000   |

1. The source's facts are thinned to the final number of atomic facts, keeping the subjects that
   the most paths run through.
2. Of these, the starting number is kept, for compositions such that they form the stated number
   of paths (or the nearest that exchanging facts leads to). The others are held back: they are the
   true additions. If the thinned source has too few paths, it is thinned to twice the starting
   number instead, and further additions are invented. For comparisons any two facts make an
   inferred one, so 60 is not a property of 120 facts; the paper does not say how it arrived at 60,
   and nothing here aims at it.
3. Augmentation adds facts up to exactly the final number; exactly the stated number of inferred
   facts is trained.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Int

from circuits.corpus.augmentation.capacity import Goal
from circuits.corpus.comparison import compared_attributes
from circuits.errors import HopscopeError
from circuits.graph.knowledge_graph import PROVENANCES, KnowledgeGraph
from circuits.recipes.schema import AugmentationSection, SplitsSection

EXCHANGES = 20_000


@dataclass(frozen=True)
class Sizes:
    """A line of the table above."""

    task: str
    atomic_before: int
    inferred_before: int
    atomic_after: int
    inferred_after: int


PRESETS = {
    "wild_comparison": Sizes("comparison", 120, 60, 1000, 8000),
    "wild_composition": Sizes("composition", 200, 100, 800, 5000),
}


def starting_point(
    graph: KnowledgeGraph, section: AugmentationSection, splits: SplitsSection, seed: int
) -> tuple[KnowledgeGraph, Goal]:
    """The graph to add to, and the goal.

    Raises:
        HopscopeError: if a preset is given with phi or the other task, or the source is too small.
    """
    held_out = splits.id_test_items + splits.heldout_real_items
    if section.preset is None:
        least = section.least_phi_r
        goal = Goal(splits, seed, phi=section.phi, least_phi_r=least, held_out=held_out)
        return graph, replace(goal, growth=section.growth)
    sizes = PRESETS[section.preset]
    if section.phi is not None or section.least_phi_r is not None or sizes.task != splits.task:
        raise HopscopeError(
            f"augmentation.preset = {section.preset!r} states all sizes and belongs to the "
            f"{sizes.task} task; leave out augmentation.phi and augmentation.least_phi_r and set "
            f"splits.task = {sizes.task!r}."
        )
    goal = Goal(
        splits,
        seed,
        trained=sizes.inferred_after,
        n_facts=sizes.atomic_after,
        held_out=held_out,
    )
    draw = np.random.default_rng([seed, 900])
    known = _everything_true(graph)
    if sizes.task == "comparison":
        attributes = compared_attributes(known, splits)
        of_attributes = np.flatnonzero(np.isin(known.facts[:, 1], attributes))
        rows = np.sort(draw.permutation(of_attributes)[: sizes.atomic_after])
        start = np.arange(len(rows)) < 0
        start[draw.permutation(len(rows))[: sizes.atomic_before]] = True
    else:
        rows = densest_facts(known, sizes.atomic_after)
        if goal.shortfall(_compact(known, rows, rows[:0])) > 0:
            rows = densest_facts(known, 2 * sizes.atomic_before)
        start = sparse_start(known.facts[rows], sizes.atomic_before, sizes.inferred_before, draw)
    if len(rows) < sizes.atomic_before:
        raise HopscopeError(
            f"{graph.name}: {len(rows):,} facts, but augmentation.preset = {section.preset!r} "
            f"starts from {sizes.atomic_before}. Use a larger source, or augmentation.phi."
        )
    return _compact(known, rows[start], rows[~start]), goal


def densest_facts(graph: KnowledgeGraph, n_facts: int) -> Int[np.ndarray, " n_facts"]:
    """Rows of facts of the subjects that the most paths run through.

    Subjects that lose the fewest paths per fact are removed, a twentieth at a time; the last facts
    are removed in the order of the paths that run through them.
    """
    facts, n = graph.facts, len(graph.entities)
    kept = ~graph.multi_valued
    while True:
        subject, obj = facts[kept, 0], facts[kept, 2]
        out_degree = np.bincount(subject, minlength=n)
        in_degree = np.bincount(obj, minlength=n)
        onward = np.bincount(subject, weights=out_degree[obj], minlength=n)
        present = np.flatnonzero(out_degree)
        worth = (in_degree + onward / np.maximum(out_degree, 1))[present]
        leaving = present[np.argsort(worth, kind="stable")][: max(1, len(present) // 20)]
        fewer = kept & ~np.isin(facts[:, 0], leaving)
        if fewer.sum() < n_facts:
            break
        kept = fewer
    rows = np.flatnonzero(kept)
    on_paths = out_degree[facts[rows, 2]] + in_degree[facts[rows, 0]]
    return np.sort(rows[np.argsort(-on_paths, kind="stable")][:n_facts])


def sparse_start(
    facts: Int[np.ndarray, "n 3"], n_facts: int, n_paths: int, draw: np.random.Generator
) -> Bool[np.ndarray, " n"]:
    """Mask of `n_facts` facts that form `n_paths` paths, found by exchanging facts at random."""
    chosen = np.zeros(len(facts), bool)
    chosen[draw.permutation(len(facts))[:n_facts]] = True
    if chosen.all():
        return chosen
    n = int(facts[:, [0, 2]].max()) + 1
    out_degree = np.bincount(facts[chosen, 0], minlength=n)
    in_degree = np.bincount(facts[chosen, 2], minlength=n)
    paths = int((out_degree * in_degree).sum())
    swaps = zip(
        draw.integers(n_facts, size=EXCHANGES),
        draw.integers(len(facts) - n_facts, size=EXCHANGES),
        strict=True,
    )
    inside, outside = np.flatnonzero(chosen), np.flatnonzero(~chosen)
    for i, j in swaps:
        if paths == n_paths:
            break
        for row, sign in ((inside[i], -1), (outside[j], 1)):
            out_degree[facts[row, 0]] += sign
            in_degree[facts[row, 2]] += sign
        now = int((out_degree * in_degree).sum())
        if abs(now - n_paths) <= abs(paths - n_paths):
            paths = now
            inside[i], outside[j] = outside[j], inside[i]
            continue
        for row, sign in ((inside[i], 1), (outside[j], -1)):
            out_degree[facts[row, 0]] += sign
            in_degree[facts[row, 2]] += sign
    chosen[:] = False
    chosen[inside] = True
    return chosen


def _everything_true(graph: KnowledgeGraph) -> KnowledgeGraph:
    """The graph with its held-back facts added."""
    real = np.full(len(graph.held_back), PROVENANCES.index("real"))
    return graph.adding(graph.held_back, real) if len(real) else graph


def _compact(
    graph: KnowledgeGraph, start: Int[np.ndarray, " a"], held: Int[np.ndarray, " b"]
) -> KnowledgeGraph:
    """The graph of some facts, with others held back and unused names dropped."""
    rest = np.ones(len(graph), bool)
    rest[start] = rest[held] = False
    return replace(
        graph,
        facts=graph.facts[start],
        provenance=graph.provenance[start],
        held_back=graph.facts[held],
        also_true=np.concatenate([graph.facts[rest], graph.also_true]),
    ).without_unused_names()
