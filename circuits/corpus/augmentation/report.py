"""What augmentation did, as a report for reading and as JSON."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from circuits.graph.knowledge_graph import PROVENANCES, KnowledgeGraph
from circuits.graph.paths import effective_bridges, phi, phi_r


@dataclass(frozen=True)
class AugmentationReport:
    """phi before and after, what was added how, and what could not be reached."""

    phi_trained: float | None
    """Trained inferred facts per ID fact that the splits draw; None: all."""
    facts_before: int
    facts_after: int
    phi_before: float
    """All inferred facts that can be asked over all atomic facts."""
    phi_after: float
    phi_r_before: dict[str, float]
    phi_r_after: dict[str, float]
    bridges_before: float
    """Effective number of bridges of all paths that can be asked."""
    bridges_after: float
    added: dict[str, int] = field(default_factory=dict)
    """Facts added by mode."""
    provenance: dict[str, int] = field(default_factory=dict)
    """All facts by provenance."""
    new_entities: int = 0
    unreachable: dict[str, str] = field(default_factory=dict)
    """Relations whose phi_r cannot reach `least_phi_r`, with the reason."""
    types: list[dict[str, Any]] = field(default_factory=list)
    """Types that invented facts respect: subject_of, object_of, entities, examples."""
    notes: list[str] = field(default_factory=list)

    @property
    def facts_added(self) -> int:
        """Number of facts that are not from the source."""
        return sum(self.added.values())

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self) | {"facts_added": self.facts_added}


def describe(
    before: KnowledgeGraph,
    after: KnowledgeGraph,
    *,
    phi_trained: float | None,
    added: dict[str, int],
    unreachable: dict[str, str],
    types: list[dict[str, Any]],
    notes: Iterable[str],
) -> AugmentationReport:
    """The report on a graph before and after."""
    phi_before, phi_r_before, bridges_before = first = _measured(before)
    phi_after, phi_r_after, bridges_after = first if after is before else _measured(after)
    return AugmentationReport(
        phi_trained=phi_trained,
        facts_before=len(before),
        facts_after=len(after),
        phi_before=phi_before,
        phi_after=phi_after,
        phi_r_before=phi_r_before,
        phi_r_after=phi_r_after,
        bridges_before=bridges_before,
        bridges_after=bridges_after,
        added=added,
        provenance={name: after.count(name) for name in PROVENANCES},
        new_entities=len(after.entities) - len(before.entities),
        unreachable=unreachable,
        types=types,
        notes=list(notes),
    )


def _measured(graph: KnowledgeGraph) -> tuple[float, dict[str, float], float]:
    """phi, phi_r by relation, effective number of bridges."""
    return phi(graph), _by_name(graph), round(effective_bridges(graph), 2)


def _by_name(graph: KnowledgeGraph) -> dict[str, float]:
    values = phi_r(graph).round(4).tolist()
    return dict(zip(graph.relations, values, strict=True))
