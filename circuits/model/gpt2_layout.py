"""GPT-2's names, shapes and settings in Hugging Face folders, and what they are called here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from einops import rearrange
from torch import Tensor

from circuits.errors import HopscopeError
from circuits.model.config import ModelConfig

DROPOUTS = ("embd_pdrop", "attn_pdrop", "resid_pdrop")
"""GPT-2's three rates of dropout."""

UNSUPPORTED = (
    "scale_attn_by_inverse_layer_idx",
    "add_cross_attention",
    "no_ln",
    "no_mlp",
    "share_mlp",
    "add_memory",
    "re_embed",
)
"""Switches that change the computation: GPT-2's own, and those that the code of *Grokked
Transformers* adds."""

BUFFERS = (".attn.bias", ".attn.masked_bias")
"""Masks that older versions of transformers store with the weights."""

STRAIGHT = {
    "attn.c_proj.bias": "attn.b_O",
    "ln_1.weight": "ln1.w",
    "ln_1.bias": "ln1.b",
    "ln_2.weight": "ln2.w",
    "ln_2.bias": "ln2.b",
    "mlp.c_fc.weight": "mlp.W_in",
    "mlp.c_fc.bias": "mlp.b_in",
    "mlp.c_proj.weight": "mlp.W_out",
    "mlp.c_proj.bias": "mlp.b_out",
}
"""Our name of what has the same shape in both."""


def check_variant(table: Any, where: Path) -> None:
    """Refuse a `config.json` that is not of a GPT-2, or of one that computes otherwise.

    Raises:
        HopscopeError: naming the setting.
    """
    if not isinstance(table, dict) or table.get("model_type") != "gpt2":
        raise HopscopeError(f"{where} is not a GPT-2 (model_type must be 'gpt2').")
    for name in UNSUPPORTED:
        if table.get(name):
            raise HopscopeError(f"{where}: GPT-2's {name} is not supported; it must be false.")
    if not table.get("scale_attn_weights", True):
        raise HopscopeError(f"{where}: scale_attn_weights must be true.")


def gpt2_shapes(cfg: ModelConfig) -> dict[str, tuple[int, ...]]:
    """Shape of every tensor of a GPT-2 of this configuration, without its unembedding.

    >>> cfg = ModelConfig(n_layers=1, d_model=8, n_ctx=3, d_vocab=10, n_heads=2)
    >>> gpt2_shapes(cfg)["h.0.attn.c_attn.weight"]
    (8, 24)
    """
    d, m = cfg.d_model, cfg.d_mlp
    shapes: dict[str, tuple[int, ...]] = {
        "wte.weight": (cfg.d_vocab, d),
        "wpe.weight": (cfg.n_ctx, d),
        "ln_f.weight": (d,),
        "ln_f.bias": (d,),
    }
    block: dict[str, tuple[int, ...]] = {
        "attn.c_attn.weight": (d, 3 * d),
        "attn.c_attn.bias": (3 * d,),
        "attn.c_proj.weight": (d, d),
        "mlp.c_fc.weight": (d, m),
        "mlp.c_fc.bias": (m,),
        "mlp.c_proj.weight": (m, d),
    }
    block |= dict.fromkeys(STRAIGHT.keys() - block.keys(), (d,))
    for i in range(cfg.n_layers):
        shapes |= {f"h.{i}.{name}": shape for name, shape in block.items()}
    return shapes


def settle_unembedding(state: dict[str, Tensor], tie: bool) -> bool:
    """Whether the unembedding is the embedding; the file may contain only one of them."""
    if tie and "wte.weight" not in state and "lm_head.weight" in state:
        state["wte.weight"] = state["lm_head.weight"]
    return tie and (
        "lm_head.weight" not in state or torch.equal(state["lm_head.weight"], state["wte.weight"])
    )


def config_of(table: dict[str, Any], tied: bool, dropout: float) -> ModelConfig:
    """Our configuration for one of `config.json`; the fork's recurrence runs the blocks twice."""
    return ModelConfig(
        n_layers=table["n_layer"],
        d_model=table["n_embd"],
        n_ctx=table["n_positions"],
        d_vocab=table["vocab_size"],
        n_heads=table["n_head"],
        d_mlp=table.get("n_inner") or 0,
        act_fn=table.get("activation_function", "gelu_new"),
        eps=table.get("layer_norm_epsilon", 1e-5),
        init_range=table.get("initializer_range", 0.02),
        tied_unembedding=tied,
        dropout=dropout,
        n_passes=2 if table.get("add_recurrence") else 1,
    )


def from_gpt2(state: dict[str, Tensor], cfg: ModelConfig) -> dict[str, Tensor]:
    """A GPT-2's tensors under our names and in our shapes, mostly as views."""
    out = {
        "embed.W_E": state["wte.weight"],
        "pos_embed.W_pos": state["wpe.weight"],
        "ln_final.w": state["ln_f.weight"],
        "ln_final.b": state["ln_f.bias"],
    }
    if not cfg.tied_unembedding:
        out["unembed.W_U"] = state["lm_head.weight"].T
    for i in range(cfg.n_layers):
        ours, theirs = f"blocks.{i}.", f"h.{i}."
        weights = state[theirs + "attn.c_attn.weight"].chunk(3, dim=1)
        biases = state[theirs + "attn.c_attn.bias"].chunk(3)
        for kind, weight, bias in zip("QKV", weights, biases, strict=True):
            out[f"{ours}attn.W_{kind}"] = rearrange(weight, "m (h d) -> h m d", h=cfg.n_heads)
            out[f"{ours}attn.b_{kind}"] = rearrange(bias, "(h d) -> h d", h=cfg.n_heads)
        out_weight = state[theirs + "attn.c_proj.weight"]
        out[ours + "attn.W_O"] = rearrange(out_weight, "(h d) m -> h d m", h=cfg.n_heads)
        for their_name, our_name in STRAIGHT.items():
            out[ours + our_name] = state[theirs + their_name]
    return out
