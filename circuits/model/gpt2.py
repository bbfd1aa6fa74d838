"""Export to a Hugging Face GPT-2 folder that `transformers` opens with equal logits, and import.

The folder holds config.json and model.safetensors; there is no tokenizer, tokens being entities
and relations.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from einops import rearrange
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from circuits.errors import HopscopeError
from circuits.files import write_together
from circuits.model.config import ModelConfig
from circuits.model.transformer import HookedTransformer
from circuits.model.transformer_lens_3 import from_tl_state_dict, to_tl_state_dict

# GPT-2's name of each of our activations.
_ACTIVATIONS = {"relu": "relu", "gelu": "gelu", "gelu_new": "gelu_new", "silu": "silu"}


def export_gpt2(model: HookedTransformer, folder: Path) -> None:
    """Write a folder for `GPT2LMHeadModel.from_pretrained`; shared blocks are written out.

    Raises:
        HopscopeError: for a model GPT-2 cannot express, naming what it lacks.
    """
    cfg = model.cfg
    if cfg.normalization_type != "LN":
        raise HopscopeError(
            f"normalization_type = {cfg.normalization_type!r} has no GPT-2 form; GPT-2 has 'LN'."
        )
    if cfg.n_heads * cfg.d_head != cfg.d_model:
        raise HopscopeError(
            f"n_heads * d_head = {cfg.n_heads * cfg.d_head} differs from d_model = {cfg.d_model}; "
            "in GPT-2 they are equal."
        )
    if model.b_U.any():
        raise HopscopeError("the unembedding has a bias, which GPT-2 has not.")
    folder.mkdir(parents=True, exist_ok=True)
    state = _to_gpt2(to_tl_state_dict(model), cfg)
    table = _gpt2_config(cfg)
    weights = save(state, metadata={"format": "pt"})
    settings = (json.dumps(table, indent=2) + "\n").encode()
    write_together({folder / "model.safetensors": weights, folder / "config.json": settings})


def import_gpt2(folder: Path) -> HookedTransformer:
    """The model in a Hugging Face GPT-2 folder with safetensors weights.

    Raises:
        HopscopeError: where the folder is no GPT-2 or uses a variant we do not have.
    """
    try:
        table = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        state = load_file(folder / "model.safetensors")
    except (OSError, ValueError, SafetensorError) as error:
        raise HopscopeError(
            f"{folder} has no readable config.json and model.safetensors: {error}."
        ) from error
    if not isinstance(table, dict) or table.get("model_type") != "gpt2":
        raise HopscopeError(f"{folder} holds no GPT-2 (model_type must be 'gpt2').")
    for name in ("scale_attn_by_inverse_layer_idx", "add_cross_attention"):
        if table.get(name):
            raise HopscopeError(f"{folder}: GPT-2's {name} is not supported; it must be false.")
    if not table.get("scale_attn_weights", True):
        raise HopscopeError(f"{folder}: scale_attn_weights must be true.")
    try:
        cfg = _config_of(table)
        return from_tl_state_dict(_from_gpt2(state, cfg), cfg)
    except (KeyError, RuntimeError) as error:
        raise HopscopeError(f"{folder}: the GPT-2 lacks or misshapes {error}.") from error


def _gpt2_config(cfg: ModelConfig) -> dict[str, Any]:
    return {
        "architectures": ["GPT2LMHeadModel"],
        "model_type": "gpt2",
        "vocab_size": cfg.d_vocab,
        "n_positions": cfg.n_ctx,
        "n_embd": cfg.d_model,
        "n_layer": cfg.depth,
        "n_head": cfg.n_heads,
        "n_inner": cfg.d_mlp,
        "activation_function": _ACTIVATIONS[cfg.act_fn],
        "layer_norm_epsilon": cfg.eps,
        "initializer_range": cfg.init_range,
        "tie_word_embeddings": cfg.tied_unembedding,
        "embd_pdrop": cfg.dropout,
        "attn_pdrop": cfg.dropout,
        "resid_pdrop": cfg.dropout,
        "bos_token_id": None,
        "eos_token_id": None,
        "torch_dtype": "float32",
    }


def _config_of(table: dict[str, Any]) -> ModelConfig:
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
        tied_unembedding=table.get("tie_word_embeddings", True),
        dropout=table.get("resid_pdrop", 0.1),
    )


def _to_gpt2(state: dict[str, Tensor], cfg: ModelConfig) -> dict[str, Tensor]:
    out = {
        "transformer.wte.weight": state["embed.W_E"],
        "transformer.wpe.weight": state["pos_embed.W_pos"],
        "transformer.ln_f.weight": state["ln_final.w"],
        "transformer.ln_f.bias": state["ln_final.b"],
    }
    if not cfg.tied_unembedding:
        out["lm_head.weight"] = state["unembed.W_U"].T
    for i in range(cfg.depth):
        ours, theirs = f"blocks.{i}.", f"transformer.h.{i}."
        qkv = [rearrange(state[f"{ours}attn.W_{k}"], "h m d -> m (h d)") for k in "QKV"]
        biases = [state[f"{ours}attn.b_{k}"].flatten() for k in "QKV"]
        out[theirs + "attn.c_attn.weight"] = torch.cat(qkv, 1)
        out[theirs + "attn.c_attn.bias"] = torch.cat(biases)
        out[theirs + "attn.c_proj.weight"] = state[ours + "attn.W_O"].flatten(0, 1)
        for their_name, our_name in _STRAIGHT.items():
            out[theirs + their_name] = state[ours + our_name]
    return {name: tensor.contiguous().clone() for name, tensor in out.items()}


_STRAIGHT = {
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


def _from_gpt2(state: dict[str, Tensor], cfg: ModelConfig) -> dict[str, Tensor]:
    state = {name.removeprefix("transformer."): t.float() for name, t in state.items()}
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
        for their_name, our_name in _STRAIGHT.items():
            out[ours + our_name] = state[theirs + their_name]
    return out
