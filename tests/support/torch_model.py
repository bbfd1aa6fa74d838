"""The forward pass of our checkpoints in a few lines of PyTorch, for what needs gradients.

Like `numpy_model` it uses nothing of `circuits.model`. Models with LayerNorm and ReLU.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn.functional import layer_norm

Tensors = dict[str, Tensor]


def tensors_of(run: Path, step: int) -> Tensors:
    """The tensors of a checkpoint in single precision; a tied unembedding is the embedding's."""
    found = load_file(run / "checkpoints" / f"step_{step:08d}.safetensors")
    return {name: tensor.float() for name, tensor in found.items()}


def logits(w: Tensors, tokens: Tensor, order: Sequence[int]) -> Tensor:
    """Logits at the last position [n, d_vocab] of prompts [n, pos]."""
    resid = w["embed.W_E"][tokens] + w["pos_embed.W_pos"][: tokens.shape[1]]
    return after(w, resid, order)


def after(w: Tensors, resid: Tensor, order: Sequence[int]) -> Tensor:
    """Logits at the last position of states [n, pos, d_model] when these blocks follow."""
    for i in order:
        resid = block(w, i, resid)
    unembed = w.get("unembed.W_U", w["embed.W_E"].T)
    return _norm(w, "ln_final", resid[:, -1]) @ unembed + w["unembed.b_U"]


def block(w: Tensors, i: int, resid: Tensor) -> Tensor:
    """States after block i [n, pos, d_model]."""
    a, m = f"blocks.{i}.attn.", f"blocks.{i}.mlp."
    x = _norm(w, f"blocks.{i}.ln1", resid)
    q, k, v = (
        torch.einsum("npd,hde->nhpe", x, w[a + f"W_{c}"]) + w[a + f"b_{c}"][:, None] for c in "QKV"
    )
    scores = q @ k.mT / q.shape[-1] ** 0.5
    later = torch.ones(scores.shape[-2:]).triu(1).bool()
    read = scores.masked_fill(later, float("-inf")).softmax(-1) @ v
    resid = resid + torch.einsum("nhpe,hed->npd", read, w[a + "W_O"]) + w[a + "b_O"]
    hidden = (_norm(w, f"blocks.{i}.ln2", resid) @ w[m + "W_in"] + w[m + "b_in"]).relu()
    return resid + hidden @ w[m + "W_out"] + w[m + "b_out"]


def _norm(w: Tensors, name: str, x: Tensor) -> Tensor:
    return layer_norm(x, x.shape[-1:], w[name + ".w"], w[name + ".b"])
