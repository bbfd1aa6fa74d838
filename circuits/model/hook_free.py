"""The hook-free path for training and evaluation: same parameters, same numbers, one position.

Only the predicted position of each row is carried through the last block's query and MLP. Two
implementations:

- On a CPU, the model by hand (`circuits.model.cpu.model`): distinct prefixes once, few operations.
- Elsewhere, and wherever dropout is active, plain PyTorch operations with fixed shapes and no host
  synchronisation, which `torch.compile` and CUDA graphs take. Queries, keys and values come from
  one product.

Tried on two CPU cores and left out (4 layers, width 128, batch 512): `scaled_dot_product_attention`
and batched products for attention (5 to 10 times an elementwise one at 3 tokens); autocast (weights
cast again each step, a graph node per cast); GELU's tanh form in PyTorch is five times its exact
form in either precision; a product with a block matrix to sum or spread heads (no faster than a
reshaped sum, and compiled anew for each row count in bf16).
"""

from __future__ import annotations

import ctypes
import math
import sys
from contextlib import nullcontext
from functools import cache
from typing import Any, Literal

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor

from circuits.errors import HopscopeError
from circuits.model.added_hooks import check_hook_free
from circuits.model.components import ACTIVATIONS, plain_norm
from circuits.model.cpu.model import cpu_logits
from circuits.model.inputs import check_tokens
from circuits.model.plain import PlainTransformer

Precision = Literal["fp32", "bf16"]
DTYPES: dict[Precision, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16}


@cache
def keep_freed_memory() -> bool:
    """Ask glibc to keep freed memory for the next step; False with any other C library.

    A step frees and allocates tens of megabytes. Given back to the system each time, they cost
    thousands of page faults a step (measured: 15% of it at batch 512).
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is None:
        return False
    mmap_threshold, trim_threshold, top_pad = -3, -1, -2
    mebibyte = 1 << 20
    return all(
        mallopt(option, size)
        for option, size in (
            (mmap_threshold, 32 * mebibyte),
            (trim_threshold, 1024 * mebibyte),
            (top_pad, 64 * mebibyte),
        )
    )


def fast_logits(
    model: PlainTransformer,
    tokens: Int[Tensor, "batch pos"],
    predict_at: Int[Tensor, " predictions"] | None = None,
    precision: Precision = "fp32",
    of_row: Int[Tensor, " predictions"] | None = None,
) -> Float[Tensor, "predictions d_vocab"]:
    """Logits at one position of each row, or at several.

    Args:
        model: The model whose parameters are used; on a CPU they are cast to fp32.
        tokens: Token ids, padded on the right where rows are shorter.
        predict_at: Position of each row's prediction; the last one if None.
        precision: "bf16" computes the matrix products in bfloat16; the logits are fp32.
        of_row: Row of each prediction, where rows have several or none; None: one per row.

    Raises:
        HopscopeError: if sequences are longer than n_ctx, if tokens and model are on different
            devices, or if the model has hooks, which would not be run (not checked inside
            torch.compile).

    >>> from circuits.model.config import ModelConfig
    >>> cfg = ModelConfig(n_layers=1, d_model=8, n_ctx=3, d_vocab=10, n_heads=2)
    >>> model = PlainTransformer(cfg)
    >>> fast_logits(model, torch.tensor([[1, 2, 3], [4, 5, 6]])).shape
    torch.Size([2, 10])
    """
    if not torch.compiler.is_compiling():  # which would keep what it saw in the first call
        check_hook_free(model, "the model itself")
    dropping = model.training and model.cfg.dropout > 0
    if tokens.device.type == "cpu" and not dropping and not torch.compiler.is_compiling():
        tokens = check_tokens(model.cfg, tokens, tokens.device)
        keep_freed_memory()
        return cpu_logits(model, tokens, predict_at, DTYPES[precision], of_row)
    if tokens.shape[1] > model.cfg.n_ctx:
        raise HopscopeError(
            f"sequences of {tokens.shape[1]} tokens do not fit n_ctx = {model.cfg.n_ctx}."
        )
    return plain_logits(model, tokens, predict_at, precision, of_row)


def plain_logits(
    model: PlainTransformer,
    tokens: Int[Tensor, "batch pos"],
    predict_at: Int[Tensor, " predictions"] | None = None,
    precision: Precision = "fp32",
    of_row: Int[Tensor, " predictions"] | None = None,
) -> Float[Tensor, "predictions d_vocab"]:
    """`fast_logits` in ordinary operations, for any device and with dropout."""
    batch, pos = tokens.shape
    if predict_at is None:
        predict_at = torch.full((batch,), pos - 1, device=tokens.device)
    bf16 = precision == "bf16"
    with torch.autocast(tokens.device.type, torch.bfloat16) if bf16 else nullcontext():
        resid = F.embedding(tokens, model.embed.W_E) + model.pos_embed.W_pos[:pos]
        resid = model.embed_dropout(resid)
        for i in range(model.depth):
            narrowed = i == model.depth - 1 and of_row is None
            resid = _block(model, i, resid, predict_at if narrowed else None)
        if of_row is not None:
            resid = resid[of_row, predict_at]
        return F.linear(plain_norm(model.ln_final, resid), model.W_U.T, model.b_U).float()


def _block(model: PlainTransformer, i: int, resid: Tensor, predict_at: Tensor | None) -> Tensor:
    block: Any = model.blocks[i]
    attn, mlp, drop = block.attn, block.mlp, block.dropout
    batch, pos, _ = resid.shape
    visible = torch.ones(pos, pos, dtype=torch.bool, device=resid.device).tril()[None, None]
    normed = plain_norm(block.ln1, resid)
    if predict_at is None:
        q, k, v = _project(normed, (attn.W_Q, attn.W_K, attn.W_V), (attn.b_Q, attn.b_K, attn.b_V))
    else:
        rows = torch.arange(batch, device=resid.device)
        (q,) = _project(normed[rows, predict_at][:, None], (attn.W_Q,), (attn.b_Q,))
        k, v = _project(normed, (attn.W_K, attn.W_V), (attn.b_K, attn.b_V))
        resid = resid[rows, predict_at][:, None]
        visible = visible[0, 0][predict_at][:, None, None]
    # The compiler fuses an elementwise attention into its neighbours; eagerly a product is leaner.
    fused = torch.compiler.is_compiling()
    scores = (q.unsqueeze(3) * k.unsqueeze(2)).sum(-1) if fused else q @ k.mT
    scores = (scores / math.sqrt(attn.cfg.d_head)).masked_fill(~visible, -torch.inf)
    pattern = attn.dropout(scores.softmax(-1)).to(v.dtype)
    z = (pattern.unsqueeze(-1) * v.unsqueeze(2)).sum(3) if fused else pattern @ v
    z = rearrange(z, "b h p d -> b p (h d)")
    resid = resid + drop(F.linear(z, attn.W_O.flatten(0, 1).T, attn.b_O))
    post = ACTIVATIONS[model.cfg.act_fn](
        F.linear(plain_norm(block.ln2, resid), mlp.W_in.T, mlp.b_in)
    )
    resid = resid + drop(F.linear(post, mlp.W_out.T, mlp.b_out))
    return resid if predict_at is None else resid[:, 0]


def _project(x: Tensor, weights: tuple[Tensor, ...], biases: tuple[Tensor, ...]) -> Any:
    """Several per-head projections from one product, each [batch, n_heads, pos, d_head]."""
    weight = rearrange(torch.stack(weights), "k h m d -> (k h d) m")
    flat = F.linear(x, weight, torch.stack(biases).flatten())
    return rearrange(
        flat, "b p (k h d) -> k b h p d", k=len(weights), h=weights[0].shape[0]
    ).unbind(0)
