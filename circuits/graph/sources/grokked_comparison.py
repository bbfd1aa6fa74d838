"""The attribute table of *Grokked Transformers* (arXiv 2405.15071, section 4).

1,000 entities e_0 .. e_999 have a value 0 .. 19, uniformly drawn, for each of 20 attributes
a_0 .. a_19: 20,000 atomic facts (entity, attribute, value). A value is an entity named by its
number ("0" .. "19"). Values are never subjects, so there are no two-hop paths; the comparison task
asks how the values of two entities compare.
"""

from __future__ import annotations

import numpy as np
from pydantic import Field

from circuits.graph.knowledge_graph import KnowledgeGraph, MultiValued
from circuits.graph.sources.options import SourceOptions


class GrokkedComparisonOptions(SourceOptions):
    """Size of the table; the defaults are the paper's.

    >>> from circuits.graph.sources import load_source
    >>> len(load_source("grokked_comparison", options={"n_entities": 7, "n_attributes": 3}))
    21
    """

    n_entities: int = Field(default=1000, ge=2)
    """Number of entities that have attributes, e_0 and on."""
    n_attributes: int = Field(default=20, ge=1)
    """Number of attributes, a_0 and on; each entity has a value for all of them."""
    n_values: int = Field(default=20, ge=2)
    """Number of values an attribute can take, 0 and on."""
    seed: int = 0
    """Seed of the draw of values."""


OPTIONS = GrokkedComparisonOptions


def read(
    path: None, options: GrokkedComparisonOptions, multi_valued: MultiValued
) -> KnowledgeGraph:
    """Draw the table. No key has several objects, so `multi_valued` has no effect."""
    rng = np.random.default_rng(options.seed)
    values = rng.integers(options.n_values, size=(options.n_entities, options.n_attributes))
    triples = (
        (f"e_{e}", f"a_{a}", str(value))
        for e, row in enumerate(values.tolist())
        for a, value in enumerate(row)
    )
    return KnowledgeGraph.from_triples(
        "grokked_comparison",
        triples,
        provenance="synthetic",
        multi_valued=multi_valued,
        notes={"source": "attribute table of arXiv 2405.15071", "seed": options.seed},
    )
