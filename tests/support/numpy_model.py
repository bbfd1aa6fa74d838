"""A second, slow reading of our checkpoints: one question at a time, in float64, with NumPy alone.

Nothing of `circuits.model` or `circuits.patching` is used, so that what is computed with them can
be held against it. Models with LayerNorm and ReLU.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

Weights = Mapping[str, np.ndarray]


def weights_of(run: Path, step: int) -> Weights:
    """The tensors of a checkpoint as float64 arrays; a tied unembedding is the embedding's."""
    tensors = load_file(run / "checkpoints" / f"step_{step:08d}.safetensors")
    w = {name: tensor.to(torch.float64).numpy() for name, tensor in tensors.items()}
    return {"unembed.W_U": w["embed.W_E"].T, **w}


def states(w: Weights, tokens: np.ndarray, order: Sequence[int]) -> list[np.ndarray]:
    """The residual stream before the first block and after each [pos, d_model].

    Args:
        w: Weights.
        tokens: One question.
        order: The blocks in the order in which they are run.
    """
    resid = [embedded(w, tokens)]
    for i in order:
        resid.append(block(w, i, resid[-1]))
    return resid


def embedded(w: Weights, tokens: np.ndarray) -> np.ndarray:
    """Residual stream before the first block [pos, d_model]."""
    return w["embed.W_E"][tokens] + w["pos_embed.W_pos"][: len(tokens)]


def block(
    w: Weights, i: int, resid: np.ndarray, seen_from_last: np.ndarray | None = None
) -> np.ndarray:
    """Residual stream after block i.

    Args:
        w: Weights.
        i: Block.
        resid: Stream before it [pos, d_model].
        seen_from_last: What attention at the last position reads instead as keys and values.
    """
    out = resid.copy()
    for position in range(len(resid)):
        read = resid if seen_from_last is None or position < len(resid) - 1 else seen_from_last
        out[position] = out[position] + _attention(w, i, resid[position], read[: position + 1])
    p = f"blocks.{i}.mlp."
    hidden = np.maximum(_norm(w, f"blocks.{i}.ln2", out) @ w[p + "W_in"] + w[p + "b_in"], 0)
    return out + hidden @ w[p + "W_out"] + w[p + "b_out"]


def answer(w: Weights, resid: np.ndarray) -> int:
    """The top token at the last position."""
    return top_token(w, resid[-1])


def top_token(w: Weights, state: np.ndarray) -> int:
    """The top token of a state under the final norm and the unembedding."""
    return int(logits_of(w, state).argmax())


def logits_of(w: Weights, state: np.ndarray) -> np.ndarray:
    """What the final norm and the unembedding make of a state [d_vocab]."""
    return np.asarray(_norm(w, "ln_final", state) @ w["unembed.W_U"] + w["unembed.b_U"])


def _attention(w: Weights, i: int, query: np.ndarray, read: np.ndarray) -> np.ndarray:
    p = f"blocks.{i}.attn."
    x, y = _norm(w, f"blocks.{i}.ln1", query), _norm(w, f"blocks.{i}.ln1", read)
    added = w[p + "b_O"].copy()
    for head in range(len(w[p + "W_Q"])):
        q = x @ w[p + "W_Q"][head] + w[p + "b_Q"][head]
        k = y @ w[p + "W_K"][head] + w[p + "b_K"][head]
        v = y @ w[p + "W_V"][head] + w[p + "b_V"][head]
        scores = k @ q / np.sqrt(len(q))
        pattern = np.exp(scores - scores.max())
        added += (pattern / pattern.sum()) @ v @ w[p + "W_O"][head]
    return added


def _norm(w: Weights, name: str, x: np.ndarray) -> np.ndarray:
    x = x - x.mean(-1, keepdims=True)
    return x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-5) * w[name + ".w"] + w[name + ".b"]
