"""Token ids as users give them, checked once and turned into one tensor for every entry point."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from circuits.errors import HopscopeError


class TakesTokens(Protocol):
    """The part of a model's configuration that decides which tokens it takes."""

    @property
    def n_ctx(self) -> int:
        """Longest sequence."""

    @property
    def d_vocab(self) -> int:
        """Number of token ids."""


def check_tokens(
    model_cfg: TakesTokens, tokens: Any, device: torch.device | str
) -> Int[Tensor, "batch pos"]:
    """Token ids [batch, pos] as int64 on `device`, or an error that says why they do not fit.

    Values are not checked while `torch.compile` traces or a CUDA graph is captured, where reading
    them is impossible.

    Args:
        model_cfg: Its n_ctx and d_vocab are the limits.
        tokens: A tensor, an array or nested lists of whole numbers, [batch, pos] or [pos] for one
            sequence; a `Query`, `Queries`, or a list of `Query` (anything with `tokens`).
        device: Where the model is; tokens elsewhere are copied there.

    Raises:
        HopscopeError: if the tokens are empty, not whole numbers or of another rank, if sequences
            are longer than n_ctx, or if ids are outside the vocabulary.

    >>> from circuits import ModelConfig
    >>> cfg = ModelConfig(n_layers=1, d_model=8, n_ctx=3, d_vocab=10, n_heads=2)
    >>> check_tokens(cfg, [[1, 2, 3], [4, 5, 6]], "cpu").shape
    torch.Size([2, 3])
    >>> check_tokens(cfg, [1, 2, 99], "cpu")
    Traceback (most recent call last):
    circuits.errors.HopscopeError: token id 99 is outside the vocabulary; ids are 0 to 9.
    """
    ids = _as_tensor(tokens)
    if ids.ndim == 1:
        ids = ids[None]
    if ids.ndim != 2 or not ids.shape[1]:
        raise HopscopeError(
            f"tokens of shape {list(ids.shape)} cannot be read; give token ids [batch, pos]."
        )
    if ids.shape[1] > model_cfg.n_ctx:
        raise HopscopeError(
            f"sequences of {ids.shape[1]} tokens are longer than the model's n_ctx = "
            f"{model_cfg.n_ctx}; give at most {model_cfg.n_ctx}."
        )
    if ids.numel() and not _values_are_unreadable(ids):
        lowest, highest = (int(value) for value in torch.aminmax(ids))
        if lowest < 0 or highest >= model_cfg.d_vocab:
            wrong = lowest if lowest < 0 else highest
            raise HopscopeError(
                f"token id {wrong} is outside the vocabulary; ids are 0 to {model_cfg.d_vocab - 1}."
            )
    return ids.to(device)


def check_residual(d_model: int, resid: Any) -> Float[Tensor, "batch pos d_model"]:
    """The residual stream that a run starts from, or an error that says why it does not fit.

    >>> check_residual(8, torch.zeros(1, 3, 8)).shape
    torch.Size([1, 3, 8])
    """
    if not isinstance(resid, Tensor) or not resid.is_floating_point():
        raise HopscopeError(
            "with start_at_layer the first argument is the residual stream "
            f"[batch, pos, {d_model}], a tensor of floats; without it, token ids."
        )
    if resid.ndim != 3 or resid.shape[2] != d_model:
        raise HopscopeError(
            f"a residual stream of shape {list(resid.shape)} does not fit; give "
            f"[batch, pos, {d_model}]."
        )
    return resid


def _as_tensor(tokens: Any) -> Tensor:
    """Whole numbers from any container as int64."""
    tokens = getattr(tokens, "tokens", tokens)
    if not isinstance(tokens, Tensor):
        tokens = _from_lists(tokens)
    if tokens.dtype == torch.bool or tokens.is_floating_point() or tokens.is_complex():
        kind = str(tokens.dtype).removeprefix("torch.")
        raise HopscopeError(f"tokens of type {kind} are not token ids; give whole numbers.")
    return tokens.long()


def _from_lists(tokens: Any) -> Tensor:
    if isinstance(tokens, (list, tuple)):
        tokens = [getattr(row, "tokens", row) for row in tokens]
    try:
        array = np.array(tokens)  # a copy: PyTorch accepts neither read-only nor reversed arrays
        if array.dtype.kind in "iu" or not array.size:  # any byte order; an empty list is float
            array = array.astype(np.int64)
        return torch.from_numpy(array)
    except (TypeError, ValueError, RuntimeError):
        raise HopscopeError(
            f"{_shown(tokens)} cannot be read as tokens; give token ids as whole numbers, rows of "
            "equal length, e.g. [[0, 1, 2], [3, 4, 5]]."
        ) from None


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _values_are_unreadable(ids: Tensor) -> bool:
    if torch.compiler.is_compiling() or ids.is_meta:
        return True
    return ids.is_cuda and torch.cuda.is_current_stream_capturing()
