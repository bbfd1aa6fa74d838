"""The parts of the transformer: pre-LN blocks as in GPT-2, a hook point on every activation.

Parameter names and shapes are those of TransformerLens 3.x's `HookedTransformer`, so state dicts
are exchanged without conversion. Biases are zero and norms the identity at first; weights are
drawn by `circuits.model.plain`.

The class of the hook points is an argument: TransformerLens's `HookPoint` in a `HookedTransformer`,
`NoHookPoint` in the plain model, which training uses to avoid importing TransformerLens. No two
hook points share a tensor, and none exposes a parameter, because hooks and readers of a cache may
write in place.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor, nn

from circuits.model.config import ModelConfig

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": F.relu,
    "gelu": F.gelu,
    "gelu_new": lambda x: F.gelu(x, approximate="tanh"),
    "silu": F.silu,
}


MakeHookPoint = Callable[[], Any]
"""The class of a model's hook points."""


class NoHookPoint(nn.Identity):
    """Takes the place of a hook point in a model without hooks."""

    def has_hooks(self) -> bool:
        """Always False."""
        return False


class SharesParameters(nn.Module):
    """A module that may take its parameters from an owner while its hook points are its own.

    This gives a later pass over the same blocks its own hook points. The owner is not a submodule,
    so parameters, state dict and optimizer see every weight once.
    """

    def __init__(self, owner: nn.Module | None) -> None:
        super().__init__()
        object.__setattr__(self, "_owner", owner)

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            owner = self.__dict__.get("_owner")
            if owner is None or name not in owner._parameters:
                raise
            return getattr(owner, name)

    def own(self, **parameters: Tensor) -> None:
        """Register parameters, unless an owner holds them."""
        if self.__dict__["_owner"] is None:
            for name, value in parameters.items():
                self.register_parameter(name, nn.Parameter(value))


class Embed(nn.Module):
    """Token embedding."""

    def __init__(self, cfg: ModelConfig) -> None:
        super().__init__()
        self.W_E = nn.Parameter(torch.zeros(cfg.d_vocab, cfg.d_model))

    def forward(self, tokens: Int[Tensor, "batch pos"]) -> Float[Tensor, "batch pos d_model"]:
        """Embed the tokens."""
        return F.embedding(tokens, self.W_E)


class PosEmbed(nn.Module):
    """Learned absolute positions."""

    def __init__(self, cfg: ModelConfig) -> None:
        super().__init__()
        self.W_pos = nn.Parameter(torch.zeros(cfg.n_ctx, cfg.d_model))

    def forward(self, tokens: Int[Tensor, "batch pos"]) -> Float[Tensor, "batch pos d_model"]:
        """The first positions, one row per sequence."""
        batch, pos = tokens.shape
        return self.W_pos[:pos].repeat(batch, 1, 1)  # a copy: hooks may write into it


class LayerNorm(SharesParameters):
    """LayerNorm; `hook_normalized` is before scale and shift, as in TransformerLens 4."""

    def __init__(
        self, cfg: ModelConfig, owner: nn.Module | None, hook_point: MakeHookPoint
    ) -> None:
        super().__init__(owner)
        self.eps = cfg.eps
        self.own(w=torch.ones(cfg.d_model), b=torch.zeros(cfg.d_model))
        self.hook_scale = hook_point()
        self.hook_normalized = hook_point()

    def forward(self, x: Float[Tensor, "... d_model"]) -> Float[Tensor, "... d_model"]:
        """Normalize the last axis."""
        x = x - x.mean(-1, keepdim=True)
        scale = self.hook_scale((x.square().mean(-1, keepdim=True) + self.eps).sqrt())
        return self.hook_normalized(x / scale) * self.w + self.b


class RMSNorm(SharesParameters):
    """Root-mean-square norm; `hook_normalized` is before the learned scale."""

    def __init__(
        self, cfg: ModelConfig, owner: nn.Module | None, hook_point: MakeHookPoint
    ) -> None:
        super().__init__(owner)
        self.eps = cfg.eps
        self.own(w=torch.ones(cfg.d_model))
        self.hook_scale = hook_point()
        self.hook_normalized = hook_point()

    def forward(self, x: Float[Tensor, "... d_model"]) -> Float[Tensor, "... d_model"]:
        """Normalize the last axis."""
        scale = self.hook_scale((x.square().mean(-1, keepdim=True) + self.eps).sqrt())
        return self.hook_normalized(x / scale) * self.w


def norm(cfg: ModelConfig, owner: nn.Module | None, hook_point: MakeHookPoint) -> nn.Module:
    """The norm layer of this configuration; the identity if it has none."""
    if cfg.normalization_type is None:
        return nn.Identity()
    return {"LN": LayerNorm, "RMS": RMSNorm}[cfg.normalization_type](cfg, owner, hook_point)


def plain_norm(ln: Any, x: Float[Tensor, "... d_model"]) -> Float[Tensor, "... d_model"]:
    """The norm's output, without its hook points."""
    if isinstance(ln, LayerNorm):
        return F.layer_norm(x, x.shape[-1:], ln.w, ln.b, ln.eps)
    if isinstance(ln, RMSNorm):
        return F.rms_norm(x, x.shape[-1:], ln.w, ln.eps)
    return x


class Attention(SharesParameters):
    """Causal multi-head self-attention; scores are divided by sqrt(d_head)."""

    def __init__(
        self, cfg: ModelConfig, owner: nn.Module | None, hook_point: MakeHookPoint
    ) -> None:
        super().__init__(owner)
        self.cfg = cfg
        into = (cfg.n_heads, cfg.d_model, cfg.d_head)
        self.own(
            **{name: torch.zeros(into) for name in ("W_Q", "W_K", "W_V")},
            W_O=torch.zeros(cfg.n_heads, cfg.d_head, cfg.d_model),
            **{name: torch.zeros(cfg.n_heads, cfg.d_head) for name in ("b_Q", "b_K", "b_V")},
            b_O=torch.zeros(cfg.d_model),
        )
        self.dropout = nn.Dropout(cfg.dropout)
        self.hook_q = hook_point()
        self.hook_k = hook_point()
        self.hook_v = hook_point()
        self.hook_attn_scores = hook_point()
        self.hook_pattern = hook_point()
        self.hook_z = hook_point()
        self.hook_result = hook_point()

    def forward(self, x: Float[Tensor, "batch pos d_model"]) -> Float[Tensor, "batch pos d_model"]:
        """What attention adds to the residual stream."""
        q = self.hook_q(_per_head(x, self.W_Q, self.b_Q))
        k = self.hook_k(_per_head(x, self.W_K, self.b_K))
        v = self.hook_v(_per_head(x, self.W_V, self.b_V))
        scores = torch.einsum("bqhd,bkhd->bhqk", q, k) / math.sqrt(self.cfg.d_head)
        future = torch.ones(scores.shape[-2:], dtype=torch.bool, device=x.device).triu(1)
        scores = self.hook_attn_scores(scores.masked_fill(future, -torch.inf))
        pattern = self.hook_pattern(scores.softmax(-1))
        z = self.hook_z(torch.einsum("bhqk,bkhd->bqhd", self.dropout(pattern), v))
        if self.hook_result.has_hooks():  # large, so only computed when a hook reads it
            return self.hook_result(torch.einsum("bqhd,hdm->bqhm", z, self.W_O)).sum(2) + self.b_O
        return F.linear(z.flatten(2), self.W_O.flatten(0, 1).T, self.b_O)


class MLP(SharesParameters):
    """Two linear maps with an activation between."""

    def __init__(
        self, cfg: ModelConfig, owner: nn.Module | None, hook_point: MakeHookPoint
    ) -> None:
        super().__init__(owner)
        self.act = ACTIVATIONS[cfg.act_fn]
        self.own(
            W_in=torch.zeros(cfg.d_model, cfg.d_mlp),
            b_in=torch.zeros(cfg.d_mlp),
            W_out=torch.zeros(cfg.d_mlp, cfg.d_model),
            b_out=torch.zeros(cfg.d_model),
        )
        self.hook_pre = hook_point()
        self.hook_post = hook_point()

    def forward(self, x: Float[Tensor, "batch pos d_model"]) -> Float[Tensor, "batch pos d_model"]:
        """What the MLP adds to the residual stream."""
        pre = self.hook_pre(F.linear(x, self.W_in.T, self.b_in))
        return F.linear(self.hook_post(self.act(pre)), self.W_out.T, self.b_out)


class Block(nn.Module):
    """One pre-LN block; with an owner, another pass over that block's parameters."""

    hook_out_is_single_residual_stream = True  # TransformerLens's logit lens asks

    def __init__(self, cfg: ModelConfig, owner: Block | None, hook_point: MakeHookPoint) -> None:
        super().__init__()
        part = owner.get_submodule if owner else lambda name: None
        self.hook_resid_pre = hook_point()
        self.ln1 = norm(cfg, part("ln1"), hook_point)
        self.attn = Attention(cfg, part("attn"), hook_point)
        self.hook_attn_out = hook_point()
        self.hook_resid_mid = hook_point()
        self.ln2 = norm(cfg, part("ln2"), hook_point)
        self.mlp = MLP(cfg, part("mlp"), hook_point)
        self.hook_mlp_out = hook_point()
        self.hook_resid_post = hook_point()
        self.dropout = nn.Dropout(cfg.dropout)

    def forward(
        self, resid: Float[Tensor, "batch pos d_model"]
    ) -> Float[Tensor, "batch pos d_model"]:
        """The residual stream after this block."""
        if self.hook_resid_pre.has_hooks():  # not the tensor that was the last block's resid_post
            resid = resid.clone()
        resid_pre = self.hook_resid_pre(resid)
        attn_out = self.hook_attn_out(self.dropout(self.attn(self.ln1(resid_pre))))
        resid_mid = self.hook_resid_mid(resid_pre + attn_out)
        mlp_out = self.hook_mlp_out(self.dropout(self.mlp(self.ln2(resid_mid))))
        return self.hook_resid_post(resid_mid + mlp_out)


class Unembed(nn.Module):
    """From the residual stream to logits. `b_U` stays zero: GPT-2 has none.

    If tied to the embedding, it has no weight of its own and W_U is the transposed W_E.
    """

    b_U: Tensor
    W_U: Float[Tensor, "d_model d_vocab"]

    def __init__(self, cfg: ModelConfig, embed: Embed) -> None:
        super().__init__()
        object.__setattr__(self, "_tied_to", embed if cfg.tied_unembedding else None)
        if not cfg.tied_unembedding:
            self.W_U = nn.Parameter(torch.zeros(cfg.d_model, cfg.d_vocab))
        self.register_buffer("b_U", torch.zeros(cfg.d_vocab))

    def __getattr__(self, name: str) -> Any:
        tied_to = self.__dict__.get("_tied_to")
        return tied_to.W_E.T if name == "W_U" and tied_to is not None else super().__getattr__(name)

    def forward(self, x: Float[Tensor, "... d_model"]) -> Float[Tensor, "... d_vocab"]:
        """Logits of a normalized residual stream."""
        return F.linear(x, self.W_U.T, self.b_U)


def _per_head(
    x: Float[Tensor, "batch pos d_model"],
    weight: Float[Tensor, "n_heads d_model d_head"],
    bias: Float[Tensor, "n_heads d_head"],
) -> Float[Tensor, "batch pos n_heads d_head"]:
    flat = F.linear(x, rearrange(weight, "h m d -> (h d) m"), bias.flatten())
    return rearrange(flat, "b p (h d) -> b p h d", h=weight.shape[0])
