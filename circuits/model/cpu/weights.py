"""One block's weights, or their gradients, in the layout of the CPU path's matrix products."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from circuits.model.config import ModelConfig


class Merged(NamedTuple):
    """Buffers of one block: heads side by side, keys and values in one matrix, one dtype."""

    W_q: Float[Tensor, "d_model width"]
    b_q: Float[Tensor, " width"]
    W_kv: Float[Tensor, "d_model two_widths"]
    b_kv: Float[Tensor, " two_widths"]
    W_o: Float[Tensor, "width d_model"]
    b_o: Float[Tensor, " d_model"]
    W_in: Float[Tensor, "d_model d_mlp"]
    b_in: Float[Tensor, " d_mlp"]
    W_out: Float[Tensor, "d_mlp d_model"]
    b_out: Float[Tensor, " d_model"]


_PARAMETERS = (
    *("attn.W_Q", "attn.W_K", "attn.W_V", "attn.b_Q", "attn.b_K", "attn.b_V", "attn.W_O"),
    *("attn.b_O", "mlp.W_in", "mlp.b_in", "mlp.W_out", "mlp.b_out"),
)
"""A block's parameters in the order of its row in a `Packed`."""


class Packed:
    """All blocks' weights, or gradients, as one tensor with a row per block.

    Parameters keep their own layout, except W_Q [n_heads, d_model, d_head], W_K and W_V, whose
    heads are put side by side: two copies rearrange them for all blocks together, and one casts
    everything.
    """

    def __init__(self, cfg: ModelConfig, n_blocks: int, dtype: torch.dtype) -> None:
        d_model, width, d_mlp = cfg.d_model, cfg.n_heads * cfg.d_head, cfg.d_mlp
        shapes = (
            *((d_model, width), (d_model, 2 * width), (width,), (2 * width,)),
            *((width, d_model), (d_model,), (d_model, d_mlp), (d_mlp,)),
            *((d_mlp, d_model), (d_model,)),
        )
        sizes = [math.prod(shape) for shape in shapes]
        self.cfg, self.n_query = cfg, sizes[0]
        self.rows = torch.zeros(n_blocks, sum(sizes), dtype=dtype)
        self.blocks: list[Merged] = []
        for row in self.rows:
            parts = [p.view(s) for p, s in zip(row.split(sizes), shapes, strict=True)]
            W_q, W_kv, b_q, b_kv, *rest = parts
            self.blocks.append(Merged(W_q, b_q, W_kv, b_kv, *rest))

    def heads_first(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Queries and keys-and-values of rows in the parameters' layout."""
        cfg, n = self.cfg, self.n_query
        q = rows[:, :n].unflatten(1, (cfg.n_heads, cfg.d_model, cfg.d_head))
        return q, rows[:, n : 3 * n].unflatten(1, (2, cfg.n_heads, cfg.d_model, cfg.d_head))

    def heads_side_by_side(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """The same of rows in the layout here, axes in the order of the parameters'."""
        cfg, n = self.cfg, self.n_query
        q = rows[:, :n].unflatten(1, (cfg.d_model, cfg.n_heads, cfg.d_head))
        kv = rows[:, n : 3 * n].unflatten(1, (cfg.d_model, 2, cfg.n_heads, cfg.d_head))
        return q.transpose(1, 2), kv.permute(0, 2, 3, 1, 4)

    def pieces(self) -> list[Float[Tensor, "outer inner length"]]:
        """Each parameter's place in the rows, block by block, in the order of its own numbers."""
        heads = (self.cfg.n_heads, self.cfg.d_head)
        found = []
        for block in self.blocks:
            of_heads = (block.W_q, *block.W_kv.chunk(2, 1))
            found += [w.unflatten(1, heads).transpose(0, 1) for w in of_heads]
            plain = (block.b_q, *block.b_kv.chunk(2), *block[4:])
            found += [part.reshape(1, 1, -1) for part in plain]
        return found


class Workspace:
    """Buffers kept between steps: the cast weights of every block, and their gradients.

    The weights are refilled at each forward pass, so a weight must not change between a forward
    pass and its backward pass; PyTorch has the same rule.
    """

    def __init__(self, cfg: ModelConfig, dtype: torch.dtype) -> None:
        self.dtype = dtype
        self._weights = Packed(cfg, cfg.n_layers, dtype)
        self._gradients = Packed(cfg, cfg.depth, dtype)
        self.blocks, self.gradients = self._weights.blocks, self._gradients.blocks
        self._names = [f"blocks.{i}.{name}" for i in range(cfg.n_layers) for name in _PARAMETERS]
        self._shapes: list[torch.Size] = []

    def fill(self, parameters: dict[str, Tensor]) -> None:
        """Cast all weights."""
        sources = [parameters[name] for name in self._names]
        self._shapes = [source.shape for source in sources]
        packed = self._weights
        plain = torch.cat([source.reshape(-1) for source in sources]).view(packed.rows.shape)
        packed.rows.copy_(plain)
        here, there = packed.heads_side_by_side(packed.rows), packed.heads_first(plain)
        for target, source in zip(here, there, strict=True):
            target.copy_(source)

    def parameter_gradients(self) -> dict[str, Tensor]:
        """The gradient buffers as new fp32 gradients of the parameters, summed over passes."""
        packed, n_layers = self._gradients, len(self.blocks)
        rows = packed.rows
        if len(rows) > n_layers:
            rows = rows.view(-1, n_layers, rows.shape[1]).sum(0, dtype=torch.float32)
        plain = rows.to(torch.float32, copy=True)
        here, there = packed.heads_side_by_side(rows), packed.heads_first(plain)
        for source, target in zip(here, there, strict=True):
            target.copy_(source)
        parts = plain.view(-1).split([shape.numel() for shape in self._shapes])
        views = [part.view(shape) for part, shape in zip(parts, self._shapes, strict=True)]
        return dict(zip(self._names, views, strict=True))
