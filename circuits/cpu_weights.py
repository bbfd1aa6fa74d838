"""One block's weights, or their gradients, as the matrix products of the CPU path take them."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from circuits.config import ModelConfig


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

    @classmethod
    def empty(cls, cfg: ModelConfig, dtype: torch.dtype) -> Merged:
        """Unfilled buffers."""
        d_model, width, d_mlp = cfg.d_model, cfg.n_heads * cfg.d_head, cfg.d_mlp
        matrices = (
            *((d_model, width), (width,), (d_model, 2 * width), (2 * width,)),
            *((width, d_model), (d_model,), (d_model, d_mlp), (d_mlp,)),
            *((d_mlp, d_model), (d_model,)),
        )
        return cls(*(torch.empty(shape, dtype=dtype) for shape in matrices))

    def parameters(self, cfg: ModelConfig) -> dict[str, Tensor]:
        """Views of the buffers in the shapes of the block's parameters, by name."""
        heads = (cfg.n_heads, cfg.d_head)
        W_q = self.W_q.view(cfg.d_model, *heads)
        W_kv, b_kv = self.W_kv.view(cfg.d_model, 2, *heads), self.b_kv.view(2, *heads)
        return {
            "attn.W_Q": W_q.transpose(0, 1),
            "attn.W_K": W_kv[:, 0].transpose(0, 1),
            "attn.W_V": W_kv[:, 1].transpose(0, 1),
            "attn.W_O": self.W_o.view(*heads, cfg.d_model),
            "attn.b_Q": self.b_q.view(heads),
            "attn.b_K": b_kv[0],
            "attn.b_V": b_kv[1],
            "attn.b_O": self.b_o,
            "mlp.W_in": self.W_in,
            "mlp.b_in": self.b_in,
            "mlp.W_out": self.W_out,
            "mlp.b_out": self.b_out,
        }


class Workspace:
    """Buffers kept between steps: the cast weights of every block, and one block's gradients.

    The weights are refilled at each forward pass, so a weight must not change between a forward
    pass and its backward pass; PyTorch asks for the same.
    """

    def __init__(self, cfg: ModelConfig, dtype: torch.dtype) -> None:
        self.blocks = [Merged.empty(cfg, dtype) for _ in range(cfg.n_layers)]
        self.gradient = Merged.empty(cfg, dtype)
        self._gradient_views = self.gradient.parameters(cfg)
        self._weight_views = {
            f"blocks.{i}.{name}": view
            for i, block in enumerate(self.blocks)
            for name, view in block.parameters(cfg).items()
        }

    def fill(self, parameters: dict[str, Tensor]) -> None:
        """Cast all weights."""
        sources = [parameters[name] for name in self._weight_views]
        torch._foreach_copy_(list(self._weight_views.values()), sources)

    def add_gradients_to(self, gradients: dict[str, Tensor], prefix: str) -> None:
        """Put the gradient buffers into the table, in fp32; add where it has them already."""
        views = list(self._gradient_views.values())
        names = [prefix + name for name in self._gradient_views]
        copies = [torch.empty(view.shape) for view in views]
        torch._foreach_copy_(copies, views)
        if names[0] in gradients:
            torch._foreach_add_(copies, [gradients[name] for name in names])
        gradients.update(zip(names, copies, strict=True))
