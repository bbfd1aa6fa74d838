"""Export to a Hugging Face GPT-2 folder that `transformers` opens with equal logits, and import.

The folder holds config.json and model.safetensors. It has no tokenizer, because tokens are entities
and relations: give token ids to the model that opens it.
"""

from __future__ import annotations

import json
from functools import reduce
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from einops import rearrange
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from circuits.errors import HopscopeError
from circuits.files import make_folder, write_together
from circuits.model.config import ModelConfig
from circuits.model.gpt2_layout import (
    DROPOUTS,
    STRAIGHT,
    check_variant,
    config_of,
    from_gpt2,
    settle_unembedding,
)
from circuits.model.transformer import HookedTransformer
from circuits.model.transformer_lens_3 import from_tl_state_dict, to_tl_state_dict

# GPT-2's name for each of our activations.
_ACTIVATIONS = {"relu": "relu", "gelu": "gelu", "gelu_new": "gelu_new", "silu": "silu"}


def export_gpt2(model: HookedTransformer, folder: str | Path) -> None:
    """Write a folder for `GPT2LMHeadModel.from_pretrained`; shared blocks are written out.

    Weights keep their number type. Pass token ids to the model that opens the folder: without a
    tokenizer, TransformerLens reads every text as the same token.

    Args:
        model: Must have LayerNorms, heads that fill d_model, and no bias in the unembedding.
        folder: Made if it is missing; files of an earlier export are replaced.

    Raises:
        HopscopeError: if GPT-2 cannot express the model; the error says why.
        CannotWrite: if the disk is full or the folder cannot be written.

    >>> from circuits import HookedTransformer, ModelConfig
    >>> cfg = ModelConfig(n_layers=1, d_model=8, n_ctx=3, d_vocab=10, n_heads=2)
    >>> export_gpt2(HookedTransformer(cfg), "gpt2")
    >>> import_gpt2("gpt2").cfg.d_vocab
    10
    """
    cfg, folder = model.cfg, Path(folder)
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
        raise HopscopeError("the unembedding has a bias; GPT-2 has none.")
    weights = safetensors.torch.save(_to_gpt2(to_tl_state_dict(model), cfg), {"format": "pt"})
    table = json.dumps(_gpt2_config(cfg, model.dtype), indent=2) + "\n"
    make_folder(folder)
    write_together({folder / "model.safetensors": weights, folder / "config.json": table.encode()})


def import_gpt2(folder: str | Path, dropout: float | None = None) -> HookedTransformer:
    """The model in a Hugging Face GPT-2 folder with safetensors weights, in eval mode.

    As in transformers 5, an lm_head.weight that differs from wte.weight is used even if the folder
    sets tie_word_embeddings, and replaces a missing wte.weight. Numbers are widened to the type
    that config.json names, never narrowed.

    Args:
        folder: Holds config.json and model.safetensors.
        dropout: The rate for further training, in place of the folder's three, which must be
            equal otherwise.

    Raises:
        HopscopeError: if the folder is not a GPT-2 or uses a variant that is not supported.

    >>> from circuits import HookedTransformer, ModelConfig
    >>> cfg = ModelConfig(n_layers=1, d_model=8, n_ctx=3, d_vocab=10, n_heads=2)
    >>> export_gpt2(HookedTransformer(cfg), "gpt2")
    >>> import_gpt2("gpt2")([[1, 2, 3]]).shape
    torch.Size([1, 3, 10])
    """
    folder = Path(folder)
    table, state = _read(folder)
    dropout = _dropout(table, folder) if dropout is None else dropout
    try:
        tied = settle_unembedding(state, table.get("tie_word_embeddings", True))
        cfg = config_of(table, tied, dropout)
        weights = from_gpt2(state, cfg)
        dtype = reduce(torch.promote_types, {t.dtype for t in weights.values()} | _named(table))
        return from_tl_state_dict({name: t.to(dtype) for name, t in weights.items()}, cfg)
    except (KeyError, RuntimeError, TypeError) as error:
        raise HopscopeError(f"{folder}: the GPT-2 lacks or misshapes {error}.") from error


def _read(folder: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Configuration and weights, without the prefix that some files have."""
    try:
        table = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        state = load_file(folder / "model.safetensors")
    except (OSError, ValueError, SafetensorError) as error:
        raise HopscopeError(
            f"{folder} has no readable config.json and model.safetensors: {error}."
        ) from error
    check_variant(table, folder)
    return table, {name.removeprefix("transformer."): tensor for name, tensor in state.items()}


def _dropout(table: dict[str, Any], folder: Path) -> float:
    """The folder's only dropout rate; the default is GPT-2's 0.1."""
    rates = {name: table.get(name, 0.1) for name in DROPOUTS}
    if len(set(rates.values())) > 1:
        given = ", ".join(f"{name} = {rate}" for name, rate in rates.items())
        raise HopscopeError(
            f"{folder}: {given} differ; a model here has one rate of dropout. It matters for "
            "training alone: choose it with import_gpt2(folder, dropout=...)."
        )
    return rates["resid_pdrop"]


def _named(table: dict[str, Any]) -> set[torch.dtype]:
    """The number type that a configuration names, if any."""
    name = str(table.get("dtype") or table.get("torch_dtype")).removeprefix("torch.")
    dtype = getattr(torch, name, None)
    named = isinstance(dtype, torch.dtype) and dtype.is_floating_point
    return {dtype} if named else set()  # type: ignore[arg-type]


def _gpt2_config(cfg: ModelConfig, dtype: torch.dtype) -> dict[str, Any]:
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
        **dict.fromkeys(DROPOUTS, cfg.dropout),
        "bos_token_id": None,
        "eos_token_id": None,
        "torch_dtype": str(dtype).removeprefix("torch."),
    }


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
        for their_name, our_name in STRAIGHT.items():
            out[theirs + their_name] = state[ours + our_name]
    return {name: tensor.contiguous().clone() for name, tensor in out.items()}
