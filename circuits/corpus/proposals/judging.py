"""Which proposed facts are accepted; every other is counted by why it is not."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Int

from circuits.corpus.augmentation.rules import Rules, closing_no_cycle
from circuits.corpus.augmentation.types import EntityTypes
from circuits.graph.knowledge_graph import KnowledgeGraph
from circuits.graph.names import Names


@dataclass(frozen=True)
class Proposal:
    """A fact as it was proposed."""

    subject: str
    relation: str
    object: str
    prompt: str
    """Digest of what was asked; or the line of a file."""


@dataclass
class Judge:
    """Accepts facts one after the other; an accepted one fills its slot."""

    graph: KnowledgeGraph
    types: EntityTypes
    rules: Rules
    accepted: list[tuple[tuple[int, int, int], Proposal]] = field(default_factory=list)
    """Indices into the graph's names, and what was proposed."""
    rejected: Counter[str] = field(default_factory=Counter)
    """By reason."""
    _filled: dict[tuple[int, int], set[int]] = field(init=False)
    _entity: dict[str, int] = field(init=False)
    _relation: dict[str, int] = field(init=False)
    _cleaned: Names = field(init=False, default_factory=Names)

    def __post_init__(self) -> None:
        self._filled = {}
        self._entity = {name: i for i, name in enumerate(self.graph.entities)}
        self._relation = {name: i for i, name in enumerate(self.graph.relations)}
        for subject, relation, obj in self.graph.facts.tolist():
            self._filled.setdefault((subject, relation), set()).add(obj)

    def hear(self, proposals: Iterable[Proposal]) -> None:
        """Judge proposals in their order."""
        for proposal in proposals:
            self._judge(proposal)

    def _judge(self, proposal: Proposal) -> None:
        try:
            subject = self._entity[self._cleaned[proposal.subject]]
            obj = self._entity[self._cleaned[proposal.object]]
        except (KeyError, ValueError):
            self.rejected["unknown entity"] += 1
            return
        relation = self._relation.get(proposal.relation)
        if relation is None:
            self.rejected["unknown relation"] += 1
            return
        reason = self._problem(subject, relation, obj)
        if reason is not None:
            self.rejected[reason] += 1
            return
        self._filled.setdefault((subject, relation), set()).add(obj)
        self.accepted.append(((subject, relation, obj), proposal))

    def _problem(self, subject: int, relation: int, obj: int) -> str | None:
        there = self._filled.get((subject, relation), set())
        fact = np.array([[subject, relation, obj]], np.int32)
        if obj in there:
            return "known already"
        if there or (subject != obj and not self.rules.keep_protected(fact).all()):
            return "contradiction"
        if obj not in self.types.objects(relation) or subject not in self.types.subjects(relation):
            return "wrong type"
        if subject == obj or (self.rules.rank is not None and not self._stays_acyclic(fact)):
            return "cycle"
        return None

    def _stays_acyclic(self, fact: Int[np.ndarray, "1 3"]) -> bool:
        so_far = np.array([row for row, _ in self.accepted], np.int32).reshape(-1, 3)
        grown = self.graph.adding(so_far, np.zeros(len(so_far), np.int8))
        return bool(closing_no_cycle(grown, fact).all())


def proposals_in(
    text: str, relation: str, subjects: tuple[str, ...], digest: str, rejected: Counter[str]
) -> list[Proposal] | None:
    """The facts of an answer {subject: object}; None if it is not the JSON that was asked for."""
    try:
        told: Any = json.loads(text)
    except ValueError:
        return None
    if not isinstance(told, dict) or not told.keys() & set(subjects):
        return None
    rejected["not answered"] += len(set(subjects) - told.keys())
    rejected["not asked"] += len(told.keys() - set(subjects))
    found = []
    for subject in subjects:
        obj = told.get(subject, "")
        if obj is None:
            rejected["left open"] += 1
        elif not isinstance(obj, str):
            rejected["malformed"] += 1
        elif subject in told:
            found.append(Proposal(subject, relation, obj, digest))
    return found
