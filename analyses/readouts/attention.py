"""Attention patterns of every head, and what each head adds to the logits of bridge and answer.

1. Compute the pattern by layer, head, query and key position, averaged over examples, and its
   entropy.
2. Score heads by direct logit attribution: project the output of head h of block l at a position
   onto the unembedding direction of a target, with the final norm's scale held at its value in this
   run. Scores are relative to the mean over all tokens, because a direction that all tokens share
   favours no answer. Targets are the bridge at relation_1 and the answer at the last position; the
   unit is logits.

True by construction, and so no findings: the first position attends to itself alone; patterns and
scores at relation_1 are those of the atomic prompt (h, r1), bit for bit. What the last block writes
before the last position cannot reach the answer (`usable` is False, see `analyses.usable`), so that
its scores for the bridge are about the atomic fact alone.
"""

from __future__ import annotations

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float, Int
from torch import Tensor

from analyses.estimates import Variables, estimated
from analyses.options.readouts import AttentionOptions as Options
from analyses.questions.examples import Examples
from circuits.corpus.queries import Queries
from circuits.model.components import LayerNorm, RMSNorm
from circuits.model.transformer import HookedTransformer
from circuits.patching.engine import PatchEngine, Trace, pattern


@torch.no_grad()
def run(model: HookedTransformer, examples: Examples, options: Options) -> xr.Dataset:
    """Attention patterns, their entropy and direct attribution by head.

    Returns:
        pattern (layer, head, query, key): attention paid, summing to 1 over key; entropy (layer,
        head, query) in nats; score (target, layer, head) in logits; all with intervals. Here
        `layer` counts blocks, from 0 to depth - 1.
    """
    queries = examples.queries
    engine = PatchEngine(model)
    trace = engine.trace(queries.tokens.to(model.device))
    paid = torch.stack([pattern(q, k) for q, k in zip(trace.q, trace.k, strict=True)], 1)
    entropy = torch.special.entr(paid).sum(-1)
    at = ("layer", "head", "query")
    variables = estimated(
        "pattern", paid.cpu().numpy(), (*at, "key"), "attention paid", keep=options.keep_examples
    )
    variables |= estimated(
        "entropy", entropy.cpu().numpy(), at, "entropy of the pattern", units="nat", keep=False
    )
    scores, targets = _scores(model, engine, trace, queries)
    variables |= scores
    coords = {
        "layer": np.arange(model.depth),
        "head": np.arange(model.cfg.n_heads),
        "query": list(queries.positions),
        "key": list(queries.positions),
        "target": targets,
    }
    return xr.Dataset(variables, coords)


def _scores(
    model: HookedTransformer, engine: PatchEngine, trace: Trace, queries: Queries
) -> tuple[Variables, list[str]]:
    targets: dict[str, tuple[int, Tensor]] = {}
    if queries.kind == "composition":
        targets["bridge"] = (queries.positions.index("relation_1"), queries.bridge)
    targets["answer"] = (len(queries.positions) - 1, queries.answer)
    values = [
        torch.stack(
            [
                _written(model, engine, trace, layer, position, token.to(model.device))
                for layer in range(model.depth)
            ],
            1,
        )
        for position, token in targets.values()
    ]
    found = estimated(
        "score",
        torch.stack(values, 1).cpu().numpy(),
        ("target", "layer", "head"),
        "direct contribution to the target's logit, relative to all tokens",
        units="logit",
    )
    return found, list(targets)


def _written(
    model: HookedTransformer,
    engine: PatchEngine,
    trace: Trace,
    layer: int,
    position: int,
    token: Int[Tensor, " n"],
) -> Float[Tensor, "n head"]:
    weights = pattern(trace.q[layer], trace.k[layer])[:, :, position]
    z = torch.einsum("nhk,nkhd->nhd", weights, trace.v[layer])
    written = torch.einsum("nhd,hdm->nhm", z, engine.head_output(layer))
    directions = model.W_U.T - model.W_U.T.mean(0)
    ln, final = model.ln_final, trace.resid[-1][:, position]
    if isinstance(ln, LayerNorm):
        written = written - written.mean(-1, keepdim=True)
        final = final - final.mean(-1, keepdim=True)
    if isinstance(ln, LayerNorm | RMSNorm):
        scale = (final.square().mean(-1, keepdim=True) + ln.eps).sqrt()
        written = written / scale[:, None] * ln.w
    return torch.einsum("nhm,nm->nh", written, directions[token])
