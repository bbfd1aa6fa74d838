"""The configuration of a series in our terms, from GPT-2's or TransformerLens's fields."""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from circuits.errors import HopscopeError
from circuits.model.config import ModelConfig
from circuits.model.gpt2_layout import check_variant, config_of
from circuits.series.step_files import StepFiles

Names = Literal["gpt2", "transformer_lens"]
"""Whose names and shapes the tensors of a series have."""

_ONLY: dict[str, tuple[Any, ...]] = {
    "positional_embedding_type": ("standard",),
    "attention_dir": ("causal",),
    "attn_only": (False,),
    "final_rms": (False,),
    "gated_mlp": (False,),
    "n_key_value_heads": (None,),
    "parallel_attn_mlp": (False,),
    "post_embedding_ln": (False,),
    "scale_attn_by_inverse_layer_idx": (False,),
    "use_attn_scale": (True,),
    "use_local_attn": (False,),
}
"""TransformerLens's settings that a model of ours has with one value only."""


@dataclass(frozen=True)
class TheirConfig:
    """A configuration as read, in our terms; d_vocab counts the rows of their embedding."""

    names: Names
    cfg: ModelConfig
    ties: bool
    """Whether `config.json` ties the unembedding; a file may still hold another one."""


def read_config(files: StepFiles) -> TheirConfig:
    """The configuration of a step.

    Raises:
        HopscopeError: if there is none, if it is of an architecture that a model of ours does not
            have, or if a field is missing or malformed; the error names it.
    """
    if files.config is None:
        raise HopscopeError(
            f"{files.folder} has no config.json, so the shape of the model is unknown; put it "
            "beside the weights."
        )
    table = _table(files.config)
    try:
        if "model_type" in table or "n_embd" in table:
            check_variant(table, files.config)
            ties = bool(table.get("tie_word_embeddings", True))
            cfg = config_of(table, ties, float(table.get("resid_pdrop", 0.1)))
            return TheirConfig("gpt2", cfg, ties)
        return TheirConfig("transformer_lens", _of_transformer_lens(table, files.config), False)
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, HopscopeError):
            raise
        raise HopscopeError(f"{files.config} lacks or misshapes the field {error}.") from None


def _table(path: Path) -> dict[str, Any]:
    try:
        table = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise HopscopeError(f"{path} is not a readable configuration: {error}.") from None
    if not isinstance(table, dict):
        raise HopscopeError(f"{path} is not a table of settings.")
    return table


def _of_transformer_lens(table: dict[str, Any], path: Path) -> ModelConfig:
    """From fields of `HookedTransformerConfig`, which our own ModelConfig has too."""
    for name, allowed in _ONLY.items():
        if table.get(name, allowed[0]) not in allowed:
            raise HopscopeError(
                f"{path}: {name} = {table[name]!r} is not supported; it must be {allowed[0]!r}."
            )
    if str(table.get("normalization_type")).endswith("Pre"):
        raise HopscopeError(
            f"{path}: normalization_type = {table['normalization_type']!r} means that the norms' "
            "weights are folded into others; save the model without folding (fold_ln=False)."
        )
    if table.get("d_vocab_out", -1) not in (-1, table["d_vocab"]):
        raise HopscopeError(
            f"{path}: d_vocab_out = {table['d_vocab_out']} is not supported; it must be d_vocab."
        )
    fields = {field.name for field in dataclasses.fields(ModelConfig)}
    known = {name: value for name, value in table.items() if name in fields and value is not None}
    known["normalization_type"] = table.get("normalization_type", "LN")
    known["act_fn"] = table["act_fn"]
    known.pop("seed", None)
    cfg = ModelConfig.from_json(known)
    scale = table.get("attn_scale", -1.0)
    if scale not in (-1.0, None) and not math.isclose(scale, math.sqrt(cfg.d_head)):
        raise HopscopeError(f"{path}: attn_scale = {scale} is not the root of d_head.")
    return cfg
