"""The operations between a block's matrix products, in PyTorch, for any dtype and norm.

`compiled_ops` does the same in fewer passes where it can. A block adds what its parts computed to
the residual stream only when the next norm reads it, so that both are one operation.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from circuits.model.config import ModelConfig
from circuits.model.cpu import attention, pointwise
from circuits.model.cpu.attention import Heads
from circuits.model.cpu.prefix_sharing import QueryNodes
from circuits.model.cpu.weights import Workspace

Rows = Tensor | slice


class TorchOps:
    """The operations of one configuration, with matrix products in `dtype`."""

    def __init__(self, cfg: ModelConfig, dtype: torch.dtype) -> None:
        self.cfg, self.dtype = cfg, dtype
        self.heads = Heads(cfg.n_heads, cfg.d_head)

    def workspace(self) -> Workspace:
        """Where a model's cast weights and their gradients are kept."""
        return Workspace(self.cfg, self.dtype)

    def distinct(
        self, keys: Int[Tensor, " n"]
    ) -> tuple[Int[Tensor, " n"], Int[Tensor, " numbers"]]:
        """The index of each key among the distinct ones, and where each of those first appears."""
        values, number = torch.unique(keys, return_inverse=True)
        place = torch.arange(len(keys))
        unseen = place.new_full(values.shape, len(keys))
        return number, unseen.scatter_reduce_(0, number, place, "amin")

    def add_norm(
        self,
        resid: Float[Tensor, "nodes d_model"],
        rows: Rows,
        delta: Float[Tensor, "n d_model"] | None,
        weights: tuple[Tensor, ...],
    ) -> tuple[Float[Tensor, "n d_model"], Float[Tensor, "n d_model"], Any]:
        """resid[rows] + delta in fp32, its norm in `dtype`, and what the backward pass needs."""
        total = resid[rows] if delta is None else resid[rows] + delta
        normed, saved = pointwise.normalize(total, weights, self.cfg)
        return total, normed.to(self.dtype), saved

    def norm_backward(
        self,
        dout: Float[Tensor, "n d_model"],
        saved: Any,
        weights: tuple[Tensor, ...],
        *,
        also: Float[Tensor, "fewer d_model"] | None = None,
        rows: Rows = slice(None),
        add: Float[Tensor, "n d_model"] | None = None,
    ) -> tuple[Float[Tensor, "n d_model"], tuple[Tensor, ...]]:
        """Gradients of the norm's input, plus `add`, and of its weights.

        The gradient of its output is dout, which may be overwritten, plus `also` at the given rows.
        """
        total = dout.float()
        if also is not None:
            if isinstance(rows, slice):
                total[rows] += also
            else:
                total.index_add_(0, rows, also.to(total.dtype))
        dx, dweights = pointwise.normalize_backward(total, saved, weights, self.cfg)
        return dx if add is None else dx + add, dweights

    def cast_and_sum(
        self, x: Float[Tensor, "n width"], total: Float[Tensor, " width"]
    ) -> Float[Tensor, "n width"]:
        """x in `dtype`; the sum of its rows goes into total."""
        cast = x.to(self.dtype)
        torch.sum(cast, 0, out=total)
        return cast

    def activate_backward(
        self,
        dpost: Float[Tensor, "n d_mlp"],
        kept: Float[Tensor, "n d_mlp"],
        total: Float[Tensor, " d_mlp"],
    ) -> Float[Tensor, "n d_mlp"]:
        """Gradient of the activation's input; the sum of its rows goes into total."""
        dpre = pointwise.activate_backward(dpost, kept, self.cfg.act_fn)
        torch.sum(dpre, 0, out=total)
        return dpre

    def attend(
        self,
        q: Float[Tensor, "later width"],
        kv: Float[Tensor, "nodes two_widths"],
        queries: QueryNodes,
    ) -> tuple[Float[Tensor, "queries width"], Any]:
        """See `circuits.model.cpu.attention.attend`."""
        return attention.attend(q, kv, queries, self.heads)

    def attend_backward(
        self, dz: Float[Tensor, "queries width"], n_nodes: int, queries: QueryNodes, saved: Any
    ) -> tuple[Float[Tensor, "later width"], Float[Tensor, "nodes two_widths"]]:
        """See `circuits.model.cpu.attention.attend_backward`."""
        return attention.attend_backward(dz, n_nodes, queries, self.heads, saved)
