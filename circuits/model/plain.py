"""The model without hooks: the parameters that training uses.

`HookedTransformer` is this model with TransformerLens's hook points; the parameters, their order
and their names in a state dict are the same. It is a separate class because importing
TransformerLens takes longer than importing PyTorch, and training needs none of it.

Initial weights follow GPT-2 as in `transformers`: every matrix and embedding is drawn from a
normal distribution with standard deviation init_range, those that write into the residual stream
(W_O, W_out) with init_range / sqrt(2 depth); biases are zero.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from circuits.model.components import (
    Block,
    Embed,
    MakeHookPoint,
    NoHookPoint,
    PosEmbed,
    Unembed,
    norm,
)
from circuits.model.config import ModelConfig


class PlainTransformer(nn.Module):
    """Parameters of a decoder-only transformer; `circuits.model.hook_free` computes with them.

    With n_passes > 1 there are `depth` blocks, and the parameters of n_layers.

    >>> from circuits.model.hook_free import fast_logits
    >>> cfg = ModelConfig(n_layers=1, d_model=8, n_ctx=3, d_vocab=10, n_heads=2)
    >>> fast_logits(PlainTransformer(cfg), torch.tensor([[1, 2, 3]])).shape
    torch.Size([1, 10])
    """

    hook_point: MakeHookPoint = NoHookPoint

    def __init__(self, cfg: ModelConfig) -> None:
        super().__init__()
        hook_point = type(self).hook_point
        self.cfg = cfg
        self.embed = Embed(cfg)
        self.hook_embed = hook_point()
        self.pos_embed = PosEmbed(cfg)
        self.hook_pos_embed = hook_point()
        self.embed_dropout = nn.Dropout(cfg.dropout)
        self.blocks = nn.ModuleList(Block(cfg, None, hook_point) for _ in range(cfg.n_layers))
        for i in range(cfg.n_layers, cfg.depth):
            owner = self.blocks[i % cfg.n_layers]
            assert isinstance(owner, Block)
            self.blocks.append(Block(cfg, owner, hook_point))
        self.ln_final = norm(cfg, None, hook_point)
        self.unembed = Unembed(cfg, self.embed)
        self._draw_weights()

    @property
    def depth(self) -> int:
        """Number of blocks a token passes, n_layers * n_passes."""
        return self.cfg.depth

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return self.embed.W_E.device

    @property
    def dtype(self) -> torch.dtype:
        """Type of the parameters."""
        return self.embed.W_E.dtype

    @property
    def W_E(self) -> Float[Tensor, "d_vocab d_model"]:
        """Token embedding."""
        return self.embed.W_E

    @property
    def W_U(self) -> Float[Tensor, "d_model d_vocab"]:
        """Unembedding; the transposed embedding if the two are tied."""
        return self.unembed.W_U

    @property
    def b_U(self) -> Float[Tensor, " d_vocab"]:
        """Bias of the logits: zero unless a loaded checkpoint had one."""
        return self.unembed.b_U

    def _draw_weights(self) -> None:
        generator = torch.Generator().manual_seed(self.cfg.seed)
        into_stream = self.cfg.init_range / math.sqrt(2 * self.cfg.depth)
        for name, parameter in self.named_parameters():
            kind = name.rpartition(".")[2]
            if kind.startswith("W_"):
                std = into_stream if kind in ("W_O", "W_out") else self.cfg.init_range
                nn.init.normal_(parameter, std=std, generator=generator)
