"""Reading prompts for patching, in the same way for every entry point."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Int
from torch import Tensor

from circuits.corpus.queries import POSITIONS, Queries, Query
from circuits.errors import HopscopeError
from circuits.model.inputs import check_tokens
from circuits.model.protocol import Model

Prompts = Queries | Query | Sequence[Query] | Int[Tensor, "batch pos"] | np.ndarray | Sequence[Any]
"""Anything that `check_tokens` takes: one or several queries, or token ids as tensor, array,
lists."""


def token_ids(model: Model, prompts: Prompts) -> Int[Tensor, "batch pos"]:
    """Token ids on the model's device, of at least one prompt.

    Raises:
        HopscopeError: if there are no prompts, or `check_tokens` refuses them.
    """
    tokens = check_tokens(model.cfg, prompts, model.device)
    if not len(tokens):
        raise HopscopeError("there are no prompts; give at least one.")
    return tokens


def position_names(prompts: Prompts) -> tuple[str, ...] | None:
    """Names of the token positions, if the prompts are queries."""
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
