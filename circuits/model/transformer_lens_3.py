"""State dicts of TransformerLens 3.x's `HookedTransformer`, loaded and saved.

Names and shapes are the same as here. TransformerLens also stores buffers (causal mask, IGNORE) and
a bias of the unembedding, and stores a tied or shared weight once per use. Weights keep their
number type, such as float64 or bfloat16.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor

from circuits.errors import HopscopeError
from circuits.files import make_folder, write_atomically
from circuits.model.config import ModelConfig
from circuits.model.transformer import HookedTransformer

_BUFFERS = ("attn.mask", "attn.IGNORE")


def to_tl_state_dict(model: HookedTransformer) -> dict[str, Tensor]:
    """State dict for TransformerLens 3.x, on the CPU; with sharing one block per block run.

    It opens in a `HookedTransformer` of depth layers, with strict=False because of its buffers,
    and in TransformerLens 4 through `convert_tl_checkpoint`. The tensors are copies.

    >>> from circuits import HookedTransformer, ModelConfig
    >>> cfg = ModelConfig(n_layers=1, d_model=8, n_ctx=3, d_vocab=10, n_heads=2)
    >>> to_tl_state_dict(HookedTransformer(cfg))["blocks.0.attn.W_Q"].shape
    torch.Size([2, 8, 4])
    """
    state = model.tl_parameters()
    return {name: t.detach().cpu().contiguous().clone() for name, t in state.items()}


def from_tl_state_dict(state: dict[str, Tensor], cfg: ModelConfig) -> HookedTransformer:
    """A model with the weights of a TransformerLens 3.x state dict, in eval mode.

    With n_passes > 1 the state dict may hold the shared blocks or every run of them, which must
    then be equal; a tied unembedding must equal the embedding. The model has the type of the
    weights.

    Raises:
        HopscopeError: if a tensor is missing, unknown, of another shape or not finite, or if the
            weights have several types.

    >>> from circuits import HookedTransformer, ModelConfig
    >>> cfg = ModelConfig(n_layers=1, d_model=8, n_ctx=3, d_vocab=10, n_heads=2)
    >>> state = to_tl_state_dict(HookedTransformer(cfg).double())
    >>> from_tl_state_dict(state, cfg).dtype
    torch.float64
    """
    model = HookedTransformer(cfg)
    given = plain_tl_state(state, cfg, model.state_dict())
    model.to(_common_type(given)).load_state_dict(given)
    return model.eval()


def plain_tl_state(
    state: dict[str, Tensor], cfg: ModelConfig, expected: dict[str, Tensor]
) -> dict[str, Tensor]:
    """The tensors of `expected` from a TransformerLens 3.x state dict, each once, checked.

    Args:
        state: Names and tensors as TransformerLens stores them.
        cfg: Configuration of the model.
        expected: Its state dict; only shapes are read.

    Raises:
        HopscopeError: as `from_tl_state_dict`.
    """
    given = {name: t for name, t in state.items() if not name.endswith(_BUFFERS)}
    dtype = _common_type(given)
    given.setdefault("unembed.b_U", torch.zeros(cfg.d_vocab, dtype=dtype))
    if cfg.tied_unembedding and "unembed.W_U" in given:
        _require_equal("unembed.W_U", given.pop("unembed.W_U"), given.get("embed.W_E"), "T")
    for i in range(cfg.n_layers, cfg.depth):
        for name in [n for n in given if n.startswith(f"blocks.{i}.")]:
            shared = name.replace(f"blocks.{i}.", f"blocks.{i % cfg.n_layers}.", 1)
            _require_equal(name, given.pop(name), given.get(shared))
    _check(given, expected)
    return given


def save_tl_checkpoint(model: HookedTransformer, path: str | Path) -> None:
    """Write `to_tl_state_dict` and the configuration to a safetensors file.

    Args:
        model: The model; shared blocks are written once per block run.
        path: The file to write; a missing folder is made, and an existing file is replaced
            atomically.

    Raises:
        CannotWrite: if the disk is full or the folder cannot be written.

    >>> from circuits import HookedTransformer, ModelConfig
    >>> cfg = ModelConfig(n_layers=1, d_model=8, n_ctx=3, d_vocab=10, n_heads=2)
    >>> save_tl_checkpoint(HookedTransformer(cfg), "out/model.safetensors")
    >>> load_tl_checkpoint("out/model.safetensors").cfg.d_vocab
    10
    """
    unrolled = dataclasses.replace(model.cfg.unrolled(), tied_unembedding=False)
    metadata = {"format": "transformer_lens", "config": unrolled.to_json_text()}
    path = Path(path)
    make_folder(path.parent)
    write_atomically(path, safetensors.torch.save(to_tl_state_dict(model), metadata))


def load_tl_checkpoint(path: str | Path, cfg: ModelConfig | None = None) -> HookedTransformer:
    """Read a safetensors file into a model in eval mode.

    Args:
        path: A TransformerLens 3.x state dict.
        cfg: May be omitted for a file that `save_tl_checkpoint` wrote.

    Raises:
        HopscopeError: if the file cannot be read or does not fit the configuration.

    >>> from circuits import HookedTransformer, ModelConfig
    >>> cfg = ModelConfig(n_layers=1, d_model=8, n_ctx=3, d_vocab=10, n_heads=2)
    >>> save_tl_checkpoint(HookedTransformer(cfg), "model.safetensors")
    >>> load_tl_checkpoint("model.safetensors")([[1, 2, 3]]).shape
    torch.Size([1, 3, 10])
    """
    try:
        state = load_file(path)
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise HopscopeError(f"{path} is not a readable safetensors file: {error}.") from error
    if cfg is None:
        if "config" not in metadata:
            raise HopscopeError(f"{path} does not tell its configuration; give a ModelConfig.")
        cfg = ModelConfig.from_json(metadata["config"])
    return from_tl_state_dict(state, cfg)


def _common_type(state: dict[str, Tensor]) -> torch.dtype:
    """The common type of all weights; a model could not multiply weights of several types."""
    found = {t.dtype: name for name, t in state.items()}
    for dtype, name in found.items():
        if not dtype.is_floating_point:
            raise HopscopeError(f"{name} holds {_short(dtype)}, not floating-point numbers.")
    if len(found) > 1:
        examples = " but ".join(f"{name} is {_short(dtype)}" for dtype, name in found.items())
        raise HopscopeError(f"{examples}; cast all weights to one type.")
    return next(iter(found), torch.float32)


def _short(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


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
            raise HopscopeError(
                f"the state dict has {name}, which is not part of this configuration."
            )
        shape = tuple(expected[name].shape)
        if tuple(tensor.shape) != shape:
            raise HopscopeError(
                f"{name} has shape {tuple(tensor.shape)}; this configuration needs {shape}."
            )
        if not torch.isfinite(tensor).all():
            raise HopscopeError(f"{name} holds numbers that are not finite.")
