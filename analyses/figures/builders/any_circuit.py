"""A circuit of any model as a diagram: components of each block, and the edges that are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from analyses.figures.specs.charts import CircuitDiagram, DrawnEdge, DrawnNode, Spec

if TYPE_CHECKING:  # imports PyTorch, which drawing stored results does not need
    from circuits.circuit.circuit import Circuit, ScoredEdge
    from circuits.circuit.nodes_and_edges import Node as Component

Place = tuple[int, int]
"""Row (tokens, then attention and MLP of each block) and position."""


def diagram(circuit: Circuit) -> Spec:
    """The circuit's components and edges; heads of one layer are drawn as one."""
    edges = _edges(circuit)
    rows = (
        "token",
        *(f"{kind} {i}" for i in range(circuit.depth) for kind in ("attention", "MLP")),
    )
    ends = {place for edge in edges if edge.shown for place in (edge.source, edge.target) if place}
    nodes = [
        DrawnNode(layer=row, position=position, label=rows[row] if (row, position) in ends else "")
        for row, position in np.ndindex(len(rows), len(circuit.positions))
    ]
    relative = "that of the largest" if circuit.total is None else "that of the whole corruption"
    return CircuitDiagram(
        name="circuit_of_model",
        title="The circuit",
        subtitle=_subtitle(circuit),
        positions=circuit.positions,
        depth=2 * circuit.depth,
        rows=rows,
        nodes=tuple(nodes),
        edges=tuple(edges),
        targets=(),
        strength_label=f"effect of the edge as a share of {relative}",
        provenance={"method": circuit.method, "metric": circuit.metric, "n": circuit.n},
    )


def _subtitle(circuit: Circuit) -> str:
    kept, every = len(circuit.edges), len(circuit.candidates)
    found = {"exact": "path patching", "eap": "EAP", "eap_ig": "EAP-IG"}
    parts = [f"{kept} edges of {every}", f"found by {found.get(circuit.method, circuit.method)}"]
    if circuit.n:
        parts.append(f"n = {circuit.n}")
    if circuit.stability is not None:
        parts.append(f"stability {circuit.stability:.2f}")
    return ", ".join(parts)


def _edges(circuit: Circuit) -> list[DrawnEdge]:
    """One edge per pair of places: the kept one or, of several, the widest."""
    whole = circuit.total
    if whole is None:
        whole = max((abs(edge.effect or 0.0) for edge in circuit.candidates), default=0.0)
    found: dict[tuple[Place, Place | None], DrawnEdge] = {}
    for ends, scored in zip(circuit.all_edges, circuit.candidates, strict=True):
        edge = _drawn(ends.sender, ends.receiver, scored, whole or 1.0)
        key = (_place(ends.sender), edge.target)
        if key not in found or (edge.shown, edge.strength) > (
            found[key].shown,
            found[key].strength,
        ):
            found[key] = edge
    return list(found.values())


def _drawn(sender: Component, receiver: Component, scored: ScoredEdge, whole: float) -> DrawnEdge:
    effect, low, high = (
        np.nan if number is None else number / whole
        for number in (scored.effect, scored.low, scored.high)
    )
    sign: Literal[1, -1] = -1 if effect < 0 else 1
    ends = sorted((sign * low, sign * high))
    return DrawnEdge(
        kind="path",
        source=_place(sender),
        target=None if receiver.kind == "output" else _place(receiver),
        strength=0.0 if scored.effect is None else abs(effect),
        low=ends[0],
        high=ends[1],
        sign=sign,
        shown=scored.kept,
    )


def _place(component: Component) -> Place:
    if component.kind == "embed":
        return 0, component.position
    return 2 * component.layer + (2 if component.kind == "mlp" else 1), component.position
