"""Continuous progress measures: the model with only the two-hop route, and without its bridge.

Discovery (`analyses.circuits.discovery`) finds another circuit at each checkpoint; to follow one
mechanism over training, the same edges must be cut at every step (Nanda et al., arXiv 2301.05217,
section 5.1: restricted and excluded loss). By default they are those of the two-hop route, which
is defined by positions for a model of any depth:

- *shortcut* edges lead into attention at relation_2 (or a later relation) past the bridge: from the
  subject's position, or from the bare token relation_1. `restricted` cuts them, so that an answer
  can only come through what relation_1's position has computed.
- *bridge* edges lead into attention at the last position from what attention and MLPs wrote one
  position before. `excluded` cuts them, and leaves everything else.

What is cut is ablated to its mean over the questions, or to its value in another question with none
of their tokens, another bridge and another answer (`analyses.circuits.ablations`).

With `circuit` given, `restricted` keeps those edges alone and `excluded` cuts them: for the circuit
that discovery found at the last step, say.

How to read: `restricted` near the whole model says that the answers can come through the bridge
alone, `excluded` near the shortcut says that they cannot come without it. Both high: two mechanisms
that can replace each other. The distance between the two over training dates the mechanism.

What misleads: Ablation puts the model where it was never trained, so `restricted` is a lower bound
of what composes. Means and other questions' values remove different things: believe what both show.
The route is defined by positions, not by content: a shortcut that runs through relation_1's
position counts as route.
"""

from __future__ import annotations

from collections.abc import Sequence

import xarray as xr

from analyses.circuits.ablations import AblatedRuns, ablated_runs, ablation_variables
from analyses.estimates import half_precision
from analyses.options.circuits import RouteAblationOptions as Options
from analyses.questions.examples import Examples
from circuits.circuit.ablated_run import ABLATIONS, VARIANTS
from circuits.circuit.nodes_and_edges import Edge, candidate_edges, named_edges
from circuits.model.transformer import HookedTransformer
from circuits.patching.engine import PatchEngine


def run(model: HookedTransformer, examples: Examples, options: Options) -> xr.Dataset:
    """Accuracy and loss with only the route and without its bridge, for one checkpoint."""
    found = route_runs(PatchEngine(model), examples, options)
    coords = {"ablation": list(ABLATIONS), "variant": list(VARIANTS)}
    return half_precision(xr.Dataset(ablation_variables(found), coords))


def route_runs(engine: PatchEngine, examples: Examples, options: Options) -> AblatedRuns:
    """What the model answers with only the route and without its bridge, question by question."""
    positions = examples.queries.positions
    edges = candidate_edges(engine.depth, len(positions))
    if options.circuit:
        circuit = named_edges(options.circuit, edges, positions)
        kept = set(circuit), set(edges) - set(circuit)
    else:
        kept = set(edges) - set(shortcut_edges(edges)), set(edges) - set(bridge_edges(edges))
    clean = engine.trace(examples.queries.tokens.to(engine.device))
    return ablated_runs(engine, examples, clean, edges, *kept, options.seed)


def shortcut_edges(edges: Sequence[Edge]) -> list[Edge]:
    """Edges by which attention at relation j > 1 sees past the bridge before it."""
    return [
        edge
        for edge in edges
        if edge.receiver.kind in ("attn", "head")
        and edge.receiver.position >= 2
        and (
            edge.sender.position < edge.receiver.position - 1
            or (edge.sender.kind == "embed" and edge.sender.position < edge.receiver.position)
        )
    ]


def bridge_edges(edges: Sequence[Edge]) -> list[Edge]:
    """Edges from what was computed one position before the last into attention at the last."""
    last = max(edge.receiver.position for edge in edges)
    return [
        edge
        for edge in edges
        if edge.receiver.kind in ("attn", "head")
        and edge.receiver.position == last
        and edge.sender.position == last - 1
        and edge.sender.kind != "embed"
    ]
