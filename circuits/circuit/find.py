"""Finding a circuit: which edges carry the answer, by path patching against a placebo.

1. Candidate edges join every component to every later one that sees it
   (`circuits.circuit.nodes_and_edges`). A corrupted prompt has another answer t', and `effect` is
   how far the metric falls when the edge alone is patched with its activations.
2. Edges grow with the square of the depth. All are screened by their effect to first order
   (`circuits.circuit.screen`), and at most `per_component` times as many as there are components
   are measured exactly, for corrupted prompts and for placebos (`circuits.circuit.path_patching`).
3. Edges that do more than their placebos, by `circuits.circuit.edge_choice`, are the circuit; the
   choice is made again on bootstrap resamples of the prompts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from circuits.circuit.ablated_run import ABLATIONS, Ablation
from circuits.circuit.circuit import METHODS, Circuit, Method, ScoredEdge, checked_positions
from circuits.circuit.contrast_runs import ContrastRuns, Metric
from circuits.circuit.eap import predicted_effects
from circuits.circuit.edge_choice import (
    Choice,
    Effects,
    Rules,
    choose,
    choose_resampled,
    jaccard,
)
from circuits.circuit.nodes_and_edges import Edge, bounded_candidate_edges
from circuits.circuit.path_patching import path_outcomes
from circuits.circuit.screen import Screen, screened
from circuits.errors import HopscopeError, unknown_name
from circuits.model.transformer import HookedTransformer
from circuits.patching.prompts import position_names
from circuits.statistics import LEAST_EXAMPLES, Correction, bootstrap

IG_STEPS = 5
"""The number that the MIB benchmark's EAP-IG takes."""


@dataclass(frozen=True)
class Finding:
    """Measurements of every candidate edge, and which edges were kept."""

    screen: Screen
    effects: Effects
    choice: Choice
    resampled: Choice
    """The choice on bootstrap resamples of the prompts."""


def find_edges(
    runs: ContrastRuns,
    edges: Sequence[Edge],
    rules: Rules,
    *,
    per_component: int | None,
    resamples: int,
    seed: int,
) -> Finding:
    """The edges that carry the answer, by exact path patching.

    Args:
        runs: Prompts with one contrast or several.
        edges: Candidates.
        rules: When an edge is kept.
        per_component: Most edges measured exactly, as a multiple of the number of components;
            None: all.
        resamples: Bootstrap resamples of the prompts.
        seed: Seed of the resamples and of the screen's sample.
    """
    at_most = len(edges)
    if per_component is not None:
        at_most = per_component * len({edge.sender for edge in edges})
    screen = screened(predicted_effects(runs, edges), runs.totals(), at_most, seed)
    return _chosen(_exact_effects(runs, edges, screen), screen, rules, resamples, seed)


def find_circuit(
    model: HookedTransformer,
    clean: Any,
    corrupted: Any,
    *,
    placebo: Any = None,
    answer: Any = None,
    other: Any = None,
    metric: Metric = "logit_difference",
    method: Method = "exact",
    ablation: Ablation = "mean",
    heads: bool = False,
    parts: bool = False,
    positions: Sequence[str] | None = None,
    rate: float = 0.01,
    correction: Correction = "benjamini_hochberg",
    least_share: float | None = None,
    per_component: int | None = 4,
    steps: int = IG_STEPS,
    resamples: int = 200,
    seed: int = 0,
) -> Circuit:
    """The circuit through which a model answers clean prompts differently from corrupted ones.

    The answer is read at the last position. Intervals and tests treat prompts as independent, so
    give prompts that were drawn independently.

    Args:
        model: In eval mode, without added hooks.
        clean: Token ids [n, pos] of at least 5 prompts, or queries.
        corrupted: Token ids of the same shape whose answers differ, row by row.
        placebo: Token ids of the same shape whose answers are those of `clean`. With them an edge
            must do more than its placebo does; without, more than nothing.
        answer: Token t of each clean prompt; None: the model's own top token.
        other: Token t' of each corrupted prompt; None: the model's own top token there.
        metric: What must fall: "logit_difference" of t and t', or the "log_probability" of t; nats.
        method: "exact" patches every edge, "eap" and "eap_ig" predict what patching would do
            (`circuits.circuit.eap`): faster, and for screening only.
        ablation: What replaces everything else when the circuit is run: the "mean" over other
            prompts, or row by row their activations ("interchange").
        heads: Tell attention heads apart: more and weaker edges, which take more prompts to find.
        parts: Tell the inputs q, k and v of attention apart.
        positions: A name for each position, e.g. ("subject", "relation"); None: those of the
            queries, or "0", "1", ... for token ids.
        rate: False discovery rate of edges (family-wise error rate with Holm's correction).
        correction: For testing all edges at once.
        least_share: Edges with less than this share of the corruption's whole effect are left out.
            None: 0.05, for heads over their number at either end.
        per_component: Most edges measured exactly, as a multiple of the number of components, the
            others being screened out by EAP; None: all.
        steps: Prompts between corrupted and clean at which EAP-IG takes gradients.
        resamples: Bootstrap resamples of the prompts, for stability.
        seed: Seed of everything random.

    Raises:
        HopscopeError: for prompts that do not pair up or do not fit the model, fewer than 5, and
            unknown names.

    >>> import torch
    >>> from circuits import HookedTransformer, ModelConfig, find_circuit
    >>> model = HookedTransformer(
    ...     ModelConfig(2, 8, n_ctx=3, d_vocab=9, n_heads=2, init_range=0.3)
    ... ).eval()
    >>> clean, corrupted = torch.randint(9, (2, 200, 3), generator=torch.manual_seed(0))
    >>> circuit = find_circuit(model, clean, corrupted, positions=("a", "b", "c"))
    >>> len(circuit.edges), circuit.edges[-1].name
    (8, 'mlp.1[c]>output')
    >>> circuit.restricted(model)(clean).shape  # everything else mean-ablated
    torch.Size([200, 9])
    >>> circuit.faithfulness(model, clean, corrupted).restricted.value > 0.5
    True
    """
    _check_names(method, ablation)
    runs = ContrastRuns.between(
        model, clean, corrupted, placebo, answer=answer, other=other, metric=metric
    )
    named = position_names(clean) if positions is None else positions
    names = checked_positions(named, runs.clean.pos)
    n_heads = model.cfg.n_heads
    edges = bounded_candidate_edges(
        model.depth, len(names), n_heads if heads else None, parts=parts
    )
    n = _enough_pairs(runs)
    rules = Rules.for_edges(edges, n_heads, rate, correction, least_share)
    drawn: dict[str, int] = {"resamples": resamples, "seed": seed}
    if method == "exact":
        found = find_edges(runs, edges, rules, per_component=per_component, **drawn)
    else:
        found = _predicted(runs, edges, rules, steps if method == "eap_ig" else 0, **drawn)
    return Circuit(
        candidates=_scored(found, [edge.name(names) for edge in edges]),
        positions=names,
        depth=model.depth,
        n_heads=n_heads,
        d_model=model.cfg.d_model,
        heads=heads,
        parts=parts,
        method=method,
        metric=metric,
        ablation=ablation,
        n=n,
        total=float(found.choice.total[0]),
        stability=_stability(found),
    )


def _check_names(method: str, ablation: str) -> None:
    for kind, given, allowed in (("method", method, METHODS), ("ablation", ablation, ABLATIONS)):
        if given not in allowed:
            raise unknown_name(kind, str(given), allowed)


def _enough_pairs(runs: ContrastRuns) -> int:
    """Number of prompts that count, refused if an interval over them would mean nothing."""
    n = int(runs.contrasts[0].valid.sum())
    if n < LEAST_EXAMPLES:
        raise HopscopeError(
            f"{n} pairs of prompts with different answers are too few to tell an edge from chance; "
            f"give at least {LEAST_EXAMPLES}, better hundreds."
        )
    return n


def _predicted(
    runs: ContrastRuns, edges: Sequence[Edge], rules: Rules, steps: int, resamples: int, seed: int
) -> Finding:
    """Like `find_edges`, with predicted effects instead of measured ones."""
    real, placebo = (
        predicted_effects(runs, edges, steps=steps, placebo=which) for which in (False, True)
    )
    screen = screened(real, runs.totals(), len(edges), seed)
    return _chosen(Effects(real, placebo, screen.total), screen, rules, resamples, seed)


def _exact_effects(runs: ContrastRuns, edges: Sequence[Edge], screen: Screen) -> Effects:
    """Fall of the metric along every edge that the screen passes, per prompt."""
    passed = [edge for edge, measured in zip(edges, screen.measured, strict=True) if measured]
    real, placebo = (
        _among_all(found[..., 0], screen.measured)
        for found in path_outcomes(runs, passed, effect_only=True)
    )
    untested = np.isfinite(screen.predicted[:, :, ~screen.measured]).any(0).sum()
    return Effects(real, placebo, screen.total, int(untested))


def _among_all(
    values: Float[np.ndarray, "n corrupted passed"], measured: Bool[np.ndarray, " edge"]
) -> Float[np.ndarray, "n corrupted edge"]:
    """NaN for edges that were not measured."""
    table = np.full((*values.shape[:2], len(measured)), np.nan, np.float32)
    table[:, :, measured] = values
    return table


def _chosen(effects: Effects, screen: Screen, rules: Rules, resamples: int, seed: int) -> Finding:
    found = choose(effects, rules)
    return Finding(screen, effects, found, choose_resampled(effects, rules, resamples, seed))


def _scored(found: Finding, names: Sequence[str]) -> tuple[ScoredEdge, ...]:
    """Candidates of a search with one contrast."""
    # what the corruption does not reach does nothing, exactly
    unreached = found.screen.measured & ~np.isfinite(found.screen.predicted[:, 0]).any(0)
    interval = bootstrap(np.where(unreached, 0.0, found.effects.real[:, 0]))
    share = np.where(unreached, 0.0, found.choice.share[0])
    columns = [interval.mean, interval.low, interval.high, share]
    numbers = [[float(x) if np.isfinite(x) else None for x in column] for column in columns]
    kept = found.choice.in_circuit.tolist()
    frequency = found.resampled.in_circuit.mean(0).tolist()
    rows = zip(names, *numbers, kept, frequency, strict=True)
    return tuple(ScoredEdge(*row) for row in rows)


def _stability(found: Finding) -> float | None:
    if not found.choice.in_circuit.any():
        return None
    return float(jaccard(found.resampled.in_circuit, found.choice.in_circuit).mean())
