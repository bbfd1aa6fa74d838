"""The hook-free path for training and evaluation: same parameters, same numbers, one position.

Only the predicted position of each row is carried through the last block's query and MLP.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor

from circuits.components import ACTIVATIONS, LayerNorm, RMSNorm

if TYPE_CHECKING:
    from circuits.model import HookedTransformer

Precision = Literal["fp32", "bf16"]


def fast_logits(
    model: HookedTransformer,
    tokens: Int[Tensor, "batch pos"],
    predict_at: Int[Tensor, " batch"] | None = None,
    precision: Precision = "fp32",
) -> Float[Tensor, "batch d_vocab"]:
    """Logits at one position of each row.

    Args:
        model: Its parameters are used, its hooks are not run.
        tokens: Token ids, padded on the right where rows are shorter.
        predict_at: Position of each row's prediction; the last one if None.
        precision: "bf16" computes the matrix products in bfloat16.
    """
    batch, pos = tokens.shape
    if predict_at is None:
        predict_at = torch.full((batch,), pos - 1, device=tokens.device)
    with torch.autocast(tokens.device.type, torch.bfloat16, enabled=precision == "bf16"):
        resid = F.embedding(tokens, model.embed.W_E) + model.pos_embed.W_pos[:pos]
        resid = model.embed_dropout(resid)
        for i in range(model.depth):
            resid = _block(model, i, resid, predict_at if i == model.depth - 1 else None)
        return F.linear(_norm(model.ln_final, resid), model.W_U.T, model.b_U).float()


def _norm(ln: Any, x: Tensor) -> Tensor:
    if isinstance(ln, LayerNorm):
        return F.layer_norm(x, x.shape[-1:], ln.w, ln.b, ln.eps)
    if isinstance(ln, RMSNorm):
        return F.rms_norm(x, x.shape[-1:], ln.w, ln.eps)
    return x


def _block(model: HookedTransformer, i: int, resid: Tensor, predict_at: Tensor | None) -> Tensor:
    block: Any = model.blocks[i]
    attn, mlp, drop = block.attn, block.mlp, block.dropout
    batch, pos, _ = resid.shape
    rows = torch.arange(batch, device=resid.device)
    normed = _norm(block.ln1, resid)
    queries = normed
    visible = torch.ones(pos, pos, dtype=torch.bool, device=resid.device).tril()[None, None]
    if predict_at is not None:
        queries = normed[rows, predict_at][:, None]
        resid = resid[rows, predict_at][:, None]
        visible = visible[0, 0][predict_at][:, None, None]
    q, k, v = (
        rearrange(
            F.linear(x, rearrange(w, "h m d -> (h d) m"), b.flatten()),
            "b p (h d) -> b h p d",
            h=w.shape[0],
        )
        for x, w, b in (
            (queries, attn.W_Q, attn.b_Q),
            (normed, attn.W_K, attn.b_K),
            (normed, attn.W_V, attn.b_V),
        )
    )
    scores = (q @ k.mT) / math.sqrt(attn.cfg.d_head)
    pattern = attn.dropout(scores.masked_fill(~visible, -torch.inf).softmax(-1)).to(v.dtype)
    z = rearrange(pattern @ v, "b h p d -> b p (h d)")
    resid = resid + drop(F.linear(z, attn.W_O.flatten(0, 1).T, attn.b_O))
    post = ACTIVATIONS[model.cfg.act_fn](F.linear(_norm(block.ln2, resid), mlp.W_in.T, mlp.b_in))
    resid = resid + drop(F.linear(post, mlp.W_out.T, mlp.b_out))
    return resid if predict_at is None else resid[:, 0]
