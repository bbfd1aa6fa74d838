"""Added facts go through many bridges, not through the few that need the fewest facts."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from random_graphs import recipe

from circuits.corpus.augmentation import augment
from circuits.corpus.build import build_corpus
from circuits.graph.knowledge_graph import PROVENANCES, KnowledgeGraph
from circuits.graph.paths import effective_bridges


def sparse_people(n: int = 600, seed: int = 0) -> KnowledgeGraph:
    """Like question files: each person has one or two of eight relations, three lead to people."""
    rng = np.random.default_rng(seed)
    to_people, to_things = ("father", "mother", "teacher"), ("a", "b", "c", "d", "e")
    rows = []
    for i in range(n):
        for relation in rng.choice([*to_people, *to_things], 2, replace=False):
            people = relation in to_people
            other = f"person {rng.integers(n)}" if people else f"{relation} {rng.integers(40)}"
            rows.append((f"person {i}", str(relation), other))
    return KnowledgeGraph.from_triples("people", rows)


SPLITS = {"ood_share": 0.1, "id_test_items": 200}
GRAPH = sparse_people()


def densified(growth: float = 2.0) -> KnowledgeGraph:
    section = {"phi": 3.4, "modes": ["densify"], "growth": growth}
    settings = recipe(augmentation=section, splits=SPLITS)
    return augment(GRAPH, settings.augmentation, 0, settings.splits)[0]


def test_no_few_objects_take_the_added_facts() -> None:
    done = densified()
    added = done.facts[done.provenance == PROVENANCES.index("added_false")]
    often = Counter(added[:, 2].tolist()).most_common()
    assert len(added) > 500
    assert sum(n for _, n in often[:4]) < 0.2 * len(added)
    assert effective_bridges(done) > 30


def test_a_growth_of_one_takes_the_fewest_facts_through_the_fewest_bridges() -> None:
    spread, fewest = densified(2.0), densified(1.0)
    assert len(fewest) <= len(spread)
    assert effective_bridges(spread) >= effective_bridges(fewest)


def test_more_growth_never_spreads_less() -> None:
    effective = [effective_bridges(densified(growth)) for growth in (1.0, 1.5, 2.0, 4.0)]
    assert effective == sorted(effective)


def test_the_report_counts_bridges_before_and_after() -> None:
    settings = recipe(augmentation={"phi": 3.4, "modes": ["densify"]}, splits=SPLITS)
    corpus = build_corpus(settings, GRAPH)
    report = corpus.report["augmentation"]
    assert report["bridges_before"] == pytest.approx(effective_bridges(GRAPH), abs=0.01)
    assert report["bridges_after"] == pytest.approx(effective_bridges(corpus.graph), abs=0.01)
    assert corpus.report["diversity"]["id_test"]["bridges"]["effective"] > 30
