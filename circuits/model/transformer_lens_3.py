"""State dicts of TransformerLens 3.x's `HookedTransformer`, loaded and saved.

The names and shapes are ours; the differences are its buffers (causal mask, IGNORE), a tied or
shared weight that it stores once per use, and a bias of the unembedding.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from circuits.errors import HopscopeError
from circuits.model.config import ModelConfig
from circuits.model.transformer import HookedTransformer

_BUFFERS = ("attn.mask", "attn.IGNORE")


def to_tl_state_dict(model: HookedTransformer) -> dict[str, Tensor]:
    """State dict for TransformerLens 3.x, on the CPU; with sharing one block per block run.

    It opens in a `HookedTransformer` of depth layers, with strict=False because of its buffers,
    and in TransformerLens 4 through `convert_tl_checkpoint`.
    """
    own = {name: tensor.detach() for name, tensor in model.state_dict().items()}
    state = {name: tensor for name, tensor in own.items() if not name.startswith("blocks.")}
    for i in range(model.depth):
        prefix = f"blocks.{i % model.cfg.n_layers}."
        for name, tensor in own.items():
            if name.startswith(prefix):
                state[f"blocks.{i}.{name.removeprefix(prefix)}"] = tensor
    state["unembed.W_U"] = model.W_U.detach()
    return {name: tensor.cpu().contiguous().clone() for name, tensor in state.items()}


def from_tl_state_dict(state: dict[str, Tensor], cfg: ModelConfig) -> HookedTransformer:
    """A model with the weights of a TransformerLens 3.x state dict.

    With n_passes > 1 the state dict may hold the shared blocks or every run of them, which must
    then be equal; a tied unembedding must equal the embedding.

    Raises:
        HopscopeError: where a tensor is missing, superfluous, of another shape or not finite.
    """
    model = HookedTransformer(cfg)
    given = {name: t for name, t in state.items() if not name.endswith(_BUFFERS)}
    expected = model.state_dict()
    given.setdefault("unembed.b_U", expected["unembed.b_U"])
    if cfg.tied_unembedding and "unembed.W_U" in given:
        _require_equal("unembed.W_U", given.pop("unembed.W_U"), given.get("embed.W_E"), "T")
    for i in range(cfg.n_layers, cfg.depth):
        for name in [n for n in given if n.startswith(f"blocks.{i}.")]:
            shared = name.replace(f"blocks.{i}.", f"blocks.{i % cfg.n_layers}.", 1)
            _require_equal(name, given.pop(name), given.get(shared))
    _check(given, expected)
    model.load_state_dict(given)
    return model


def save_tl_checkpoint(model: HookedTransformer, path: Path) -> None:
    """Write `to_tl_state_dict` and the configuration to a safetensors file."""
    unrolled = dataclasses.replace(model.cfg.unrolled(), tied_unembedding=False)
    metadata = {"format": "transformer_lens", "config": unrolled.to_json_text()}
    save_file(to_tl_state_dict(model), path, metadata=metadata)


def load_tl_checkpoint(path: Path, cfg: ModelConfig | None = None) -> HookedTransformer:
    """Read a safetensors file; cfg may be omitted for one that `save_tl_checkpoint` wrote."""
    try:
        state = load_file(path)
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise HopscopeError(f"{path} is no readable safetensors file: {error}.") from error
    if cfg is None:
        if "config" not in metadata:
            raise HopscopeError(f"{path} does not tell its configuration; give a ModelConfig.")
        cfg = ModelConfig.from_json(metadata["config"])
    return from_tl_state_dict(state, cfg)


def _require_equal(name: str, tensor: Tensor, other: Tensor | None, how: str = "") -> None:
    if other is not None and how == "T":
        other = other.T
    if other is None or tensor.shape != other.shape or not torch.equal(tensor, other):
        raise HopscopeError(
            f"{name} differs from the weight it is to share; load it with n_passes = 1 and "
            "tied_unembedding = false."
        )


def _check(given: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    for name in expected:
        if name not in given:
            raise HopscopeError(f"the state dict lacks {name}, which this configuration has.")
    for name, tensor in given.items():
        if name not in expected:
            raise HopscopeError(f"the state dict has {name}, which this configuration has not.")
        shape = tuple(expected[name].shape)
        if tuple(tensor.shape) != shape:
            raise HopscopeError(
                f"{name} has shape {tuple(tensor.shape)}, this configuration needs {shape}."
            )
        if not torch.isfinite(tensor).all():
            raise HopscopeError(f"{name} holds numbers that are not finite.")
