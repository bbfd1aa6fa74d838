"""Forward and backward of one block by hand, for training small models on a CPU.

Per-operation costs rule at 3 tokens and width 64-128, so this spells the block out with as few
operations as there can be: one matrix product for keys and values together, only the wanted
states, each distinct prefix once (`circuits.cpu_path.prefix_sharing`), no graph recording,
gradients written into standing buffers. Matrix products and attention run in the buffers' dtype;
the residual stream, the norms and the sums over rows that share a prefix stay in fp32.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from circuits.config import ModelConfig
from circuits.cpu_path.attention import Attended, Heads, attend, attend_backward
from circuits.cpu_path.linear import linear, linear_activated
from circuits.cpu_path.pointwise import activate_backward, normalize, normalize_backward
from circuits.cpu_path.prefix_sharing import Queries
from circuits.cpu_path.weights import Merged


class Norms(NamedTuple):
    """Weights of ln1 and ln2: (w, b), (w,) or ()."""

    ln1: tuple[Tensor, ...]
    ln2: tuple[Tensor, ...]


class BlockTape(NamedTuple):
    """What one block's backward pass needs."""

    queries: Queries
    norm1: Any
    x1: Float[Tensor, "nodes d_model"]
    x_q: Float[Tensor, "later_or_nodes d_model"]
    """What the query vectors are projected from."""
    attended: list[Attended]
    z: Float[Tensor, "queries width"]
    norm2: Any
    x2: Float[Tensor, "queries d_model"]
    pre: Tensor
    post: Float[Tensor, "queries d_mlp"]


def block_forward(
    resid: Float[Tensor, "nodes d_model"],
    w: Merged,
    norms: Norms,
    queries: Queries,
    cfg: ModelConfig,
    heads: Heads,
) -> tuple[Float[Tensor, "queries d_model"], BlockTape]:
    """Residual stream after one block, at the queries only."""
    dtype = w.W_q.dtype
    normed, norm1 = normalize(resid, norms.ln1, cfg)
    x1 = normed.to(dtype)
    kv = linear(x1, w.W_kv, w.b_kv)
    x_q = x1 if queries.repeated else x1[queries.rows][queries.first :]
    q = torch.addmm(w.b_q, x_q, w.W_q, beta=heads.scale, alpha=heads.scale)
    if queries.repeated:
        q = q[queries.later]
    z, attended = attend(q, kv, queries, heads)
    resid_mid = resid[queries.rows] + linear(z, w.W_o, w.b_o)
    normed, norm2 = normalize(resid_mid, norms.ln2, cfg)
    x2 = normed.to(dtype)
    pre, post = linear_activated(x2, w.W_in, w.b_in, cfg.act_fn)
    resid_post = resid_mid + linear(post, w.W_out, w.b_out)
    return resid_post, BlockTape(queries, norm1, x1, x_q, attended, z, norm2, x2, pre, post)


def block_backward(
    dpost: Float[Tensor, "queries d_model"],
    w: Merged,
    norms: Norms,
    tape: BlockTape,
    cfg: ModelConfig,
    heads: Heads,
    into: Merged,
) -> tuple[Float[Tensor, "nodes d_model"], dict[str, Tensor]]:
    """Gradient of the block's input and of its norms; those of the weights go `into` buffers."""
    dtype = w.W_q.dtype
    queries, rows = tape.queries, tape.queries.rows
    dout = dpost.to(dtype)
    dpre = activate_backward(dout @ w.W_out.T, tape.pre, cfg.act_fn)
    _weight_gradient(tape.post, dout, into.W_out, into.b_out)
    _weight_gradient(tape.x2, dpre, into.W_in, into.b_in)
    dmid, dln2 = normalize_backward((dpre @ w.W_in.T).float(), tape.norm2, norms.ln2, cfg)
    dmid += dpost
    dattn = dmid.to(dtype)
    _weight_gradient(tape.z, dattn, into.W_o, into.b_o)
    dq, dkv_exact = attend_backward(dattn @ w.W_o.T, len(tape.x1), queries, heads, tape.attended)
    dkv = dkv_exact.to(dtype)
    _weight_gradient(tape.x1, dkv, into.W_kv, into.b_kv)
    if queries.repeated:
        of_nodes = torch.zeros(len(tape.x1), dq.shape[1])
        dq = of_nodes.index_add_(0, queries.later, dq.float()).to(dtype)
    _weight_gradient(tape.x_q, dq, into.W_q, into.b_q)
    dx1 = (dkv @ w.W_kv.T).float()
    if queries.repeated:
        dx1 += dq @ w.W_q.T
    else:
        _add_at(dx1, dq @ w.W_q.T, rows, queries.first)
    dresid, dln1 = normalize_backward(dx1, tape.norm1, norms.ln1, cfg)
    _add_at(dresid, dmid, rows, 0)
    weights = {f"ln1.{kind}": g for kind, g in zip("wb", dln1, strict=False)}
    weights |= {f"ln2.{kind}": g for kind, g in zip("wb", dln2, strict=False)}
    return dresid, weights


def _weight_gradient(x: Tensor, dout: Tensor, dW: Tensor, db: Tensor) -> None:
    torch.mm(x.T, dout, out=dW)
    torch.sum(dout, 0, out=db)


def _add_at(total: Tensor, part: Tensor, rows: Tensor | slice, skip: int) -> None:
    """Add part to the given rows of total, leaving out the first `skip` of them."""
    if isinstance(rows, slice):
        total[skip:] += part
    else:
        total.index_add_(0, rows[skip:], part.to(total.dtype))
