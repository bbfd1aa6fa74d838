"""Causal attention over a prefix tree, forward and backward by hand, for sequences of a few tokens.

With 3 to 5 positions a batched matrix product or `scaled_dot_product_attention` is dominated by
call overhead (measured: 5 to 10 times slower). Here keys and values are gathered to one row per
(seen position, query), and everything is elementwise over those rows. `c/attention.c` needs no such
rows.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from circuits.model.cpu.prefix_sharing import Lookups, QueryNodes


class Heads(NamedTuple):
    """How a row of width n_heads * d_head splits into heads."""

    n_heads: int
    d_head: int

    def sums(self, x: Float[Tensor, "seen n width"]) -> Float[Tensor, "seen n n_heads"]:
        """Sum over each head's columns."""
        return x.view(*x.shape[:-1], self.n_heads, self.d_head).sum(-1)

    def over_columns(self, x: Float[Tensor, "seen n n_heads"]) -> Float[Tensor, "seen n width"]:
        """Each head's number on all its columns."""
        return x.unsqueeze(-1).expand(*x.shape, self.d_head).reshape(*x.shape[:2], -1)

    @property
    def scale(self) -> float:
        """Factor of the attention scores."""
        return self.d_head**-0.5


class Attended(NamedTuple):
    """What the backward pass of one position needs."""

    q: Float[Tensor, "n width"]
    kv: Float[Tensor, "seen n two_widths"]
    pattern: Float[Tensor, "seen n n_heads"]
    spread_pattern: Float[Tensor, "seen n width"]


def attend(
    q: Float[Tensor, "later width"],
    kv: Float[Tensor, "nodes two_widths"],
    queries: QueryNodes,
    heads: Heads,
) -> tuple[Float[Tensor, "queries width"], list[Attended]]:
    """Attention output z (before W_O) of every query.

    q is already scaled and omits the queries at position 0.
    """
    width = q.shape[1]
    z = kv.new_empty(queries.first + len(q), width)
    if queries.first:
        own = kv[: queries.first] if isinstance(queries.rows, slice) else kv[_first_rows(queries)]
        z[: queries.first] = own[:, width:]
    saved = []
    for at in queries.lookups:
        query = q[at.start - queries.first : at.stop - queries.first]
        seen = kv.index_select(0, at.seen).view(at.position + 1, len(query), 2 * width)
        pattern = heads.sums(query * seen[..., :width]).softmax(0)
        spread = heads.over_columns(pattern)
        _sum_of(spread * seen[..., width:], out=z[at.start : at.stop])
        saved.append(Attended(query, seen, pattern, spread))
    return z, saved


def attend_backward(
    dz: Float[Tensor, "queries width"],
    n_nodes: int,
    queries: QueryNodes,
    heads: Heads,
    saved: list[Attended],
) -> tuple[Float[Tensor, "later width"], Float[Tensor, "nodes two_widths"]]:
    """Gradients of q before its scaling, and of kv in fp32, since many rows add up there."""
    width = dz.shape[1]
    dq = dz.new_empty(len(dz) - queries.first, width)
    dkv = torch.zeros(n_nodes, 2 * width, dtype=torch.float32)
    if queries.first:
        dv = dkv[:, width:]
        if isinstance(queries.rows, slice):
            dv[: queries.first] = dz[: queries.first]
        else:
            dv.index_add_(0, _first_rows(queries), dz[: queries.first].float())
    for at, kept in zip(queries.lookups, saved, strict=True):
        dseen = _seen_gradient(dz[at.start : at.stop], kept, heads, dq, at, queries.first)
        if isinstance(queries.rows, slice):  # no other query shares a node's own keys and values
            dkv[at.start : at.stop] += dseen[-1]
            dseen = dseen[:-1]
        # one seen position after the other: the fp32 copy then stays in the cache
        for nodes, gradient in zip(at.seen.split(dseen.shape[1]), dseen, strict=False):
            dkv.index_add_(0, nodes, gradient.float())
    return dq.mul_(heads.scale), dkv


def _seen_gradient(
    dz: Tensor, kept: Attended, heads: Heads, dq: Tensor, at: Lookups, first: int
) -> Float[Tensor, "seen n two_widths"]:
    width = dz.shape[1]
    keys, values = kept.kv[..., :width], kept.kv[..., width:]
    dpattern = heads.sums(values * dz)
    dscores = torch.ops.aten._softmax_backward_data(dpattern, kept.pattern, 0, dz.dtype)
    spread = heads.over_columns(dscores)
    _sum_of(spread * keys, out=dq[at.start - first : at.stop - first])
    # in dz's dtype, cast whole by the caller: a cast into every other half is ten times slower
    dseen = torch.empty_like(kept.kv)
    torch.mul(spread, kept.q, out=dseen[..., :width])
    torch.mul(kept.spread_pattern, dz, out=dseen[..., width:])
    return dseen


def _first_rows(queries: QueryNodes) -> Tensor:
    assert isinstance(queries.rows, Tensor)
    return queries.rows[: queries.first]


def _sum_of(terms: Float[Tensor, "seen n width"], out: Tensor) -> None:
    """Sum over the first axis, as additions: a reduction over it is several times slower."""
    if len(terms) == 1:
        out.copy_(terms[0])
        return
    torch.add(terms[0], terms[1], out=out)
    for term in terms[2:]:
        out += term
