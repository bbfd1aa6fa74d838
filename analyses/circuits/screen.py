"""Which edges are worth patching: every edge's effect to first order, from one backward pass.

Exact path patching runs the rest of the model once per edge, and edges grow with the square of the
depth. To first order, what an edge does is the gradient of the logit difference by the receiver's
own input times what the sender would change of it (Syed et al., arXiv 2310.10348): one backward
pass per corrupted token for all edges together.

1. Gradients are carried back block by block. What each attention layer (or head) at each position
   passes on to each position that it reads is kept before it is added to the rest: that is the
   gradient by the input that this receiver alone sees.
2. The edges with the largest predicted share of a token's effect pass, where that effect is above
   zero, and some of the others, drawn at random, so that what the screen misses is itself measured.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from analyses.circuits.edge_choice import Choice, Effects
from analyses.circuits.nodes_and_edges import Edge, Node
from analyses.circuits.path_engine import PathPatcher, edges_in_use
from analyses.estimates import Variables, correlation, resampled_means, with_interval
from analyses.questions.contrasts import Contrast
from analyses.questions.examples import Examples
from circuits.model.transformer import HookedTransformer
from circuits.patching.engine import PatchEngine, Trace
from circuits.statistics import resample_weights

SAMPLED = 20
"""Edges measured exactly although the screen predicts little of them."""


@dataclass(frozen=True)
class Screen:
    """Which edges are measured exactly, and why."""

    predicted: Float[np.ndarray, "n corrupted edge"]
    """Effects to first order, nats."""
    total: Float[np.ndarray, "n corrupted"]
    """Effects of the corrupted tokens as a whole, nats."""
    measured: Bool[np.ndarray, " edge"]
    sampled: Bool[np.ndarray, " edge"]
    """Measured only because drawn from those of little promise."""


def predicted_effects(
    model: HookedTransformer,
    engine: PatchEngine,
    examples: Examples,
    contrasts: tuple[Contrast, ...],
    clean: Trace,
    sources: Sequence[Trace],
    edges: Sequence[Edge],
) -> Float[np.ndarray, "n corrupted edge"]:
    """Fall of the logit difference along every edge to first order, nats.

    Args:
        model: Of the traces, as is `engine`.
        engine: Computes logits and outputs of heads.
        examples: The clean questions.
        contrasts: Their corrupted tokens.
        clean: Their run.
        sources: The corrupted runs, one per contrast.
        edges: Whole edges.

    Returns:
        NaN for questions without such a token, and for edges whose sender it does not reach.
    """
    answer = examples.queries.answer.to(engine.device)
    patcher = PathPatcher(engine, clean, sources)
    heads = model.cfg.n_heads if any(e.receiver.kind == "head" for e in edges) else None
    found = np.full((len(examples), len(contrasts), len(edges)), np.nan, np.float32)
    for index, contrast in enumerate(contrasts):
        gradient = input_gradients(model, clean, contrast, answer, heads)
        for i in edges_in_use(edges, contrast.position):
            edge = edges[i]
            seen = gradient[edge.receiver]
            at = min(edge.sender.position, seen.shape[1] - 1)
            fall = -(seen[:, at] * patcher.change(edge.sender, index)).sum(-1)
            found[:, index, i] = fall.cpu().numpy()
        found[~contrast.valid, index] = np.nan
    return found


def input_gradients(
    model: HookedTransformer,
    clean: Trace,
    contrast: Contrast,
    answer: Tensor,
    heads: int | None,
) -> dict[Node, Float[Tensor, "n seen d_model"]]:
    """Gradient of the logit difference by what each receiver reads, and by nothing else.

    For attention: by the state at every position it sees. For MLPs and the output: at their own.
    """
    last = clean.pos - 1
    end = clean.resid[-1][:, -1]
    after = torch.zeros_like(clean.resid[-1])
    with torch.enable_grad():
        x = end.detach().requires_grad_()
        difference = contrast.logit_difference(model.logits_of(x), answer).sum()
        (after[:, -1],) = torch.autograd.grad(difference, x)
    found: dict[Node, Tensor] = {Node("output", model.depth, last): after[:, -1:]}
    for i in reversed(range(model.depth)):
        into_mlp = _pulled_back(partial(_mlp, model.blocks[i]), clean.mid[i], after)
        after = after + into_mlp
        before = after.clone()
        for p in range(clean.pos):
            found[Node("mlp", i, p)] = into_mlp[:, p : p + 1]
            for receiver, seen in _into_attention(model, i, p, heads, clean, after[:, p]):
                found[receiver] = seen
                before[:, : p + 1] += seen
        after = before
    return found


def total_effects(
    engine: PatchEngine,
    examples: Examples,
    contrasts: tuple[Contrast, ...],
    clean: Trace,
    sources: Sequence[Trace],
) -> Float[np.ndarray, "n corrupted"]:
    """Fall of the logit difference when the token itself is corrupted; NaN where it cannot be."""
    answer = examples.queries.answer.to(engine.device)
    before, *after = (engine.logits(trace.resid[-1][:, -1]) for trace in (clean, *sources))
    falls = [
        contrast.logit_difference(before, answer) - contrast.logit_difference(logits, answer)
        for contrast, logits in zip(contrasts, after, strict=True)
    ]
    valid = np.stack([contrast.valid for contrast in contrasts], -1)
    return np.where(valid, torch.stack(falls, -1).cpu().numpy(), np.nan)


def screened(
    predicted: Float[np.ndarray, "n corrupted edge"],
    total: Float[np.ndarray, "n corrupted"],
    at_most: int,
    seed: int,
) -> Screen:
    """At most so many edges: the most promising ones, and a sample of the others."""
    drawn = np.zeros(predicted.shape[-1], bool)
    if len(drawn) <= at_most:
        return Screen(predicted, total, ~drawn, drawn)
    counted = np.maximum(np.isfinite(predicted).sum(0), 1)
    share = np.abs(np.nansum(predicted, 0) / counted) / _lowered(total)[:, None]
    order = np.argsort(-share.max(0), kind="stable")
    n_drawn = min(SAMPLED, at_most // 2)
    best, rest = np.split(order, [at_most - n_drawn])
    drawn[np.random.default_rng([seed, 8]).choice(rest, n_drawn, replace=False)] = True
    measured = drawn.copy()
    measured[best] = True
    return Screen(predicted, total, measured, drawn)


def _lowered(total: Float[np.ndarray, "n corrupted"]) -> Float[np.ndarray, " corrupted"]:
    """Mean effect of each token; infinite where it is not above zero by two standard errors.

    No edge is kept for such a token, and shares of nearly nothing would come before all others.
    """
    here = np.isfinite(total)
    n = np.maximum(here.sum(0), 1)
    mean = np.where(here, total, 0.0).sum(0) / n
    error = np.sqrt(np.where(here, (total - mean) ** 2, 0.0).sum(0) / n / n)
    return np.where(mean > 2 * error, mean, np.inf)


def screen_variables(
    screen: Screen, effects: Effects, found: Choice, resamples: int, seed: int
) -> Variables:
    """What was predicted, what was measured, and how far the one can stand for the other."""
    weights = resample_weights(len(screen.total), resamples, seed)
    weights = np.concatenate([np.ones((1, len(screen.total)), weights.dtype), weights])
    exact, guess = (resampled_means(t, weights) for t in (effects.real, screen.predicted))
    here = np.isfinite(exact).all(0) & np.isfinite(guess).all(0)
    index = correlation(exact[:, here], guess[:, here])
    low, high = np.percentile(index[1:], [2.5, 97.5])
    text = "correlation of predicted and measured effects over edges and tokens"
    missed = np.where(screen.sampled, found.in_circuit, np.nan)
    about = {"long_name": "share of the sampled edges that belong to the circuit", "units": "share"}
    predicted = guess[0].reshape(screen.predicted.shape[1:])
    return {
        "predicted": (
            ("corrupted", "edge"),
            predicted,
            {"long_name": "fall of the logit difference, to first order", "units": "nats"},
        ),
        "measured": (
            ("edge",),
            screen.measured.astype(np.int8),
            {"long_name": "1: measured exactly, 0: screened out"},
        ),
        "screen_correlation": ((), index[0], {"long_name": text, "units": "1"}),
        "screen_correlation_low": ((), low, {"long_name": f"{text}, 95% interval", "units": "1"}),
        "screen_correlation_high": ((), high, {"long_name": f"{text}, 95% interval", "units": "1"}),
        "screen_sampled": ((), np.int16(screen.sampled.sum()), {"long_name": "sampled edges"}),
        **with_interval("screen_missed", (), missed, about, shares=True),
    }


def _into_attention(
    model: HookedTransformer,
    i: int,
    p: int,
    heads: int | None,
    clean: Trace,
    gradient: Float[Tensor, "n d_model"],
) -> list[tuple[Node, Float[Tensor, "n seen d_model"]]]:
    """Attention (or each head) of block i at position p, and its gradient by what it reads."""
    block: Any = model.blocks[i]
    attn, ln = block.attn, block.ln1
    x = clean.resid[i][:, : p + 1]
    if heads is None:
        out = torch.zeros_like(x)
        out[:, -1] = gradient
        return [(Node("attn", i, p), _pulled_back(lambda x: attn(ln(x)), x, out))]
    by_z = torch.einsum("nm,hdm->nhd", gradient, attn.W_O)
    found = []
    for h in range(heads):
        only = torch.zeros(*x.shape[:2], *by_z.shape[1:], device=x.device)
        only[:, -1, h] = by_z[:, h]
        found.append((Node("head", i, p, h), _pulled_back(lambda x: _z(attn, ln(x)), x, only)))
    return found


def _mlp(block: Any, x: Tensor) -> Tensor:
    return block.mlp(block.ln2(x))


def _z(attn: Any, x: Tensor) -> Float[Tensor, "n pos n_heads d_head"]:
    kept: list[Tensor] = []
    handle = attn.hook_z.register_forward_hook(lambda module, args, z: kept.append(z))
    try:
        attn(x)
    finally:
        handle.remove()
    return kept[0]


def _pulled_back(function: Callable[[Tensor], Tensor], x: Tensor, gradient: Tensor) -> Tensor:
    """Gradient by x of the inner product of function(x) and `gradient`."""
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        return torch.autograd.grad(function(x), x, gradient)[0]
