"""The facts of a graph as a table, to look up what a changed question's answer is."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int

from circuits.knowledge_graph import KnowledgeGraph


def object_table(graph: KnowledgeGraph) -> Int[np.ndarray, "n_entities n_relations"]:
    """The object of every (subject, relation); -1 where there is no fact, or more than one."""
    table = np.full((len(graph.entities), len(graph.relations)), -1, np.int64)
    subject, relation, found = graph.facts[~graph.multi_valued].T
    table[subject, relation] = found
    return table
