"""Several models of one shape in one pass: weights stacked along a first axis, products batched.

`stacked_logits` computes for every model what `circuits.model.hook_free.plain_logits` computes for
one, in the same order, with `torch.bmm` in place of a product. Fixed shapes and no wait of the
host, so that `torch.compile` and CUDA graphs take it. Written out rather than `torch.func.vmap`
over the single model, which needs the same products, but chooses their layout itself (on two CPU
cores .65 to .85 of the speed of four separate steps at batch 512, width 96).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor

from circuits.model.components import ACTIVATIONS
from circuits.model.config import ModelConfig
from circuits.model.hook_free import Precision

Weights = Mapping[str, Tensor]
"""Parameters by name, [runs, ...] each, and the buffer "unembed.b_U"."""


def stacked_logits(
    weights: Weights,
    cfg: ModelConfig,
    tokens: Int[Tensor, "runs batch pos"],
    predict_at: Int[Tensor, "runs batch"],
    precision: Precision = "fp32",
) -> Float[Tensor, "runs batch d_vocab"]:
    """Logits of every model at one position of each of its own rows; dropout is not applied.

    Args:
        weights: Stacked parameters of models that have this configuration but for seed and scale
            of their initial weights.
        cfg: Configuration of any one of them.
        tokens: Token ids of each model's batch, padded on the right where rows are shorter.
        predict_at: Position of each row's prediction.
        precision: "bf16" computes the matrix products in bfloat16; the logits are fp32.

    >>> from circuits.model.plain import PlainTransformer
    >>> cfg = ModelConfig(n_layers=1, d_model=8, n_ctx=3, d_vocab=10, n_heads=2)
    >>> models = [PlainTransformer(cfg), PlainTransformer(cfg)]
    >>> tokens = torch.tensor([[[1, 2, 3]], [[4, 5, 6]]])
    >>> stacked_logits(stacked(models), cfg, tokens, torch.full((2, 1), 2)).shape
    torch.Size([2, 1, 10])
    """
    runs, _, pos = tokens.shape
    bf16 = precision == "bf16"
    with torch.autocast(tokens.device.type, torch.bfloat16) if bf16 else nullcontext():
        W_E = weights["embed.W_E"]
        first = torch.arange(runs, device=tokens.device)[:, None, None] * cfg.d_vocab
        resid = F.embedding(tokens + first, W_E.flatten(0, 1))
        resid = resid + weights["pos_embed.W_pos"][:, None, :pos]
        for i in range(cfg.depth):
            last = i == cfg.depth - 1
            of_block = f"blocks.{i % cfg.n_layers}."
            resid = _block(weights, of_block, cfg, resid, predict_at if last else None)
        W_U = W_E.mT if cfg.tied_unembedding else weights["unembed.W_U"]
        normed = _norm(weights, "ln_final", cfg, resid)
        return _linear(normed, W_U, weights["unembed.b_U"]).float()


def stacked(models: Sequence[torch.nn.Module]) -> dict[str, Tensor]:
    """Copies of the models' weights, [models, ...] each, for `stacked_logits`.

    >>> from circuits.model.plain import PlainTransformer
    >>> cfg = ModelConfig(n_layers=1, d_model=8, n_ctx=3, d_vocab=10, n_heads=2)
    >>> stacked([PlainTransformer(cfg), PlainTransformer(cfg)])["embed.W_E"].shape
    torch.Size([2, 10, 8])
    """
    states = [dict(model.named_parameters()) | dict(model.named_buffers()) for model in models]
    return {name: torch.stack([state[name].detach() for state in states]) for name in states[0]}


def _block(
    w: Weights, block: str, cfg: ModelConfig, resid: Tensor, predict_at: Tensor | None
) -> Tensor:
    """One block, in the last one at the predicted positions only."""
    pos, device = resid.shape[2], resid.device
    visible = torch.ones(pos, pos, dtype=torch.bool, device=device).tril()[None, None, None]
    normed = _norm(w, f"{block}ln1", cfg, resid)
    if predict_at is None:
        q, k, v = _project(normed, w, block, "QKV")
    else:
        (q,) = _project(_rows_at(normed, predict_at), w, block, "Q")
        k, v = _project(normed, w, block, "KV")
        resid = _rows_at(resid, predict_at)
        visible = visible[0, 0, 0][predict_at][:, :, None, None]
    # At few positions a batched product costs five times an elementwise one on a CPU.
    elementwise = torch.compiler.is_compiling() or device.type == "cpu"
    scores = (q.unsqueeze(4) * k.unsqueeze(3)).sum(-1) if elementwise else q @ k.mT
    scores = (scores * cfg.d_head**-0.5).masked_fill(~visible, -torch.inf)
    pattern = scores.softmax(-1).to(v.dtype)
    z = (pattern.unsqueeze(-1) * v.unsqueeze(3)).sum(4) if elementwise else pattern @ v
    z = rearrange(z, "r b h p d -> r b p (h d)")
    resid = resid + _linear(z, w[f"{block}attn.W_O"].flatten(1, 2), w[f"{block}attn.b_O"])
    normed = _norm(w, f"{block}ln2", cfg, resid)
    pre = _linear(normed, w[f"{block}mlp.W_in"], w[f"{block}mlp.b_in"])
    post = ACTIVATIONS[cfg.act_fn](pre)
    resid = resid + _linear(post, w[f"{block}mlp.W_out"], w[f"{block}mlp.b_out"])
    return resid if predict_at is None else resid[:, :, 0]


def _rows_at(x: Float[Tensor, "runs batch pos width"], at: Int[Tensor, "runs batch"]) -> Tensor:
    """x at one position of each row, [runs, batch, 1, width]."""
    return x.gather(2, at[:, :, None, None].expand(-1, -1, 1, x.shape[-1]))


def _linear(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """x @ weight + bias of each model; x is [runs, ..., d_in], weight [runs, d_in, d_out]."""
    flat = torch.baddbmm(bias[:, None], x.flatten(1, -2), weight)
    return flat.unflatten(1, x.shape[1:-1])


def _project(x: Tensor, w: Weights, block: str, which: str) -> tuple[Tensor, ...]:
    """Queries, keys or values from one product, each [runs, batch, n_heads, pos, d_head]."""
    matrices = torch.stack([w[f"{block}attn.W_{name}"] for name in which])
    weight = rearrange(matrices, "k r h m d -> r m (k h d)")
    biases = torch.stack([w[f"{block}attn.b_{name}"] for name in which])
    flat = _linear(x, weight, rearrange(biases, "k r h d -> r (k h d)"))
    heads = matrices.shape[2]
    return tuple(rearrange(flat, "r b p (k h d) -> k r b h p d", k=len(which), h=heads))


def _norm(w: Weights, name: str, cfg: ModelConfig, x: Tensor) -> Tensor:
    """The configuration's norm over the last axis, with each model's own scale and shift."""
    if cfg.normalization_type is None:
        return x
    scale = w[f"{name}.w"].view(len(x), *[1] * (x.ndim - 2), -1)
    if cfg.normalization_type == "RMS":
        return F.rms_norm(x, x.shape[-1:], None, cfg.eps) * scale
    shift = w[f"{name}.b"].view_as(scale)
    return F.layer_norm(x, x.shape[-1:], None, None, cfg.eps) * scale + shift
