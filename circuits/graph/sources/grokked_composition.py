"""The random graph of *Grokked Transformers* (arXiv 2405.15071, section 3).

1. Entities e_0 .. e_1999 and relations r_0 .. r_199.
2. Each entity is the subject of 20 distinct relations, each to one uniformly drawn entity: 40,000
   atomic facts, 800,000 two-hop paths, phi 20 before anything is held out.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from jaxtyping import Int
from pydantic import Field, model_validator

from circuits.graph.knowledge_graph import KnowledgeGraph, MultiValued
from circuits.graph.sources.options import SourceOptions

_ROWS_AT_A_TIME = 4096  # bounds the memory of the draw without replacement


class GrokkedCompositionOptions(SourceOptions):
    """Size of the graph; the defaults are the paper's.

    >>> from circuits.graph.sources import load_source
    >>> load_source("grokked_composition", options={"n_entities": 100, "n_relations": 30})
    KnowledgeGraph('grokked_composition': 100 entities, 30 relations, 2,000 facts)
    """

    n_entities: int = Field(default=2000, ge=2)
    """Number of entities, e_0 and on; each is the subject of facts."""
    n_relations: int = Field(default=200, ge=1)
    """Number of relations, r_0 and on."""
    out_degree: int = Field(default=20, ge=1)
    """Facts per subject, each with another relation."""
    seed: int = 0
    """Seed of the draw of relations and objects."""

    @model_validator(mode="after")
    def _enough_relations(self) -> GrokkedCompositionOptions:
        if self.out_degree > self.n_relations:
            raise ValueError(
                f"out_degree {self.out_degree} needs as many distinct relations, "
                f"n_relations is {self.n_relations}"
            )
        return self


OPTIONS = GrokkedCompositionOptions


def read(
    path: None, options: GrokkedCompositionOptions, multi_valued: MultiValued
) -> KnowledgeGraph:
    """Draw the graph. No key has several objects, so `multi_valued` has no effect."""
    rng = np.random.default_rng(options.seed)
    relations = np.concatenate(list(_distinct_relations(rng, options))).ravel()
    objects = rng.integers(options.n_entities, size=len(relations))
    subjects = np.repeat(np.arange(options.n_entities), options.out_degree)
    entity = [f"e_{i}" for i in range(options.n_entities)]
    relation = [f"r_{i}" for i in range(options.n_relations)]
    triples = (
        (entity[s], relation[r], entity[o])
        for s, r, o in zip(subjects.tolist(), relations.tolist(), objects.tolist(), strict=True)
    )
    return KnowledgeGraph.from_triples(
        "grokked_composition",
        triples,
        provenance="synthetic",
        multi_valued=multi_valued,
        notes={"source": "random graph of arXiv 2405.15071", "seed": options.seed},
    )


def _distinct_relations(
    rng: np.random.Generator, options: GrokkedCompositionOptions
) -> Iterable[Int[np.ndarray, "rows out_degree"]]:
    for start in range(0, options.n_entities, _ROWS_AT_A_TIME):
        rows = min(_ROWS_AT_A_TIME, options.n_entities - start)
        order = np.argsort(rng.random((rows, options.n_relations)), axis=1)
        yield order[:, : options.out_degree]
