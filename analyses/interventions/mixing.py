"""Mixing the decoded bridge back in, as an embedding (after DiscoLoop, arXiv 2607.00341).

Hop two may fail for OOD queries because the bridge at relation_1, although decodable, is not in the
form in which the model receives entities as inputs. The test supplies the bridge in that form.

1. The logit lens, restricted to entities, decodes the bridge at S[decode_layer, relation_1].
2. S[l, relation_1] becomes (1 - strength) S[l, relation_1] + strength * e, where e is the W_E row
   of the decoded entity, scaled to the norm of the state.
3. The controls are the true bridge, which perfect decoding would give, and a random other entity.
   Accuracy by strength and layer says whether it is the bridge that helps.

True by construction, and so no findings: strength 0 leaves the question as it is; decoded at the
last layer (the default), the bridge is the model's answer to the atomic prompt (h, r1), so
`decoded_right` is how well the model knows the fact.

How to read: Compare the decoded entity and the true bridge with the random entity at equal layer
and strength. Accuracy that rises above that at strength 0 says that hop two lacked the bridge in
this form; accuracy that falls less than with a random entity says only that the embedding is read.

What misleads: Where accuracy is near 1 without mixing, it can only fall, as in the demo's ID test;
the test is meant for OOD questions. By default the decoded entity is the model's answer to the
atomic prompt, so it is the true bridge for every fact the model knows. Strength 1 also removes
whatever else the state held.
"""

from __future__ import annotations

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float, Int
from torch import Tensor

from analyses.estimates import estimated
from analyses.options.interventions import MixingOptions as Options
from analyses.questions.examples import Examples
from circuits.corpus.queries import Queries
from circuits.errors import HopscopeError
from circuits.model.protocol import Model
from circuits.patching.batched_runs import run_batch
from circuits.patching.engines import AnyTrace, Engine, engine_for, traced

MIXED_IN = ("decoded", "true_bridge", "random")


@torch.no_grad()
def run(model: Model, examples: Examples, options: Options) -> xr.Dataset:
    """Accuracy after an entity's embedding is mixed into the state at relation_1.

    Returns:
        accuracy (mixed_in, strength, layer) with intervals; decoded_right (scalar), the share of
        examples whose decoded entity is the bridge.
    """
    queries = examples.queries
    position = queries.bridge_role
    engine = engine_for(model)
    base = traced(engine, queries)
    decoded = _decoded(engine, base, queries, position, options)
    bridge = queries.bridge.to(model.device)
    random = _other_entities(queries, options.seed).to(model.device)
    rows = torch.stack([model.W_E[token] for token in (decoded, bridge, random)])
    strengths = torch.tensor(options.strengths, device=model.device)
    entering = {
        layer: _mixed(base.resid[layer][:, position], rows, strengths)
        for layer in range(model.depth)
    }
    answer = queries.answer.to(model.device)
    shape = (len(MIXED_IN), len(strengths), len(queries))
    right = [
        (logits.argmax(-1) == answer).reshape(shape).cpu().numpy()
        for _, logits in sorted(run_batch(engine, base, position, entering).items())
    ]
    values = np.stack(right, 2).transpose(3, 0, 1, 2).astype(float)  # n mixed_in strength layer
    dims = ("mixed_in", "strength", "layer")
    variables = estimated(
        "accuracy", values, dims, "accuracy with an embedding mixed in", shares=True
    )
    variables |= estimated(
        "decoded_right",
        (decoded == bridge).cpu().numpy().astype(float),
        (),
        "decoded entity is the bridge",
        shares=True,
        keep=False,
    )
    coords = {
        "mixed_in": list(MIXED_IN),
        "strength": list(options.strengths),
        "layer": np.arange(model.depth),
    }
    return xr.Dataset(variables, coords)


def _decoded(
    engine: Engine, base: AnyTrace, queries: Queries, position: int, options: Options
) -> Int[Tensor, " n"]:
    layer = engine.depth if options.decode_layer is None else options.decode_layer
    if not 0 <= layer <= engine.depth:
        raise HopscopeError(
            f"decode_layer = {layer} does not exist; states are S[0] to S[{engine.depth}]."
        )
    logits = engine.logits(base.resid[layer][:, position])
    names = queries.entity_tokens
    best = logits[:, names].argmax(-1)
    return best if isinstance(names, slice) else torch.from_numpy(names).to(best.device)[best]


def _mixed(
    first: Float[Tensor, "n d_model"],
    rows: Float[Tensor, "mixed_in n d_model"],
    strengths: Float[Tensor, " strength"],
) -> Float[Tensor, "cells n 1 d_model"]:
    scaled = torch.nn.functional.normalize(rows, dim=-1) * first.norm(dim=-1, keepdim=True)
    part = strengths[None, :, None, None]
    return ((1 - part) * first + part * scaled[:, None]).flatten(0, 1).unsqueeze(2)


def _other_entities(queries: Queries, seed: int) -> Int[Tensor, " n"]:
    """A random entity for each example, never its bridge."""
    n_entities = len(queries.vocab.entities)
    shift = np.random.default_rng([seed, 5]).integers(1, n_entities, len(queries))
    other = (queries.bridge_ids[:, 0].astype(np.int64) + shift) % n_entities
    names = queries.entity_tokens
    return torch.from_numpy(other if isinstance(names, slice) else names[other].astype(np.int64))
