"""Attention patterns of every head, and what each head adds to the logits of bridge and answer.

1. Compute the pattern by layer, head, query and key position, averaged over examples, and its
   entropy.
2. Score heads by direct logit attribution: project the output of head h of block l at a position
   onto the unembedding direction of a target, with the final norm's scale held at its value in this
   run. Scores are relative to the mean over all tokens, because a direction that all tokens share
   favours no answer. Targets are the bridge at relation_1 and the answer at the last position; the
   unit is logits.

In questions of many tokens, query and key are roles, read at their last token: what is paid to
other tokens is in the entropy and not in the pattern, whose rows then add up to less than 1. The
bridge is scored where the first hop is complete, by the first token of its name.

True by construction, and so no findings: the first position attends to itself alone; patterns and
scores at relation_1 are those of the atomic prompt (h, r1), bit for bit. What the last block writes
before the last position cannot reach the answer (`usable` is False, see `analyses.usable`), so that
its scores for the bridge are about the atomic fact alone.

How to read: A row is a head, a column the position it attends to. Heads of the circuit attend to
the subject from relation_1 in an early block, and to relation_1 from the last position in a later
one; positive scores for the bridge or the answer say what they write.

What misleads: Attention is not effect: a head may attend to a position and write nothing of use,
and values differ in length. Scores are direct effects on the logits; what a head passes on to later
blocks, which is most of hop one, does not show. With three tokens some position always gets a
third: compare heads and steps, not with 0.
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
from circuits.model.protocol import Model
from circuits.model.readout import Readout
from circuits.patching.engines import AnyTrace, Engine, engine_for, traced
from circuits.patching.patched_run import activation
from circuits.patching.role_trace import RoleTrace


@torch.no_grad()
def run(model: Model, examples: Examples, options: Options) -> xr.Dataset:
    """Attention patterns, their entropy and direct attribution by head.

    Returns:
        pattern (layer, head, query, key): attention paid, summing to 1 over key; entropy (layer,
        head, query) in nats; score (target, layer, head) in logits; all with intervals. Here
        `layer` counts blocks, from 0 to depth - 1.
    """
    queries = examples.queries
    engine = engine_for(model)
    trace = traced(engine, queries)
    read = [_paid(engine, trace, i) for i in range(model.depth)]
    paid, entropy = (torch.stack(part, 1) for part in zip(*read, strict=True))
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


def _paid(
    engine: Engine, trace: AnyTrace, layer: int
) -> tuple[Float[Tensor, "n head query key"], Float[Tensor, "n head query"]]:
    """Attention between positions, and its entropy over everything that is read."""
    paid = activation(engine, trace, "pattern", layer)
    if not isinstance(trace, RoleTrace):
        return paid, torch.special.entr(paid).sum(-1)
    whole = torch.special.entr(activation(engine, trace.whole, "pattern", layer)).sum(-1)
    return paid, whole.take_along_dim(trace.columns[:, None], -1)


def _scores(
    model: Model, engine: Engine, trace: AnyTrace, queries: Queries
) -> tuple[Variables, list[str]]:
    targets: dict[str, tuple[int, Tensor]] = {}
    if queries.kind == "composition":
        targets["bridge"] = (queries.bridge_role, queries.bridge)
    targets["answer"] = (len(queries.positions) - 1, queries.answer)
    readout = Readout.of(model)
    wanted = [(at, token.to(model.device)) for at, token in targets.values()]
    scores = [_written(readout, engine, trace, i, wanted) for i in range(model.depth)]
    found = estimated(
        "score",
        torch.stack(scores, 2).cpu().numpy(),
        ("target", "layer", "head"),
        "direct contribution to the target's logit, relative to all tokens",
        units="logit",
    )
    return found, list(targets)


def _written(
    readout: Readout,
    engine: Engine,
    trace: AnyTrace,
    layer: int,
    targets: list[tuple[int, Int[Tensor, " n"]]],
) -> Float[Tensor, "n target head"]:
    """What each head of a block adds to the logit of a token at a position, for each target."""
    z = activation(engine, trace, "z", layer)
    found = []
    for position, token in targets:
        written = torch.einsum("nhd,hdm->nhm", z[:, position], engine.head_output(layer))
        written = readout.scaled_as(written, trace.resid[-1][:, position, None])
        found.append(torch.einsum("nhm,nm->nh", written, readout.directions[token]))
    return torch.stack(found, 1)
