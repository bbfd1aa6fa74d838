"""The knowledge graph: entities, relations and atomic facts (subject, relation, object).

Terms follow *Grokking in the Wild* (arXiv 2504.20752, section 3) and *Grokked Transformers*
(arXiv 2405.15071, section 2). The word "head" is kept for attention heads: the graph side says
subject, relation, object.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np
from jaxtyping import Int

from circuits.errors import HopscopeError, unknown_name

Provenance = Literal["real", "synthetic", "added_true", "added_false"]
"""Where a fact comes from: a real source, a generator, or augmentation (true or false)."""

PROVENANCES: tuple[Provenance, ...] = get_args(Provenance)


@dataclass(frozen=True, eq=False)
class KnowledgeGraph:
    """An immutable set of facts over named entities and relations.

    Facts are unique and sorted by (subject, relation, object), names are unique and sorted, so
    that equal sets of facts give equal graphs whatever the order they were read in.
    """

    name: str
    entities: tuple[str, ...]
    relations: tuple[str, ...]
    facts: Int[np.ndarray, "n_facts 3"]
    """Rows (subject, relation, object): indices into `entities`, `relations`, `entities`."""
    provenance: Int[np.ndarray, " n_facts"]
    """Index into `PROVENANCES` per fact."""
    held_back: Int[np.ndarray, "n_held 3"] = field(
        default_factory=lambda: np.empty((0, 3), np.int32)
    )
    """True facts that the source knows and the graph leaves out; augmentation adds them first."""
    notes: dict[str, Any] = field(default_factory=dict)
    """What the source has to report (merges, multi-valued keys, ...): JSON values only."""

    @classmethod
    def from_triples(
        cls,
        name: str,
        triples: Iterable[tuple[str, str, str]],
        *,
        provenance: Provenance = "real",
        held_back: Iterable[tuple[str, str, str]] = (),
        notes: dict[str, Any] | None = None,
    ) -> KnowledgeGraph:
        """Build a graph from (subject, relation, object) names; repeated triples count once.

        Raises:
            HopscopeError: if there is no triple at all.
        """
        rows, held = list(triples), list(held_back)
        if not rows:
            raise HopscopeError(f"{name}: no fact in it; a graph needs at least one triple.")
        subjects, relations, objects = zip(*rows, *held, strict=True)
        entities = tuple(sorted(set(subjects) | set(objects)))
        names = tuple(sorted(set(relations)))
        entity = {e: i for i, e in enumerate(entities)}
        relation = {r: i for i, r in enumerate(names)}
        table = np.array(
            [(entity[s], relation[r], entity[o]) for s, r, o in (*rows, *held)], np.int32
        )
        facts = np.unique(table[: len(rows)], axis=0)
        return cls(
            name=name,
            entities=entities,
            relations=names,
            facts=facts,
            provenance=np.full(len(facts), PROVENANCES.index(provenance), np.int8),
            held_back=np.unique(table[len(rows) :], axis=0),
            notes=notes or {},
        )

    def __len__(self) -> int:
        """Number of atomic facts."""
        return len(self.facts)

    def __repr__(self) -> str:
        return (
            f"KnowledgeGraph({self.name!r}: {len(self.entities):,} entities, "
            f"{len(self.relations):,} relations, {len(self):,} facts)"
        )

    @cached_property
    def _entity_index(self) -> dict[str, int]:
        return {e: i for i, e in enumerate(self.entities)}

    def entity(self, name: str) -> int:
        """Index of an entity by name."""
        if name not in self._entity_index:
            raise unknown_name("entity", name, self.entities)
        return self._entity_index[name]

    def relation(self, name: str) -> int:
        """Index of a relation by name."""
        if name not in self.relations:
            raise unknown_name("relation", name, self.relations)
        return self.relations.index(name)

    def fact_text(self, row: int) -> str:
        """Fact `row` in words, e.g. "Lyon -country-> France"."""
        s, r, o = self.facts[row]
        return f"{self.entities[s]} -{self.relations[r]}-> {self.entities[o]}"

    def adding(
        self, facts: Int[np.ndarray, "k 3"], provenance: Int[np.ndarray, " k"]
    ) -> KnowledgeGraph:
        """A graph with these facts added; one that is already there keeps its provenance."""
        table = np.concatenate([self.facts, facts.astype(self.facts.dtype)])
        origin = np.concatenate([self.provenance, provenance.astype(np.int8)])
        unique, first = np.unique(table, axis=0, return_index=True)
        return replace(self, facts=unique, provenance=origin[first])

    def count(self, provenance: Provenance) -> int:
        """Number of facts of this provenance."""
        return int((self.provenance == PROVENANCES.index(provenance)).sum())
