"""Splits against a slow oracle, and the published counts of *Grokked Transformers*."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest
from random_graphs import random_graph

from circuits.corpus.augmentation.capacity import capacity
from circuits.corpus.composition import (
    Partition,
    RealQuestions,
    chains_of_names,
    draw_in_distribution,
    fact_chains,
    split_composition,
)
from circuits.errors import HopscopeError
from circuits.graph.knowledge_graph import KnowledgeGraph
from circuits.graph.sources import load_source
from circuits.recipes.schema import SplitsSection


def chains_by_hand(graph: KnowledgeGraph, hops: int) -> set[tuple[int, ...]]:
    facts = graph.facts.tolist()
    found = {(i,) for i in range(len(facts))}
    for _ in range(hops - 1):
        found = {
            (*chain, i)
            for chain in found
            for i, fact in enumerate(facts)
            if fact[0] == facts[chain[-1]][2]
        }
    return found


def ambiguous_by_hand(graph: KnowledgeGraph, chain: tuple[int, ...]) -> bool:
    count = Counter((s, r) for s, r, _ in graph.facts.tolist())
    return any(count[tuple(graph.facts[i, :2].tolist())] > 1 for i in chain)


def as_set(rows: np.ndarray) -> set[tuple[int, ...]]:
    return set(map(tuple, rows.tolist()))


@pytest.mark.parametrize("hops", [2, 3])
def test_all_chains_are_found(hops: int) -> None:
    graph = random_graph(several=3)
    chains = fact_chains(graph, hops)
    assert as_set(chains) == chains_by_hand(graph, hops)
    assert len(chains) == len(as_set(chains))


@pytest.mark.parametrize("returning", [True, False])
@pytest.mark.parametrize("hops", [2, 3])
def test_every_split_holds_the_chains_of_its_definition(hops: int, returning: bool) -> None:
    graph = random_graph(several=4)
    sizes = {"ood_share": 0.2, "id_test_items": 10, "max_test_items": 100_000}
    section = SplitsSection.model_validate({"hops": hops, "returning": returning, **sizes})
    partition = split_composition(graph, section, None, seed=3)
    is_id = partition.in_distribution
    expected: dict[str, set] = {"II": set(), "IO": set(), "OI": set(), "OO": set()}
    left_out = 0
    for chain in chains_by_hand(graph, hops):
        returns = graph.facts[chain[0], 0] == graph.facts[chain[-1], 2]
        if ambiguous_by_hand(graph, chain) or (returns and not returning):
            left_out += not ambiguous_by_hand(graph, chain)
            continue
        ood = [not is_id[i] for i in chain]
        if not any(ood):
            expected["II"].add(chain)
        elif all(ood):
            expected["OO"].add(chain)
        elif sum(ood) == 1 and (ood[0] or ood[-1]):
            expected["OI" if ood[0] else "IO"].add(chain)
    chains = partition.chains
    assert as_set(chains["ood_test"]) == expected["OO"]
    assert as_set(chains["io_test"]) == expected["IO"]
    assert as_set(chains["oi_test"]) == expected["OI"]
    trained, held = as_set(chains["train_inferred"]), as_set(chains["id_test"])
    assert trained | held == expected["II"]
    assert not trained & held
    assert len(held) == 10
    assert partition.counts["returning"] == left_out
    assert capacity(graph, section, seed=3).inferred == len(expected["II"])
    assert (left_out > 0) == (not returning)


def test_the_ood_share_is_exact_and_the_draw_depends_on_the_seed() -> None:
    assert (~draw_in_distribution(40_000, 0.05, seed=0)).sum() == 2000
    first, second = draw_in_distribution(400, 0.05, 1), draw_in_distribution(400, 0.05, 2)
    assert (first != second).any()
    assert (first == draw_in_distribution(400, 0.05, 1)).all()


@pytest.fixture(scope="module")
def grokked() -> Partition:
    graph = load_source("grokked_composition")
    section = SplitsSection.model_validate({"ood_share": 0.05, "id_test_items": 3000})
    return split_composition(graph, section, 9.0, seed=0)


def test_phi_9_of_grokked_trains_342000_inferred_facts(grokked: Partition) -> None:
    assert len(grokked.chains["train_inferred"]) == 342_000
    assert grokked.counts["facts_id"] == 38_000
    assert grokked.counts["facts_ood"] == 2_000


def test_path_counts_of_grokked_are_those_published(grokked: Partition) -> None:
    # One seed of the paper: II 721,803, IO 38,197, OI 37,983, OO 2,017. A chain's facts are
    # distinct draws without replacement; the spread over seeds is below 100 for OO (s.d. about
    # 50) and below 1,000 for the others.
    counts = grokked.counts
    assert counts["chains"] == 800_000
    assert counts["II"] + counts["IO"] + counts["OI"] + counts["OO"] == 800_000
    assert abs(counts["II"] - 721_803) < 2_000
    assert abs(counts["IO"] - 38_000) < 1_000
    assert abs(counts["OI"] - 38_000) < 1_000
    assert abs(counts["OO"] - 2_000) < 300


def test_changing_phi_leaves_the_tests_as_they_were() -> None:
    graph = random_graph(60, 8, 6)
    section = SplitsSection.model_validate({"ood_share": 0.2, "id_test_items": 50})
    low, high = (split_composition(graph, section, phi, seed=1) for phi in (1.0, 2.0))
    for name in ("id_test", "ood_test", "io_test", "oi_test"):
        assert (low.chains[name] == high.chains[name]).all()


@pytest.mark.parametrize(
    ("switch", "columns"),
    [("first_hop", [0]), ("second_hop", [1]), ("both_hops", [0, 1])],
)
def test_each_ood_fact_is_injected_k_times_per_hop_with_id_partners(
    switch: str, columns: list[int]
) -> None:
    graph = random_graph(60, 8, 6)
    section = SplitsSection.model_validate(
        {"ood_share": 0.1, "id_test_items": 50, "inject_ood": switch, "inject_per_fact": 2}
    )
    partition = split_composition(graph, section, None, seed=5)
    ood = ~partition.in_distribution
    injected = partition.chains["injected"]
    assert (ood[injected].sum(1) == 1).all()
    chains = fact_chains(graph)
    for column in (0, 1):
        available = Counter(
            chains[ood[chains[:, column]] & ~ood[chains[:, 1 - column]], column].tolist()
        )
        used = Counter(injected[ood[injected[:, column]], column].tolist())
        expected = {f: min(2, n) for f, n in available.items()} if column in columns else {}
        assert used == expected
    for name in ("io_test", "oi_test", "ood_test", "id_test"):
        assert not as_set(partition.chains[name]) & as_set(injected)


def test_the_id_test_takes_at_most_half_of_a_small_graph_and_says_so() -> None:
    graph = random_graph(12, 4, 2)
    section = SplitsSection(ood_share=0.0, id_test_items=1000)
    partition = split_composition(graph, section, None, seed=0)
    n = partition.counts["II"]
    assert len(partition.chains["id_test"]) == n // 2
    assert f"id_test has only {n // 2} items: the graph has no more." in partition.notes
    assert any(note.startswith("ood_test is empty") for note in partition.notes)


def test_a_graph_without_paths_is_refused() -> None:
    graph = KnowledgeGraph.from_triples("flat", [("a", "r", "x"), ("b", "r", "y")])
    with pytest.raises(HopscopeError, match="no 2-hop path of ID facts"):
        split_composition(graph, SplitsSection(), None, seed=0)


def test_too_high_a_phi_is_refused_with_the_highest_possible() -> None:
    graph = random_graph()
    section = SplitsSection(ood_share=0.0, id_test_items=10)
    pool = len(fact_chains(graph)) - 10
    with pytest.raises(HopscopeError, match="the highest phi here is") as refusal:
        split_composition(graph, section, 50.0, seed=0)
    highest = float(str(refusal.value).split("highest phi here is ")[1].split(". ")[0])
    assert round(highest * len(graph)) <= pool < (highest + 0.01) * len(graph)
    split_composition(graph, section, highest, seed=0)


def test_real_questions_are_held_out_first() -> None:
    graph = random_graph()
    real = KnowledgeGraph.from_triples(
        "real", [tuple(graph.fact_text(i).replace("-> ", " -").split(" -")) for i in range(120)]
    )
    chains = fact_chains(real)
    e, r, f = real.entities, real.relations, real.facts
    named = [
        (e[f[i, 0]], r[f[i, 1]], e[f[i, 2]], r[f[j, 1]], e[f[j, 2]])
        for i, j in itertools.islice(chains.tolist(), 0, 200, 20)
    ]
    questions = chains_of_names(real, [*named, ("nobody", "r0", "e1", "r1", "e2")])
    assert (questions == chains[:200:20]).all()
    section = SplitsSection(ood_share=0.0, id_test_items=20, heldout_real_items=100)
    said = RealQuestions(asked=questions[:6], derived=questions[4:])
    partition = split_composition(real, section, None, 0, said)
    assert as_set(partition.chains["heldout_real"]) == as_set(questions[:6])
    assert as_set(partition.chains["heldout_derived"]) == as_set(questions[6:])
    few = section.model_copy(update={"heldout_real_items": 4})
    chains_of_few = split_composition(real, few, None, 0, said).chains
    assert len(chains_of_few["heldout_real"]) == 4
    assert "heldout_derived" not in chains_of_few
