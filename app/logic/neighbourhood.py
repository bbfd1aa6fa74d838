"""The facts around an entity: as a figure, and as the JSON that the instrument draws."""

from __future__ import annotations

import numpy as np

from analyses.figures.specs.facts import Neighbour, Neighbourhood
from analyses.figures.words import ORIGINS
from app.instrument.around_fields import AroundPayload, Side
from app.instrument.palette import COLOURS
from circuits.graph.knowledge_graph import PROVENANCES, KnowledgeGraph


def neighbourhood(graph: KnowledgeGraph, entity: int, run: str) -> Neighbourhood:
    """All facts of an entity; a fact from the entity to itself counts as its own."""
    subjects, _, objects = graph.facts.T
    out = np.flatnonzero(subjects == entity)
    into = np.flatnonzero((objects == entity) & (subjects != entity))
    facts = []
    for row in (*into.tolist(), *out.tolist()):
        subject, relation, obj = graph.facts[row].tolist()
        own = subject == entity
        facts.append(
            Neighbour(
                name=graph.entities[obj if own else subject],
                relation=graph.relations[relation],
                side="out" if own else "in",
                provenance=ORIGINS[PROVENANCES[graph.provenance[row]]],
            )
        )
    return Neighbourhood(
        name="data_around",
        title=f"Facts around {graph.entities[entity]}",
        subtitle=f"{graph.name}; dotted: not a real fact",
        provenance={"run": run, "entity": graph.entities[entity]},
        entity=graph.entities[entity],
        facts=tuple(facts),
    )


def around_payload(spec: Neighbourhood) -> AroundPayload:
    """What the instrument draws of it."""
    sides: dict[str, Side] = {
        side: {
            "heading": spec.heading(side),
            "facts": [
                {"name": f.name, "relation": f.relation, "provenance": f.provenance}
                for f in spec.side(side)
            ],
        }
        for side in ("in", "out")
    }
    return {"entity": spec.entity, "sides": sides, "colours": COLOURS}
