"""Small random graphs for the tests of splits, corpora and augmentation."""

from __future__ import annotations

import numpy as np

from circuits.graph.knowledge_graph import KnowledgeGraph
from circuits.recipes.schema import Recipe, parse_recipe


def random_graph(
    n_entities: int = 30, n_relations: int = 6, degree: int = 4, seed: int = 0, several: int = 0
) -> KnowledgeGraph:
    """Each entity has `degree` relations to uniform objects; `several` keys have two objects."""
    rng = np.random.default_rng(seed)
    triples = [
        (f"e{s}", f"r{r}", f"e{rng.integers(n_entities)}")
        for s in range(n_entities)
        for r in rng.permutation(n_relations)[:degree]
    ]
    again = [
        (s, r, f"e{rng.integers(n_entities)}") for s, r, _ in triples[: several * 7 : 7] if several
    ]
    return KnowledgeGraph.from_triples("random", triples + again, provenance="synthetic")


def people_and_places(
    held_back: float = 0.0, n: int = 24, seed: int = 0, towns: int = 6
) -> KnowledgeGraph:
    """People with parents, friends and towns, towns with a country: two types and leaves."""
    rng = np.random.default_rng(seed)
    person, town = [f"person {i}" for i in range(n)], [f"town {i}" for i in range(towns)]
    triples = [(t, "country", f"country {i % (towns // 3)}") for i, t in enumerate(town)]
    triples += [(t, "mayor", person[i]) for i, t in enumerate(town)]
    for p in person:
        for relation, others in (("parent", person), ("friend", person), ("home", town)):
            triples.append((p, relation, others[rng.integers(len(others))]))
    hidden = set(rng.permutation(len(triples))[: round(held_back * len(triples))].tolist())
    return KnowledgeGraph.from_triples(
        "people",
        [t for i, t in enumerate(triples) if i not in hidden],
        held_back=[t for i, t in enumerate(triples) if i in hidden],
    )


def recipe(**sections: object) -> Recipe:
    """A recipe of these sections, with an id_test that suits small graphs."""
    splits = {"id_test_items": 20, **dict(sections.pop("splits", {}))}  # type: ignore[call-overload]
    return parse_recipe({"splits": splits, **sections}, "test")
