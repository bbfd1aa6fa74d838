"""Weights of a step as others store them, turned into a state dict of our model.

1. Tensors are read from safetensors (memory-mapped), or by `torch.load(weights_only=True)`, which
   executes nothing.
2. Names and shapes are checked against the configuration, before anything is computed.
3. Rows of the embedding and of the unembedding are put in the order of our vocabulary.
"""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from circuits.errors import HopscopeError
from circuits.model.config import ModelConfig
from circuits.model.gpt2_layout import BUFFERS, from_gpt2, gpt2_shapes, settle_unembedding
from circuits.model.plain import PlainTransformer
from circuits.model.transformer_lens_3 import plain_tl_state
from circuits.series.configs import Names, TheirConfig
from circuits.series.step_files import StepFiles


@dataclass(frozen=True)
class Conversion:
    """How every step of one series becomes a state dict of ours."""

    names: Names
    cfg: ModelConfig
    """Of our model, with our vocabulary."""
    their_d_vocab: int
    ties: bool
    """Whether their configuration ties the unembedding."""
    rows: tuple[int, ...]
    """Their row of each token of ours; shorter than our vocabulary if the other rows follow in
    order."""

    @cached_property
    def their_cfg(self) -> ModelConfig:
        """Our configuration with their vocabulary."""
        return replace(self.cfg, d_vocab=self.their_d_vocab)

    @cached_property
    def order(self) -> Tensor:
        """Their row of each of our rows."""
        used = torch.tensor(self.rows, dtype=torch.int64)
        if len(self.rows) == self.cfg.d_vocab:
            return used
        unused = torch.ones(self.their_d_vocab, dtype=torch.bool)
        unused[used] = False
        return torch.cat([used, unused.nonzero()[:, 0]])

    def to_json(self) -> dict[str, Any]:
        """As plain values, without the model's configuration."""
        table = {"names": self.names, "their_d_vocab": self.their_d_vocab, "ties": self.ties}
        return {**table, "rows": list(self.rows)}

    @classmethod
    def from_json(cls, table: Mapping[str, Any], cfg: ModelConfig) -> Conversion:
        """Inverse of `to_json`."""
        return cls(table["names"], cfg, table["their_d_vocab"], table["ties"], tuple(table["rows"]))


def conversion(
    files: StepFiles, theirs: TheirConfig, rows: Sequence[int], n_used: int
) -> Conversion:
    """The conversion of a series, from the files of its first step.

    Args:
        files: The step.
        theirs: Its configuration.
        rows: Their row of each token of ours.
        n_used: How many of them are not just the other rows in order.
    """
    tied = False
    if theirs.names == "gpt2":
        tied = settle_unembedding(_gpt2_tensors(files, theirs.cfg), theirs.ties)
    cfg = replace(theirs.cfg, d_vocab=len(rows), tied_unembedding=tied)
    return Conversion(theirs.names, cfg, theirs.cfg.d_vocab, theirs.ties, tuple(rows[:n_used]))


def converted(files: StepFiles, how: Conversion) -> dict[str, Tensor]:
    """The state dict of a step, in the number type of the files.

    Raises:
        HopscopeError: naming the file and the tensor, if one is missing, unknown, of another shape
            or not finite.
    """
    if how.names == "gpt2":
        state = _gpt2_tensors(files, how.their_cfg)
        if settle_unembedding(state, how.ties) != how.cfg.tied_unembedding:
            raise HopscopeError(
                f"{files.folder}: its unembedding is tied to its embedding and that of the first "
                "step is not, or the other way round."
            )
        out = from_gpt2(state, how.their_cfg)
        out["unembed.b_U"] = torch.zeros(how.their_d_vocab, dtype=out["embed.W_E"].dtype)
    else:
        expected = _empty(how.their_cfg).state_dict()
        try:
            out = plain_tl_state(raw_tensors(files), how.their_cfg, expected)
        except HopscopeError as error:
            raise HopscopeError(f"{files.weights[0]}: {error}") from None
    _refuse_unless_finite(out, files)
    out["embed.W_E"] = out["embed.W_E"][how.order]
    out["unembed.b_U"] = out["unembed.b_U"][how.order]
    if "unembed.W_U" in out:
        out["unembed.W_U"] = out["unembed.W_U"].T[how.order].T
    return out


def raw_tensors(files: StepFiles) -> dict[str, Tensor]:
    """The tensors of a step as they are stored, from all shards."""
    tensors: dict[str, Tensor] = {}
    for path in files.weights:
        tensors |= _safe(path) if files.kind == "safetensors" else _weights_only(path)
    return tensors


def digest(files: StepFiles) -> str:
    """SHA-256 of the file of weights; of several shards, that of their digests."""
    each = []
    for path in files.weights:
        try:
            with path.open("rb") as file:
                each.append(hashlib.file_digest(file, "sha256").hexdigest())
        except OSError as error:
            raise HopscopeError(f"{path} cannot be read ({error.strerror}).") from error
    return each[0] if len(each) == 1 else hashlib.sha256("".join(each).encode()).hexdigest()


def _safe(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise HopscopeError(f"{path} is not a readable safetensors file: {error}.") from None


def _weights_only(path: Path) -> dict[str, Tensor]:
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        first = str(error).splitlines()[0]
        raise HopscopeError(
            f"{path} holds more than weights, so opening it could run code; save its state dict "
            f"alone, best as safetensors. ({first[:120]})"
        ) from None
    except Exception as error:  # a damaged file can raise anything
        raise HopscopeError(f"{path} is not a readable file of weights: {error}.") from None
    tensors = isinstance(found, dict) and all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in found.items()
    )
    if not tensors:
        raise HopscopeError(f"{path} is not a state dict (names and tensors); save that alone.")
    return dict(found)


def _gpt2_tensors(files: StepFiles, cfg: ModelConfig) -> dict[str, Tensor]:
    """The tensors of a GPT-2 without prefix and buffers, with names and shapes checked."""
    state = {
        name.removeprefix("transformer."): tensor
        for name, tensor in raw_tensors(files).items()
        if not name.endswith(BUFFERS)
    }
    expected = gpt2_shapes(cfg)
    unembedding = {"lm_head.weight": expected["wte.weight"]}
    for name in expected:
        if name not in state and (name != "wte.weight" or "lm_head.weight" not in state):
            raise _misfit(files, f"lacks {name}, which config.json asks for")
    for name, tensor in state.items():
        shape = (expected | unembedding).get(name)
        if shape is None:
            raise _misfit(files, f"holds {name}, which a GPT-2 of this config.json does not have")
        if tuple(tensor.shape) != shape:
            raise _misfit(
                files,
                f"holds {name} of shape {tuple(tensor.shape)}, where config.json asks for {shape}",
            )
        if not tensor.is_floating_point():
            raise _misfit(files, f"holds {name} as {tensor.dtype}, which are no weights")
    return state


def _misfit(files: StepFiles, problem: str) -> HopscopeError:
    return HopscopeError(
        f"{files.weights[0]} {problem}; weights and config.json are of different models."
    )


def _refuse_unless_finite(state: Mapping[str, Tensor], files: StepFiles) -> None:
    for name, tensor in state.items():
        if not tensor.isfinite().all():
            raise HopscopeError(
                f"{files.weights[0]}: {name} holds numbers that are not finite; move this step "
                "away to import the others."
            )


def _empty(cfg: ModelConfig) -> PlainTransformer:
    """A model without memory for its weights."""
    with torch.device("meta"):
        return PlainTransformer(cfg)


def n_weights(cfg: ModelConfig) -> int:
    """Number of weights of a model, without making it."""
    return sum(prod(tensor.shape) for tensor in _empty(cfg).state_dict().values())
