"""The record of the page Circuit: what the instrument is sent, and what the user chose."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np

from analyses.circuits.saved_circuits import SavedCircuit
from analyses.figures.words import position_of
from app.instrument.bench_fields import Bench as BenchFields
from app.instrument.bench_fields import BenchEdge, BenchState, Component, Edited, Judged
from app.instrument.fields import Payload
from app.instrument.packed_fields import Curve
from app.instrument.packing import curve
from app.instrument.payload import dump
from app.logic.circuit_bench import Bench
from circuits.circuit.faithfulness import Estimate, Faithfulness
from circuits.circuit.nodes_and_edges import Node
from circuits.errors import HopscopeError

MOST_DRAWN = 400
"""Edges that are sent, the strongest ones; more could not be told apart."""
LONGEST_NOTE, MOST_NOTES = 2000, 500


def bench_payload(timeline: Payload, bench: Bench) -> bytes:
    """JSON for the instrument, beside what every page's timeline needs."""
    circuit, table = bench.circuit, bench.by_size
    sent = sorted({*bench.ranked[:MOST_DRAWN], *bench.found})
    all_edges = circuit.all_edges
    used = {end for i in sent for end in (all_edges[i].sender, all_edges[i].receiver)}
    nodes = sorted(used, key=lambda v: (v.order, v.position, v.head or 0))
    place = {node: i for i, node in enumerate(nodes)}
    shares = [np.nan if e.share is None else abs(e.share) for e in circuit.candidates]
    least = [np.nan if not n else shares[bench.ranked[n - 1]] for n in table.sizes]
    ends = ("", "_low", "_high")
    columns: dict[str, Curve] = {
        f"{name}{end}": curve(getattr(table, name)[:, k])
        for name in ("faithfulness", "accuracy")
        for k, end in enumerate(ends)
    }
    rows = (f"{kind} {i}" for i in range(circuit.depth) for kind in ("attention", "MLP"))
    fields: BenchFields = {
        "rows": ["token", *rows, "answer"],
        "columns": [position_of(name).words for name in circuit.positions],
        "components": [_component(node, circuit.positions) for node in nodes],
        "edges": [
            _edge(bench, i, place[all_edges[i].sender], place[all_edges[i].receiver]) for i in sent
        ],
        "ranked": list(bench.ranked),
        "found": sorted(bench.found),
        "candidates": len(circuit.candidates),
        "heads": circuit.heads,
        "curve": {"size": list(table.sizes), "share": curve(least), **columns},  # type: ignore[typeddict-item]
        "n": int(bench.runs.contrasts[0].valid.sum()),
    }
    return dump({**timeline, "bench": fields})


def _component(node: Node, positions: tuple[str, ...]) -> Component:
    row = {"embed": 0, "output": 2 * node.layer + 1, "mlp": 2 * node.layer + 2}.get(
        node.kind, 2 * node.layer + 1
    )
    return {
        "name": node.name(positions),
        "row": row,
        "position": node.position,
        "head": node.head,
    }


def _edge(bench: Bench, i: int, source: int, target: int) -> BenchEdge:
    edge = bench.circuit.candidates[i]
    share, frequency = (_rounded(x) for x in (edge.share, edge.frequency))
    low = high = None
    if edge.share and edge.effect and edge.low is not None and edge.high is not None:
        whole = edge.effect / edge.share  # the ends of the effect, as shares
        low, high = (_rounded(x) for x in sorted((edge.low / whole, edge.high / whole)))
    return {
        "id": i, "name": edge.name, "source": source, "target": target,
        "share": share, "low": low, "high": high, "frequency": frequency,
    }  # fmt: skip


def _rounded(value: float | None) -> float | None:
    return None if value is None or not np.isfinite(value) else float(f"{value:.5g}")


def edited(
    serial: int, source: str, base: str, kept: Collection[int], state: BenchState,
    judged: Faithfulness,
) -> Edited:  # fmt: skip
    """The answer to a state of the page.

    Args:
        serial: Of the state that is answered.
        source: Names where the state comes from: a new name makes the page take it over.
        base: What the circuit starts from, in words.
        kept: The base circuit's edges.
        state: The state.
        judged: Of the chosen edges.
    """
    numbers: Judged = {
        "faithfulness": _ends(judged.restricted),
        "left": _ends(judged.excluded),
        "alone": _ends(judged.restricted_accuracy),
        "without": _ends(judged.excluded_accuracy),
        "whole": _ends(judged.full_accuracy),
        "n": judged.n,
    }
    return {
        "serial": serial, "source": source, "base": base, "kept": sorted(kept), "state": state,
        "judged": numbers,
    }  # fmt: skip


def _ends(found: Estimate) -> Curve:
    return curve([found.value, found.low, found.high])


def checked_state(sent: Any) -> BenchState:
    """A state as the page sent it, or as the address has it; what cannot be one is left out.

    >>> checked_state({"size": "many", "toggled": [3, "x"], "notes": {"output": "Tokyo"}})
    {'size': None, 'toggled': [3], 'notes': {'output': 'Tokyo'}, 'groups': {}}
    """
    table = sent if isinstance(sent, dict) else {}
    size, toggled = table.get("size"), table.get("toggled")
    notes, groups = (
        value if isinstance(value := table.get(name), dict) else {} for name in ("notes", "groups")
    )
    return {
        "size": size if _whole(size) else None,
        "toggled": sorted({i for i in toggled if _whole(i)}) if isinstance(toggled, list) else [],
        "notes": {
            str(name): str(text)[:LONGEST_NOTE]
            for name, text in list(notes.items())[:MOST_NOTES]
            if str(text).strip()
        },
        "groups": {
            str(name)[:60]: [str(head) for head in heads]
            for name, heads in list(groups.items())[:MOST_NOTES]
            if isinstance(heads, list) and heads and str(name).strip()
        },
    }


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def edges_of(bench: Bench, saved: SavedCircuit) -> frozenset[int]:
    """Indices of a saved circuit's edges among a bench's candidates.

    Raises:
        HopscopeError: if the run's circuit no longer has one of them.
    """
    index = {edge.name: i for i, edge in enumerate(bench.circuit.candidates)}
    for name in saved.edges:
        if name not in index:
            raise HopscopeError(
                f"the saved circuit {saved.name!r} has the edge {name!r}, which is not one of this "
                f"run's {len(index)} candidates; save it anew."
            )
    return frozenset(index[name] for name in saved.edges)
