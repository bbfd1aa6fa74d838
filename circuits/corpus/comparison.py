"""The comparison task: (attribute, entity 1, entity 2) -> label, from facts (entity, attribute, v).

Forms:
- `order` (*Grokked Transformers*, arXiv 2405.15071, section 4): is v1 <, = or > v2? Values are
  numbers; each attribute has three labels of its own.
- `same` (*Grokking in the Wild*, arXiv 2504.20752): do both have the same value, yes or no? Per
  attribute, as many pairs that differ are drawn as there are pairs that agree; otherwise "no" would
  nearly always be right.

Procedure, per attribute:
1. A random share of its facts is OOD, redrawn for each attribute; the rest is ID.
2. Unordered pairs of ID entities: 10% are held out as ID test (more, up to half, if that makes
   fewer than `id_test_items` questions), 90% are the pool. Both orders of a pair stay together.
3. Pairs of OOD entities are the OOD test. Mixed pairs are never trained: each is asked in one
   order, as IO (entity 2 is OOD) or as OI.
4. Of the pool, round(phi * ID facts of the compared attributes) ordered questions are trained.

Positions: the paper's five are attribute, a query mark, entity 1, a mask, entity 2. Both marks are
the same in every question and carry nothing, so a question here has three: the paper's 0 and 1
are our 0 (attribute), its 2 and 3 our 1 (entity_1), its 4 our 2 (entity_2). Imported runs keep
all five, since their models read them (`circuits.corpus.queries.MARKED`).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float, Int

from circuits.corpus.composition import remarks
from circuits.corpus.draws import sample_rows, stream
from circuits.corpus.names import ID_TEST, IO_TEST, OI_TEST, OOD_TEST, TRAIN
from circuits.corpus.queries import Queries
from circuits.corpus.vocab import Vocab
from circuits.errors import HopscopeError
from circuits.graph.knowledge_graph import KnowledgeGraph
from circuits.recipes.schema import SplitsSection

ID_TEST_SHARE = 0.1
MAX_PAIRS = 40_000_000
SAME_LABELS = ("yes", "no")
ORDERS = ("<", "=", ">")


@dataclass(frozen=True, eq=False)
class DividedComparisons:
    """Comparison questions by split."""

    vocab: Vocab
    in_distribution: Bool[np.ndarray, " n_facts"]
    splits: dict[str, Queries]
    counts: dict[str, int]
    notes: list[str] = field(default_factory=list)


def split_comparison(
    graph: KnowledgeGraph, section: SplitsSection, phi: float | None, seed: int
) -> DividedComparisons:
    """Divide facts and pairs as the module's procedure says.

    Raises:
        HopscopeError: if an attribute cannot be compared, or there are too few pairs for phi.
    """
    compositional = section.hops != 2 or section.inject_ood != "none" or section.identity_examples
    if compositional or section.stratify != "none":
        raise HopscopeError(
            "splits.hops, splits.inject_ood, splits.identity_examples and splits.stratify belong "
            "to the composition task; leave them out, or set splits.task = 'composition'."
        )
    attributes = compared_attributes(graph, section)
    rank = value_ranks(graph, attributes) if section.comparison_form == "order" else None
    in_distribution = comparison_id_mask(graph, attributes, section.ood_share, seed)
    pairs = _pairs(graph, attributes, in_distribution, section, seed)
    compared = np.isin(graph.facts[:, 1], attributes)
    n_id = int((compared & in_distribution).sum())
    counts = {name: len(rows) for name, rows in pairs.items()}
    counts |= {"facts_id": n_id, "facts_ood": int((compared & ~in_distribution).sum())}
    drawn = _draw(graph, pairs, section, phi, n_id, seed)
    vocab = Vocab(graph.entities, graph.relations, _labels(graph, attributes, section))
    return DividedComparisons(
        vocab=vocab,
        in_distribution=in_distribution,
        splits={
            name: _questions(graph, vocab, attributes, rank, rows) for name, rows in drawn.items()
        },
        counts=counts,
        notes=remarks({name: len(rows) for name, rows in drawn.items()}, section),
    )


def compared_attributes(graph: KnowledgeGraph, section: SplitsSection) -> Int[np.ndarray, " a"]:
    """Relations to compare by, as indices: the ones named, or all that can be.

    By default `order` takes the relations all of whose values are numbers, `same` those in which
    some but not all entities share a value.
    """
    if section.comparison_attributes:
        named = [graph.relation(name) for name in section.comparison_attributes]
        return np.unique(np.array(named))
    usable = []
    for relation in range(len(graph.relations)):
        values = np.unique(graph.facts[graph.facts[:, 1] == relation, 2])
        n_facts = int((graph.facts[:, 1] == relation).sum())
        if section.comparison_form == "order":
            fits = n_facts > 1 and all(_is_number(graph.entities[v]) for v in values)
        else:
            fits = 1 < len(values) < n_facts
        usable += [relation] if fits else []
    if not usable:
        what = {"order": "only numbers as values", "same": "a value that two entities share"}
        raise HopscopeError(
            f"{graph.name}: no relation has {what[section.comparison_form]}, so there is nothing "
            "to compare. Name relations in splits.comparison_attributes, set the other "
            "splits.comparison_form (order, same), or use another source."
        )
    return np.array(usable)


def value_ranks(
    graph: KnowledgeGraph, attributes: Int[np.ndarray, " a"]
) -> Float[np.ndarray, " n_entities"]:
    """The number that each value's name states; NaN for entities that are not values."""
    ranks = np.full(len(graph.entities), np.nan)
    for value in np.unique(graph.facts[np.isin(graph.facts[:, 1], attributes), 2]):
        name = graph.entities[value]
        if not _is_number(name):
            raise HopscopeError(
                f"{graph.name}: the value {name!r} is not a number, and splits.comparison_form = "
                "'order' compares numbers. Use 'same', or name other relations in "
                "splits.comparison_attributes."
            )
        ranks[value] = float(name)
    return ranks


def _is_number(name: str) -> bool:
    try:
        return bool(np.isfinite(float(name)))
    except ValueError:
        return False


def _labels(
    graph: KnowledgeGraph, attributes: Int[np.ndarray, " a"], section: SplitsSection
) -> tuple[str, ...]:
    if section.comparison_form == "same":
        return SAME_LABELS
    return tuple(f"{graph.relations[a]} {order}" for a in attributes for order in ORDERS)


def comparison_id_mask(
    graph: KnowledgeGraph, attributes: Int[np.ndarray, " a"], ood_share: float, seed: int
) -> Bool[np.ndarray, " n_facts"]:
    """ID facts, drawn anew for each compared attribute; facts of other relations are all ID."""
    mask, draw = np.ones(len(graph), bool), stream(seed, "id_ood")
    for attribute in attributes:
        rows = np.flatnonzero(graph.facts[:, 1] == attribute)
        mask[draw.permutation(rows)[: round(ood_share * len(rows))]] = False
    return mask


def _pairs(
    graph: KnowledgeGraph,
    attributes: Int[np.ndarray, " a"],
    in_distribution: Bool[np.ndarray, " n_facts"],
    section: SplitsSection,
    seed: int,
) -> dict[str, Int[np.ndarray, "n 2"]]:
    """Unordered pairs of fact rows of one attribute, by group: II, mixed (ID, OOD), OO."""
    found: dict[str, list[np.ndarray]] = {"II": [], "mixed": [], "OO": []}
    draw = stream(seed, "labels")
    usable = ~graph.multi_valued
    sizes = [int((usable & (graph.facts[:, 1] == a)).sum()) for a in attributes]
    total = sum(n * (n - 1) // 2 for n in sizes)
    if total > MAX_PAIRS:
        raise HopscopeError(
            f"{graph.name}: {total:,} pairs to compare, at most {MAX_PAIRS:,} are enumerated. "
            "Name fewer relations in splits.comparison_attributes, or use fewer entities."
        )
    for attribute in attributes:
        rows = np.flatnonzero(usable & (graph.facts[:, 1] == attribute)).astype(np.int32)
        first, second = np.triu_indices(len(rows), 1)
        pairs = np.column_stack([rows[first], rows[second]])
        ood = ~in_distribution[pairs]
        pairs[ood[:, 0]] = pairs[ood[:, 0]][:, ::-1]  # in a mixed pair the ID fact comes first
        n_ood = ood.sum(1)
        for name, count in (("II", 0), ("mixed", 1), ("OO", 2)):
            group = pairs[n_ood == count]
            found[name].append(
                _balanced(graph, group, draw) if section.comparison_form == "same" else group
            )
    empty = np.empty((0, 2), np.int32)
    return {name: np.concatenate([empty, *parts]) for name, parts in found.items()}


def _balanced(
    graph: KnowledgeGraph, pairs: Int[np.ndarray, "n 2"], draw: np.random.Generator
) -> Int[np.ndarray, "m 2"]:
    """As many pairs that differ as pairs that agree."""
    agree = graph.facts[pairs[:, 0], 2] == graph.facts[pairs[:, 1], 2]
    n = min(int(agree.sum()), int((~agree).sum()))
    yes, no = sample_rows(pairs[agree], n, draw), sample_rows(pairs[~agree], n, draw)
    return np.concatenate([yes, no])


def _draw(
    graph: KnowledgeGraph,
    pairs: dict[str, Int[np.ndarray, "n 2"]],
    section: SplitsSection,
    phi: float | None,
    n_id: int,
    seed: int,
) -> dict[str, Int[np.ndarray, "n 2"]]:
    """Ordered pairs by split."""
    together = pairs["II"]
    least = min(-(-section.id_test_items // 2), len(together) // 2)
    held = np.zeros(len(together), bool)
    n_held = max(round(ID_TEST_SHARE * len(together)), least)
    held[stream(seed, "id_test").permutation(len(together))[:n_held]] = True
    pool, tests = together[~held], stream(seed, "tests")
    n_pool = 2 * len(pool)
    wanted = n_pool if phi is None else round(phi * n_id)
    if not wanted or wanted > n_pool:
        raise HopscopeError(
            f"{graph.name}: {wanted:,} trained comparisons are asked for (augmentation.phi times "
            f"{n_id:,} ID facts), but there are {n_pool:,} besides the held-out ones; the highest "
            f"phi here is {np.floor(1000 * n_pool / max(n_id, 1)) / 1000:g}. Lower "
            "augmentation.phi, allow augmentation.modes, or take a graph with more entities per "
            "attribute."
        )
    chosen = stream(seed, "pool").choice(n_pool, wanted, replace=False, shuffle=False)
    chosen.sort()
    trained = pool[chosen // 2]
    flipped = chosen % 2 == 1
    trained[flipped] = trained[flipped][:, ::-1]
    mixed = pairs["mixed"]
    as_io = tests.random(len(mixed)) < 0.5
    at_most = section.max_test_items
    return {
        TRAIN: trained,
        ID_TEST: sample_rows(
            _both_orders(together[held]), max(at_most, section.id_test_items), tests
        ),
        OOD_TEST: sample_rows(_both_orders(pairs["OO"]), at_most, tests),
        IO_TEST: sample_rows(mixed[as_io], at_most, tests),
        OI_TEST: sample_rows(mixed[~as_io][:, ::-1], at_most, tests),
    }


def _both_orders(pairs: Int[np.ndarray, "n 2"]) -> Int[np.ndarray, "m 2"]:
    return np.concatenate([pairs, pairs[:, ::-1]])


def _questions(
    graph: KnowledgeGraph,
    vocab: Vocab,
    attributes: Int[np.ndarray, " a"],
    rank: Float[np.ndarray, " n_entities"] | None,
    pairs: Int[np.ndarray, "n 2"],
) -> Queries:
    """Ordered pairs of fact rows as queries; the two values are the bridges."""
    facts = graph.facts
    attribute, values = facts[pairs[:, 0], 1], facts[pairs, 2]
    if rank is None:
        label = (values[:, 0] != values[:, 1]).astype(np.int64)  # yes, no
    else:
        order = np.sign(rank[values[:, 0]] - rank[values[:, 1]]).astype(np.int64) + 1
        label = np.searchsorted(attributes, attribute) * len(ORDERS) + order
    return Queries(
        kind="comparison",
        vocab=vocab,
        token_ids=np.column_stack([attribute + vocab.first_relation, facts[pairs, 0]]),
        bridge_ids=values,
        answer_ids=vocab.first_special + label,
    )
