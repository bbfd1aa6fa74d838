"""How faithful a circuit is at every size: the curves of the MIB benchmark.

The strongest edges are kept, from .1 % to 100 % of all candidates, and the faithfulness of each
such circuit is measured (`circuits.circuit.faithfulness`). From the curve f
over the share k of edges (Mueller et al., arXiv 2504.13151, section 3.1):

- *CPR* (integrated circuit performance ratio), the area below f: how early the strongest edges do
  all that the model does; larger is better;
- *CMD* (integrated circuit-model distance), the area between f and 1: 0 where even few edges do
  exactly what the model does.

Both areas are sums of trapezoids between the benchmark's shares. A model of a thousand edges has
one edge at .1 %, one of 30 has none below 5 %. At 100 % f is 1 by construction.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from sklearn.metrics import roc_auc_score

from circuits.circuit.circuit import Circuit
from circuits.circuit.faithfulness import Estimate, ablated_by_corrupted, normalized, score
from circuits.errors import HopscopeError, unknown_name
from circuits.model.transformer import HookedTransformer

SHARES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


@dataclass(frozen=True)
class SizeCurve:
    """Faithfulness by size, with the areas that sum it up."""

    shares: tuple[float, ...]
    """Shares of all candidate edges."""
    n_edges: tuple[int, ...]
    faithfulness: tuple[Estimate, ...]
    """1: as the whole model; 0: as the ablated run."""
    cpr: Estimate
    cmd: Estimate


def size_curve(
    circuit: Circuit,
    model: HookedTransformer,
    clean: Any,
    corrupted: Any,
    *,
    answer: Any = None,
    other: Any = None,
) -> SizeCurve:
    """Faithfulness of a circuit's strongest edges, for every size.

    Args:
        circuit: Its scores rank the edges, by size and whatever their sign; which edges it keeps
            does not matter. Edges without a score come last.
        model: A model of the circuit's shape.
        clean: Prompts [n, pos].
        corrupted: Prompts that everything else is ablated to, as the circuit's `ablation` says.
        answer: As in `circuits.find_circuit`, as is `other`.
    """
    runs = circuit.runs_between(model, clean, corrupted, answer=answer, other=other)
    ranked = sorted(
        zip(circuit.all_edges, circuit.candidates, strict=True),
        key=lambda pair: -abs(pair[1].effect or 0.0),
    )
    edges = [edge for edge, _ in ranked]
    sizes = [int(share * len(edges)) for share in SHARES]
    run = ablated_by_corrupted(runs, circuit.all_edges, circuit.ablation)
    scores = {size: score(runs, run(edges[:size])) for size in {0, *sizes}}
    ends = np.stack([scores[0], score(runs, runs.clean_logits)])
    table = np.stack([scores[size] for size in sizes])
    rows = runs.contrasts[0].valid
    found = normalized(table, ends, rows)
    cpr, cmd = normalized(table, ends, rows, _areas)
    return SizeCurve(SHARES, tuple(sizes), found, cpr, cmd)


def auroc(circuit: Circuit, truth: Collection[str]) -> float:
    """How well a circuit's scores tell the edges of a known circuit from all others.

    Args:
        circuit: Its scores count by size; which edges it keeps does not matter.
        truth: Names of the known circuit's edges.

    Returns:
        Area under the receiver operating characteristic: 1 if every true edge has a larger score
        than every other one, .5 for scores that say nothing.
    """
    names = [edge.name for edge in circuit.candidates]
    for name in truth:
        if name not in names:
            raise unknown_name("edge", name, names)
    if not 0 < len(set(truth)) < len(names):
        raise HopscopeError("a known circuit has some of the edges: neither none nor all.")
    sizes = [abs(edge.effect or 0.0) for edge in circuit.candidates]
    return float(roc_auc_score([name in set(truth) for name in names], sizes))


def _areas(curve: Float[np.ndarray, "resample size"]) -> Float[np.ndarray, "resample 2"]:
    parts = (np.trapezoid(values, SHARES, axis=1) for values in (curve, np.abs(1 - curve)))
    return np.stack(list(parts), 1)
