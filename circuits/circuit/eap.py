"""Edge attribution patching: every edge's effect to first order, from a few backward passes.

Exact path patching runs the rest of the model once per edge, and the number of edges grows with the
square of the depth. To first order, the effect of an edge is the gradient of the metric with
respect to the receiver's own input, times the change that the sender would make to it:

- *EAP* takes the gradient at the clean prompt (Syed et al., arXiv 2310.10348): one backward pass
  per contrast for all edges together.
- *EAP-IG* averages it over prompts between the corrupted and the clean one, embeddings mixed in
  equal steps, at midpoints (Hanna et al., arXiv 2403.17806, section 3), which helps where the clean
  gradient is flat.

Gradients are carried back block by block. The gradient that an attention layer (or head) passes to
each position it reads is stored, separately for its inputs q, k and v, before it is added to the
rest: it is the gradient with respect to the input that this receiver alone sees.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from circuits.circuit.contrast_runs import ContrastRuns
from circuits.circuit.nodes_and_edges import Edge, Node, Part
from circuits.circuit.path_engine import PathPatcher, edges_in_use
from circuits.model.components import plain_norm
from circuits.patching.engine import Trace

Gradients = dict[tuple[Node, Part | None], Float[Tensor, "n seen d_model"]]
"""By receiver and input. q, MLPs and the output read only their own position; k and v, and all
three inputs together (None), read every position up to the receiver's."""


@torch.no_grad()
def predicted_effects(
    runs: ContrastRuns, edges: Sequence[Edge], *, steps: int = 0, placebo: bool = False
) -> Float[np.ndarray, "n corrupted edge"]:
    """Fall of the metric along every edge to first order, nats.

    Args:
        runs: Clean prompts and what they are corrupted to.
        edges: Candidates; whole, or with the inputs of attention told apart.
        steps: 0 takes the gradient at the clean prompt (EAP); more average it over so many prompts
            between clean and corrupted (EAP-IG; the paper takes 5).
        placebo: Predict the effects of the placebos instead of the corrupted prompts.

    Returns:
        NaN for prompts without such a token, and for edges whose sender it does not reach.
    """
    sources = runs.placebo if placebo else runs.corrupted
    patcher = PathPatcher(runs.engine, runs.clean, sources)
    heads = any(edge.receiver.kind == "head" for edge in edges)
    found = np.full((len(runs), len(sources), len(edges)), np.nan, np.float32)
    for index, contrast in enumerate(runs.contrasts):
        gradient = _averaged_gradients(runs, index, sources[index], heads, steps)
        for i in edges_in_use(edges, contrast.changed):
            edge = edges[i]
            seen = gradient[edge.receiver, edge.part]
            at = min(edge.sender.position, seen.shape[1] - 1)
            fall = -(seen[:, at] * patcher.change(edge.sender, index)).sum(-1)
            found[:, index, i] = fall.cpu().numpy()
        missing = ~(contrast.valid & contrast.placebo_valid) if placebo else ~contrast.valid
        found[missing, index] = np.nan
    return found


def _averaged_gradients(
    runs: ContrastRuns, contrast: int, source: Trace, heads: bool, steps: int
) -> Gradients:
    if not steps:
        return input_gradients(runs, contrast, runs.clean, heads)
    total: Gradients = {}
    clean, change = runs.clean.resid[0], source.resid[0] - runs.clean.resid[0]
    for k in range(steps):
        between = runs.engine.trace(clean + (k + 0.5) / steps * change)
        for key, gradient in input_gradients(runs, contrast, between, heads).items():
            total[key] = total.get(key, 0) + gradient / steps
    return total


def input_gradients(runs: ContrastRuns, contrast: int, trace: Trace, heads: bool) -> Gradients:
    """Gradient of the metric by what each receiver reads, and by nothing else.

    Args:
        runs: Prompts and their contrasts.
        contrast: Index of the contrast whose metric is differentiated.
        trace: The run at which the gradient is taken.
        heads: Tell heads apart, instead of whole attention layers.
    """
    model, last = runs.model, trace.pos - 1

    def metric(x: Tensor) -> Tensor:
        return runs.score(contrast, model.logits_of(x))

    after = torch.zeros_like(trace.resid[-1])
    end = trace.resid[-1][:, -1]
    (after[:, -1],) = _pulled_back(metric, torch.ones(len(end)).to(end), end)
    found: Gradients = {(Node("output", model.depth, last), None): after[:, -1:]}
    for i in reversed(range(model.depth)):
        block: Any = model.blocks[i]
        (into_mlp,) = _pulled_back(partial(_mlp, block), after, trace.mid[i])
        after = after + into_mlp
        before = after.clone()
        for p in range(trace.pos):
            found[Node("mlp", i, p), None] = into_mlp[:, p : p + 1]
            seen = _into_attention(block, i, trace.resid[i][:, : p + 1], after[:, p], heads)
            for (receiver, part), gradient in seen.items():
                found[receiver, part] = gradient
                if part is None:
                    before[:, : p + 1] += gradient
        after = before
    return found


def _into_attention(
    block: Any,
    i: int,
    x: Float[Tensor, "n seen d_model"],
    gradient: Float[Tensor, "n d_model"],
    heads: bool,
) -> Gradients:
    """Gradients by the inputs of attention (or of each head) in block i, at x's last position."""
    attn, p = block.attn, x.shape[1] - 1
    n_heads = attn.W_O.shape[0]
    by_z = torch.einsum("nm,hdm->hnd", gradient, attn.W_O)
    # each head reads states of its own, so that one backward pass tells their gradients apart
    own = x.expand(n_heads, *x.shape) if heads else x[None]
    q, k, v = _pulled_back(partial(_z, block), by_z, own[:, :, -1:], own, own)
    found: Gradients = {}
    for h in range(len(own)):
        node = Node("head", i, p, h) if heads else Node("attn", i, p)
        whole = k[h] + v[h]
        whole[:, -1:] += q[h]
        parts = {None: whole, "q": q[h], "k": k[h], "v": v[h]}
        found |= {(node, part): seen for part, seen in parts.items()}  # type: ignore[misc]
    return found


def _mlp(block: Any, x: Tensor) -> Tensor:
    return block.mlp(plain_norm(block.ln2, x))


def _z(
    block: Any,
    x_q: Float[Tensor, "*head n 1 d_model"],
    x_k: Float[Tensor, "*head n seen d_model"],
    x_v: Float[Tensor, "*head n seen d_model"],
) -> Float[Tensor, "n_heads n d_head"]:
    """The heads' z at the last position; each head reads its own states, or all read the same."""
    attn = block.attn
    q, k, v = (
        _per_head(plain_norm(block.ln1, x), weight, bias)
        for x, weight, bias in (
            (x_q, attn.W_Q, attn.b_Q), (x_k, attn.W_K, attn.b_K), (x_v, attn.W_V, attn.b_V),
        )
    )  # fmt: skip
    return ((q @ k.mT / math.sqrt(q.shape[-1])).softmax(-1) @ v)[..., 0, :]


def _per_head(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """One product per head: one per head and prompt would be much slower."""
    flat = x.flatten(1, 2) @ weight + bias[:, None]
    return flat.unflatten(1, x.shape[1:3])


def _pulled_back(
    function: Callable[..., Tensor], gradient: Tensor, *inputs: Tensor
) -> tuple[Tensor, ...]:
    """Gradients by the inputs of the inner product of the function's value and `gradient`."""
    with torch.enable_grad():
        leaves = [x.detach().requires_grad_() for x in inputs]
        return torch.autograd.grad(function(*leaves), leaves, gradient)
