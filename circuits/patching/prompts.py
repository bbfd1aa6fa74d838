"""Prompts as patching takes them: one reading for every entry point."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from circuits.corpus.queries import POSITIONS, Queries, Query
from circuits.errors import HopscopeError
from circuits.model.token_ids import check_vocabulary, token_rows
from circuits.model.transformer import HookedTransformer

Prompts = Queries | Query | Sequence[Query] | Int[Tensor, "batch pos"] | np.ndarray | Sequence[Any]
"""Queries, one or several of them, or token ids [batch, pos]: a tensor, an array, nested lists."""


def token_ids(model: HookedTransformer, prompts: Prompts) -> Int[Tensor, "batch pos"]:
    """Token ids on the model's device, of at least one prompt.

    Raises:
        HopscopeError: for what is not token ids, prompts of different lengths, more tokens than
            n_ctx, and tokens outside the vocabulary.
    """
    tokens = token_rows(model.cfg, _as_tensor(prompts))
    if not tokens.numel():
        raise HopscopeError(
            f"prompts of shape {tuple(tokens.shape)} hold no token; give at least one prompt."
        )
    check_vocabulary(model.cfg, tokens.cpu())
    return tokens.to(model.device)


def position_names(prompts: Prompts) -> tuple[str, ...] | None:
    """Names of the token positions, where the prompts are queries."""
    if isinstance(prompts, Queries):
        return prompts.positions
    several = [prompts] if isinstance(prompts, Query) else prompts
    if isinstance(several, Sequence) and all(isinstance(one, Query) for one in several):
        kinds = {(one.kind, len(one.tokens)) for one in several}
        if len(kinds) == 1:
            ((kind, n_pos),) = kinds
            names = POSITIONS[kind]
            return names + tuple(f"relation_{i}" for i in range(len(names), n_pos))
    return None


def check_pair(clean: Tensor, corrupted: Tensor) -> None:
    """Refuse prompts that cannot be patched row by row."""
    if clean.shape != corrupted.shape:
        raise HopscopeError(
            f"clean prompts {tuple(clean.shape)} and corrupted prompts {tuple(corrupted.shape)} "
            "do not pair up; give as many of each, of the same length."
        )


def _as_tensor(prompts: Prompts) -> Tensor:
    if isinstance(prompts, Tensor):
        return prompts
    if isinstance(prompts, Queries):
        return prompts.tokens
    rows: Any = [prompts] if isinstance(prompts, Query) else prompts
    if isinstance(rows, (list, tuple)):
        rows = [one.tokens if isinstance(one, Query) else one for one in rows]
        rows = [one.tolist() if isinstance(one, Tensor) else one for one in rows]
    try:
        table = np.array(rows, order="C")
        return torch.as_tensor(table if table.size else table.astype(np.int64))
    except (TypeError, ValueError, RuntimeError):
        raise HopscopeError(
            f"prompts given as a {type(prompts).__name__} are not token ids; give queries, or "
            "whole numbers [batch, pos] with as many tokens in every row."
        ) from None
