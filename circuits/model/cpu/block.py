"""Forward and backward of one block by hand, for training small models on a CPU.

At 3 tokens and width 64-128 the cost per operation dominates, so the block is written with as few
operations as possible: one matrix product for keys and values together, only the required states,
each distinct prefix once (`circuits.model.cpu.prefix_sharing`), no graph recording, gradients
written into reused buffers. Matrix products run in the buffers' dtype; the residual stream, the
norms and the sums over rows that share a prefix stay in fp32. `TorchOps` or, if there is a C
compiler, `CompiledOps` does everything between the products.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from circuits.model.cpu.linear import linear, linear_activated
from circuits.model.cpu.prefix_sharing import QueryNodes
from circuits.model.cpu.torch_ops import TorchOps
from circuits.model.cpu.weights import Merged


class Norms(NamedTuple):
    """Weights of ln1 and ln2: (w, b), (w,) or ()."""

    ln1: tuple[Tensor, ...]
    ln2: tuple[Tensor, ...]


class BlockTape(NamedTuple):
    """What one block's backward pass needs."""

    queries: QueryNodes
    norm1: Any
    x1: Float[Tensor, "nodes d_model"]
    x_q: Float[Tensor, "later_or_nodes d_model"]
    """What the query vectors are projected from."""
    attended: Any
    z: Float[Tensor, "queries width"]
    norm2: Any
    x2: Float[Tensor, "queries d_model"]
    pre: Tensor
    post: Float[Tensor, "queries d_mlp"]


def block_forward(
    resid: Float[Tensor, "nodes d_model"],
    delta: Float[Tensor, "nodes d_model"] | None,
    w: Merged,
    norms: Norms,
    queries: QueryNodes,
    ops: TorchOps,
) -> tuple[Float[Tensor, "queries d_model"], Float[Tensor, "queries d_model"], BlockTape]:
    """One block, at the queries only: residual stream before its MLP, and what the MLP adds.

    `delta` is the previous block's output that is still to be added to resid.
    """
    heads = ops.heads
    resid, x1, norm1 = ops.add_norm(resid, slice(None), delta, norms.ln1)
    kv = linear(x1, w.W_kv, w.b_kv)
    x_q = x1 if queries.repeated else x1[queries.rows][queries.first :]
    q = torch.addmm(w.b_q, x_q, w.W_q, beta=heads.scale, alpha=heads.scale)
    if queries.repeated:
        q = q[queries.later]
    z, attended = ops.attend(q, kv, queries)
    attn_out = linear(z, w.W_o, w.b_o)
    resid_mid, x2, norm2 = ops.add_norm(resid, queries.rows, attn_out, norms.ln2)
    pre, post = linear_activated(x2, w.W_in, w.b_in, ops.cfg.act_fn)
    mlp_out = linear(post, w.W_out, w.b_out)
    tape = BlockTape(queries, norm1, x1, x_q, attended, z, norm2, x2, pre, post)
    return resid_mid, mlp_out, tape


def block_backward(
    dpost: Float[Tensor, "queries d_model"],
    w: Merged,
    norms: Norms,
    tape: BlockTape,
    ops: TorchOps,
    into: Merged,
) -> tuple[Float[Tensor, "nodes d_model"], dict[str, Tensor]]:
    """Gradient of the block's input and of its norms; those of the weights go `into` buffers."""
    queries, rows = tape.queries, tape.queries.rows
    dout = ops.cast_and_sum(dpost, into.b_out)
    dpre = ops.activate_backward(dout @ w.W_out.T, tape.pre, into.b_in)
    torch.mm(tape.post.T, dout, out=into.W_out)
    torch.mm(tape.x2.T, dpre, out=into.W_in)
    dmid, dln2 = ops.norm_backward(dpre @ w.W_in.T, tape.norm2, norms.ln2, add=dpost)
    dattn = ops.cast_and_sum(dmid, into.b_o)
    torch.mm(tape.z.T, dattn, out=into.W_o)
    dq, dkv_exact = ops.attend_backward(dattn @ w.W_o.T, len(tape.x1), queries, tape.attended)
    dkv = ops.cast_and_sum(dkv_exact, into.b_kv)
    torch.mm(tape.x1.T, dkv, out=into.W_kv)
    later = queries.later
    if queries.repeated:
        of_nodes = dkv_exact.new_zeros(len(tape.x1), dq.shape[1])
        dq = _add_at(of_nodes, later, dq.float()).to(ops.dtype)
        later = slice(None)
    torch.mm(tape.x_q.T, dq, out=into.W_q)
    torch.sum(dq, 0, out=into.b_q)
    whole = isinstance(rows, slice)
    dresid, dln1 = ops.norm_backward(
        *(dkv @ w.W_kv.T, tape.norm1, norms.ln1),
        also=dq @ w.W_q.T,
        rows=later,
        add=dmid if whole else None,
    )
    if not whole:
        _add_at(dresid, rows, dmid)
    weights = {f"ln1.{kind}": g for kind, g in zip("wb", dln1, strict=False)}
    weights |= {f"ln2.{kind}": g for kind, g in zip("wb", dln2, strict=False)}
    return dresid, weights


def _add_at(total: Tensor, rows: Tensor | slice, part: Tensor) -> Tensor:
    """Add part to a list of rows of total; the list may repeat rows."""
    assert isinstance(rows, Tensor)
    return total.index_add_(0, rows, part)
