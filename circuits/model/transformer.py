"""The model: a GPT-2-style transformer on TransformerLens's hook machinery.

TransformerLens 4 removed its own `HookedTransformer`; this one keeps its hook names, parameter
names and shapes (held against `TransformerBridge.boot_native` in the tests) and adds what the
project needs: the same blocks run several times over, and a hook-free path for training.

Initial weights follow GPT-2 as in `transformers`: every matrix and embedding is drawn from a
normal distribution with standard deviation init_range, those that write into the residual stream
(W_O, W_out) with init_range / sqrt(2 depth); biases are zero.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformer_lens.ActivationCache import ActivationCache
from transformer_lens.hook_points import HookPoint
from transformer_lens.HookedRootModule import HookedRootModule

from circuits.errors import HopscopeError
from circuits.model.components import Block, Embed, PosEmbed, Unembed, norm
from circuits.model.config import ModelConfig
from circuits.model.hook_free import Precision, fast_logits

__all__ = ["HookedTransformer", "ModelConfig", "resid_name"]


class HookedTransformer(HookedRootModule):
    """Decoder-only transformer whose every activation can be read and replaced by name.

    State S[i, p], the residual stream after i blocks, is `resid_name(model, i)`. With n_passes > 1
    there are `depth` blocks with hook points of their own, and the parameters of n_layers.
    """

    def __init__(self, cfg: ModelConfig) -> None:
        super().__init__()
        self.cfg = cfg
        self.embed = Embed(cfg)
        self.hook_embed = HookPoint()
        self.pos_embed = PosEmbed(cfg)
        self.hook_pos_embed = HookPoint()
        self.embed_dropout = nn.Dropout(cfg.dropout)
        self.blocks = nn.ModuleList(Block(cfg) for _ in range(cfg.n_layers))
        for i in range(cfg.n_layers, cfg.depth):
            owner = self.blocks[i % cfg.n_layers]
            assert isinstance(owner, Block)
            self.blocks.append(Block(cfg, owner))
        self.ln_final = norm(cfg)
        self.unembed = Unembed(cfg)
        self._draw_weights()
        self.setup()

    @property
    def depth(self) -> int:
        """Number of blocks a token passes, n_layers * n_passes."""
        return self.cfg.depth

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return self.embed.W_E.device

    @property
    def W_E(self) -> Float[Tensor, "d_vocab d_model"]:
        """Token embedding."""
        return self.embed.W_E

    @property
    def W_U(self) -> Float[Tensor, "d_model d_vocab"]:
        """Unembedding; the transposed embedding where the two are tied."""
        return self.embed.W_E.T if self.cfg.tied_unembedding else self.unembed.W_U

    @property
    def b_U(self) -> Float[Tensor, " d_vocab"]:
        """Bias of the logits: zero unless a loaded checkpoint had one."""
        return self.unembed.b_U

    def forward(
        self,
        tokens: Int[Tensor, "batch pos"] | Float[Tensor, "batch pos d_model"],
        *,
        start_at_layer: int | None = None,
        stop_at_layer: int | None = None,
        return_type: str | None = "logits",
    ) -> Float[Tensor, "batch pos d_out"] | None:
        """Run the model through all its hook points.

        Args:
            tokens: Token ids; with start_at_layer the residual stream instead.
            start_at_layer: First block to run (negative counts from the end; `depth` runs only
                the final norm and the unembedding).
            stop_at_layer: Block before which to stop; then the residual stream is returned.
            return_type: "logits", or None for nothing.
        """
        if return_type not in ("logits", None):
            raise HopscopeError(
                f"return_type {return_type!r} is not known; allowed: 'logits' and None."
            )
        first = slice(start_at_layer, None).indices(self.depth)[0]
        last = slice(None, stop_at_layer).indices(self.depth)[1]
        resid = self._embedded(tokens) if start_at_layer is None else tokens
        for block in self.blocks[first:last]:
            resid = block(resid)
        if stop_at_layer is not None:
            return resid
        if return_type is None:
            self.ln_final(resid)
            return None
        return self.logits_of(resid)

    def logits_of(self, resid: Float[Tensor, "... d_model"]) -> Float[Tensor, "... d_vocab"]:
        """Final norm and unembedding of a residual stream: the logit lens."""
        return F.linear(self.ln_final(resid), self.W_U.T, self.b_U)

    def fast_logits(
        self,
        tokens: Int[Tensor, "batch pos"],
        predict_at: Int[Tensor, " batch"] | None = None,
        precision: Precision = "fp32",
    ) -> Float[Tensor, "batch d_vocab"]:
        """Logits at one position per row, without hooks; see `circuits.model.hook_free`."""
        return fast_logits(self, tokens, predict_at, precision)

    def run_with_cache(self, *model_args: Any, names_filter: Any = None, **kwargs: Any) -> Any:
        """Output and TransformerLens `ActivationCache`, as in `HookedRootModule`.

        Without a filter everything is kept but attn.hook_result, unless cfg.use_attn_result.
        """
        if names_filter is None and not self.cfg.use_attn_result:
            names_filter = _all_but_result
        has_batch_dim = not kwargs.get("remove_batch_dim", False)
        output, cache = super().run_with_cache(*model_args, names_filter=names_filter, **kwargs)
        view = self if self.cfg.n_passes == 1 else _Unrolled(self)
        return output, ActivationCache(cache, view, has_batch_dim=has_batch_dim)  # type: ignore[arg-type]

    def tokens_to_residual_directions(
        self, tokens: Int[Tensor, "*batch"]
    ) -> Float[Tensor, "*batch d_model"]:
        """Columns of the unembedding: the direction that raises each token's logit."""
        return self.W_U.T[tokens]

    def _embedded(self, tokens: Int[Tensor, "batch pos"]) -> Float[Tensor, "batch pos d_model"]:
        if tokens.shape[1] > self.cfg.n_ctx:
            raise HopscopeError(
                f"sequences of {tokens.shape[1]} tokens do not fit n_ctx = {self.cfg.n_ctx}."
            )
        positions = self.hook_pos_embed(self.pos_embed(tokens))
        return self.embed_dropout(self.hook_embed(self.embed(tokens)) + positions)

    def _draw_weights(self) -> None:
        generator = torch.Generator().manual_seed(self.cfg.seed)
        into_stream = self.cfg.init_range / math.sqrt(2 * self.cfg.depth)
        for name, parameter in self.named_parameters():
            kind = name.rpartition(".")[2]
            if kind.startswith("W_"):
                std = into_stream if kind in ("W_O", "W_out") else self.cfg.init_range
                nn.init.normal_(parameter, std=std, generator=generator)


class _Unrolled:
    """The model as the cache tools must see it with several passes: one layer per block run."""

    def __init__(self, model: HookedTransformer) -> None:
        self.model = model
        self.cfg = model.cfg.unrolled()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)


def resid_name(model: HookedTransformer, i: int) -> str:
    """Hook name of the states S[i, .]: the residual stream after i blocks, 0 <= i <= depth."""
    assert 0 <= i <= model.depth, (i, model.depth)
    if i == model.depth:
        return f"blocks.{i - 1}.hook_resid_post"
    return f"blocks.{i}.hook_resid_pre"


def _all_but_result(name: str) -> bool:
    return not name.endswith("attn.hook_result")
