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
from jaxtyping import Bool, Int

from circuits.errors import HopscopeError, unknown_name
from circuits.graph.names import check_names
from circuits.recipes.schema import MultiValued

Provenance = Literal["real", "synthetic", "added_true", "added_false", "added_llm"]
"""Where a fact comes from: a real source, a generator, augmentation (true or false), or a language
model (`hopscope augment`)."""

PROVENANCES: tuple[Provenance, ...] = get_args(Provenance)


@dataclass(frozen=True, eq=False)
class KnowledgeGraph:
    """An immutable set of facts over named entities and relations.

    Facts are unique and sorted by (subject, relation, object), and names are unique and sorted, so
    equal sets of facts give equal graphs in whichever order they were read.

    >>> rows = [("Lyon", "country", "France"), ("France", "currency", "Euro")]
    >>> KnowledgeGraph.from_triples("world", rows)
    KnowledgeGraph('world': 3 entities, 2 relations, 2 facts)
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
    also_true: Int[np.ndarray, "n_more 3"] = field(
        default_factory=lambda: np.empty((0, 3), np.int32)
    )
    """Further true facts, left out as multi-valued or by a preset. Augmentation does not seek them
    out, but counts them as true if it draws them."""
    notes: dict[str, Any] = field(default_factory=dict)
    """What the source reports (merges, multi-valued keys, ...): JSON values only."""

    @classmethod
    def from_triples(
        cls,
        name: str,
        triples: Iterable[tuple[str, str, str]],
        *,
        provenance: Provenance = "real",
        held_back: Iterable[tuple[str, str, str]] = (),
        multi_valued: MultiValued = "mark",
        notes: dict[str, Any] | None = None,
    ) -> KnowledgeGraph:
        """Build a graph from (subject, relation, object) names; repeated triples count once.

        Names that occur only in facts left out by `multi_valued` are left out too.
        `notes["multi_valued"]` counts the keys and facts left out and lists the relations that lost
        all their facts; `notes["duplicates"]` counts repeats.

        Raises:
            HopscopeError: if there is no triple, or none is left, or if a name contains a control
                character or half a surrogate pair.

        >>> rows = [("Ann", "child", "Bo"), ("Ann", "child", "Cy"), ("Bo", "home", "Lyon")]
        >>> graph = KnowledgeGraph.from_triples("family", rows, multi_valued="drop")
        >>> graph.fact_text(0), graph.notes["multi_valued"]["relations_left_out"]
        ('Bo -home-> Lyon', {'child': 2})
        """
        rows, held = list(triples), list(held_back)
        if not rows:
            raise HopscopeError(f"{name}: no fact in it; a graph needs at least one triple.")
        entities, relations, table = _numbered(rows + held)
        facts, first_seen = _unique_facts(table[: len(rows)], len(entities), len(relations))
        kept = _policy_mask(facts, first_seen, multi_valued)
        if not kept.any():
            raise HopscopeError(
                f"{name}: every (subject, relation) has several objects, so multi_valued = "
                f"{multi_valued!r} leaves no fact; use 'first' or 'mark'."
            )
        several = _several_objects(facts)
        report = {
            "policy": multi_valued,
            "keys": int((several & ~np.r_[False, _same_key(facts)]).sum()),
            "facts": int(several.sum()),
            "facts_left_out": int((~kept).sum()),
            "relations_left_out": _vanished(relations, facts, kept),
        }
        pool, _ = _unique_facts(table[len(rows) :], len(entities), len(relations))
        graph = cls(
            name=name,
            entities=entities,
            relations=relations,
            facts=facts[kept],
            provenance=np.full(int(kept.sum()), PROVENANCES.index(provenance), np.int8),
            held_back=pool,
            also_true=facts[~kept],
            notes={**(notes or {}), "duplicates": len(rows) - len(facts), "multi_valued": report},
        )
        return graph if kept.all() else graph.without_unused_names()

    def without_unused_names(self) -> KnowledgeGraph:
        """The same facts, numbered without names that no fact and no held-back fact uses.

        Facts of `also_true` stay if all of their names do.
        """
        both = np.concatenate([self.facts, self.held_back])
        used = np.unique(both[:, [0, 2]])
        relations = np.unique(both[:, 1])
        sayable = np.isin(self.also_true[:, [0, 2]], used).all(1)
        sayable &= np.isin(self.also_true[:, 1], relations)
        entity = np.zeros(len(self.entities), np.int32)
        entity[used] = np.arange(len(used), dtype=np.int32)
        relation = np.zeros(len(self.relations), np.int32)
        relation[relations] = np.arange(len(relations), dtype=np.int32)

        def renumber(table: Int[np.ndarray, "n 3"]) -> Int[np.ndarray, "n 3"]:
            columns = (entity[table[:, 0]], relation[table[:, 1]], entity[table[:, 2]])
            return np.stack(columns, axis=1)

        return replace(
            self,
            entities=tuple(self.entities[i] for i in used),
            relations=tuple(self.relations[i] for i in relations),
            facts=renumber(self.facts),
            held_back=renumber(self.held_back),
            also_true=renumber(self.also_true[sayable]),
        )

    def without_relations(self, names: Iterable[str]) -> KnowledgeGraph:
        """The graph without all facts of these relations; `notes["left_out"]` counts them.

        Raises:
            HopscopeError: if a relation is unknown, or no fact is left.
        """
        left_out = {name: self.relation(name) for name in names}
        if not left_out:
            return self
        numbers = list(left_out.values())
        kept = ~np.isin(self.facts[:, 1], numbers)
        if not kept.any():
            raise HopscopeError(
                f"{self.name}: without {', '.join(left_out)} no fact is left; leave out fewer "
                "relations in source.leave_out_relations."
            )
        size = np.bincount(self.facts[:, 1], minlength=len(self.relations))
        counts = {name: int(size[number]) for name, number in left_out.items()}
        return replace(
            self,
            facts=self.facts[kept],
            provenance=self.provenance[kept],
            held_back=self.held_back[~np.isin(self.held_back[:, 1], numbers)],
            also_true=self.also_true[~np.isin(self.also_true[:, 1], numbers)],
            notes=self.notes | {"left_out": counts},
        ).without_unused_names()

    @cached_property
    def askable(self) -> KnowledgeGraph:
        """The facts that a question can run over: those whose (subject, relation) has one object.

        Names and their indices stay. Returns the graph itself if all of its facts qualify.
        """
        several = self.multi_valued
        if not several.any():
            return self
        return replace(self, facts=self.facts[~several], provenance=self.provenance[~several])

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

    @cached_property
    def _relation_index(self) -> dict[str, int]:
        return {r: i for i, r in enumerate(self.relations)}

    def relation(self, name: str) -> int:
        """Index of a relation by name."""
        if name not in self._relation_index:
            raise unknown_name("relation", name, self.relations)
        return self._relation_index[name]

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
        unique, first = _unique_facts(table, len(self.entities), len(self.relations))
        return replace(self, facts=unique, provenance=origin[first])

    def known_true(self, facts: Int[np.ndarray, "k 3"]) -> Bool[np.ndarray, " k"]:
        """Mask of the facts that the source states although the graph leaves them out."""
        known, asked = self._left_out_keys, self._keys(facts)
        if not len(known):
            return np.zeros(len(facts), bool)
        place = np.minimum(np.searchsorted(known, asked), len(known) - 1)
        return known[place] == asked

    @cached_property
    def _left_out_keys(self) -> Int[np.ndarray, " n"]:
        return np.unique(self._keys(np.concatenate([self.held_back, self.also_true])))

    def _keys(self, facts: Int[np.ndarray, "k 3"]) -> Int[np.ndarray, " k"]:
        """One integer per fact."""
        wide = facts.astype(np.int64)
        return (wide[:, 0] * len(self.relations) + wide[:, 1]) * len(self.entities) + wide[:, 2]

    @cached_property
    def same_key_as_previous(self) -> Bool[np.ndarray, " n_facts_less_1"]:
        """Whether fact i + 1 has the (subject, relation) of fact i."""
        return _same_key(self.facts)

    @cached_property
    def multi_valued(self) -> Bool[np.ndarray, " n_facts"]:
        """Whether the (subject, relation) of each fact has several objects."""
        return _several_objects(self.facts)

    def count(self, provenance: Provenance) -> int:
        """Number of facts of this provenance."""
        return int((self.provenance == PROVENANCES.index(provenance)).sum())


def _numbered(
    rows: list[tuple[str, str, str]],
) -> tuple[tuple[str, ...], tuple[str, ...], Int[np.ndarray, "n 3"]]:
    subjects, relations, objects = zip(*rows, strict=True)
    entities, ends = _ranked((*subjects, *objects))
    names, middle = _ranked(relations)
    check_names("entity", entities)
    check_names("relation", names)
    return entities, names, np.stack([ends[: len(rows)], middle, ends[len(rows) :]], axis=1)


def _ranked(names: tuple[str, ...]) -> tuple[tuple[str, ...], Int[np.ndarray, " n"]]:
    """The distinct names, sorted, and the index of each given name among them."""
    seen: dict[str, int] = {}
    number = seen.setdefault
    codes = np.fromiter((number(name, len(seen)) for name in names), np.int32, len(names))
    distinct = list(seen)
    order = sorted(range(len(distinct)), key=distinct.__getitem__)
    rank = np.empty(len(distinct), np.int32)
    rank[order] = np.arange(len(distinct), dtype=np.int32)
    return tuple(distinct[i] for i in order), rank[codes]


def _unique_facts(
    table: Int[np.ndarray, "n 3"], n_entities: int, n_relations: int
) -> tuple[Int[np.ndarray, "k 3"], Int[np.ndarray, " k"]]:
    """Sorted distinct rows and where each occurs first."""
    if n_entities * n_relations * n_entities >= 2**63:  # keys would overflow
        facts, first = np.unique(table, axis=0, return_index=True)
        return facts.astype(np.int32), first
    wide = table.astype(np.int64)
    key = (wide[:, 0] * n_relations + wide[:, 1]) * n_entities + wide[:, 2]
    first = np.unique(key, return_index=True)[1]
    return table[first].astype(np.int32), first


def _same_key(facts: Int[np.ndarray, "n 3"]) -> Bool[np.ndarray, " n_less_1"]:
    """Whether fact i + 1 has the (subject, relation) of fact i, the facts being sorted."""
    return (facts[1:, :2] == facts[:-1, :2]).all(axis=1)


def _several_objects(facts: Int[np.ndarray, "n 3"]) -> Bool[np.ndarray, " n"]:
    same = _same_key(facts)
    return np.r_[False, same] | np.r_[same, False]


def _vanished(
    relations: tuple[str, ...], facts: Int[np.ndarray, "n 3"], kept: Bool[np.ndarray, " n"]
) -> dict[str, int]:
    """Facts of the relations that lose all of their facts."""
    before, after = (
        np.bincount(rows[:, 1], minlength=len(relations)) for rows in (facts, facts[kept])
    )
    gone = np.flatnonzero((before > 0) & (after == 0))
    return {relations[r]: int(before[r]) for r in gone}


def _policy_mask(
    facts: Int[np.ndarray, "n 3"], first_seen: Int[np.ndarray, " n"], policy: MultiValued
) -> Bool[np.ndarray, " n"]:
    if policy == "mark":
        return np.ones(len(facts), bool)
    if policy == "drop":
        return ~_several_objects(facts)
    group = np.cumsum(np.r_[True, ~_same_key(facts)]) - 1
    earliest = np.full(group[-1] + 1, np.iinfo(np.int64).max)
    np.minimum.at(earliest, group, first_seen)
    return first_seen == earliest[group]
