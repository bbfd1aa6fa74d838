"""Path patching: what each component tells each other one, and what that does to the answer.

For every edge sender -> receiver of `circuits.circuit.nodes_and_edges` and every corrupted token,
the sender's corrupted output reaches this receiver only (`circuits.circuit.path_patching`). Senders
are embeddings, attention (layers or heads) and MLPs at a position; receivers are the q, k and v
inputs of later attention, later MLPs and the output. Measures as in
`analyses.interventions.component_patching`; the placebo is a token that leads to the same answer
(`analyses.questions.contrasts`).

How to read: The direct effect of one edge, in nats, for each token that was replaced; an edge
matters if it does more than its placebo, whose corrupted token leads to the same answer. The figure
lists the strongest ones.

What misleads: Only the direct path counts, with everything else held as in the clean run: work that
goes through several edges shows on each of them, and work that is shared by many heads is small on
all. The strongest of hundreds of edges are high by selection; `circuit_discovery` tests them and
corrects for that.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from analyses.estimates import Variables, half_precision, with_interval
from analyses.options.circuits import PathPatchingOptions as Options
from analyses.questions.contrasts import contrast_runs
from analyses.questions.examples import Examples
from circuits.circuit.nodes_and_edges import candidate_edges, named_edges
from circuits.circuit.path_patching import path_outcomes
from circuits.model.transformer import HookedTransformer


def run(model: HookedTransformer, examples: Examples, options: Options) -> xr.Dataset:
    """Effect of every edge of one checkpoint."""
    positions = examples.queries.positions
    heads = model.cfg.n_heads if options.heads else None
    edges = candidate_edges(model.depth, len(positions), heads, parts=options.parts)
    if options.edges:
        edges = named_edges(options.edges, edges, positions)
    runs = contrast_runs(model, examples, options.seed)
    outcomes, placebo = path_outcomes(runs, edges)
    dims = ("corrupted", "edge")
    about = (
        ("effect", "fall of the logit difference between t and t'", "nats", False),
        ("probability", "probability of the answer after patching", "1", False),
        ("flipped", "share whose top token is no longer the clean run's", "share", True),
    )
    variables: Variables = {}
    for i, (name, text, units, shares) in enumerate(about):
        attrs = {"long_name": text, "units": units}
        variables |= with_interval(name, dims, outcomes[..., i], attrs, shares=shares)
    attrs = {"long_name": "effect of a token with the same answer", "units": "nats"}
    variables |= with_interval("placebo", dims, placebo[..., 0], attrs)
    for name, rows in (
        ("n_valid", [c.valid for c in runs.contrasts]),
        ("n_placebo", [c.valid & c.placebo_valid for c in runs.contrasts]),
    ):
        counted = {"long_name": "examples with a value", "units": "1", "per_step": False}
        variables[name] = (("corrupted",), np.sum(rows, 1).astype(np.int32), counted)
    coords = {"corrupted": list(positions), "edge": [edge.name(positions) for edge in edges]}
    return half_precision(xr.Dataset(variables, coords))
