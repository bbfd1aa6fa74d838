"""The published tracing, restated slowly on a `transformers` GPT-2, one example at a time.

Written from the description in arXiv 2405.15071, sections 3 and 4, with one difference: the
corrupted prompt is given and not drawn.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import GPT2LMHeadModel


@torch.no_grad()
def states(model: GPT2LMHeadModel, tokens: Sequence[int]) -> list[Tensor]:
    """S[i, .] for i = 0 to the depth, before the final norm, each [pos, d_model]."""
    found: list[Tensor] = []
    hooks = [
        block.register_forward_pre_hook(lambda module, args: found.append(args[0][0].clone()))
        for block in model.transformer.h
    ]
    hooks.append(
        model.transformer.ln_f.register_forward_pre_hook(
            lambda module, args: found.append(args[0][0].clone())
        )
    )
    model(torch.tensor([list(tokens)]))
    for hook in hooks:
        hook.remove()
    return found


@torch.no_grad()
def rank(model: GPT2LMHeadModel, state: Tensor, token: int) -> int:
    """0-based rank of a token in the logit lens of one state, by sorting the vocabulary."""
    logits = model.lm_head(model.transformer.ln_f(state)).tolist()
    return sorted(range(len(logits)), key=lambda i: logits[i], reverse=True).index(token)


@torch.no_grad()
def answer_rank_after(
    model: GPT2LMHeadModel,
    clean: Sequence[int],
    corrupted: Sequence[int],
    layer: int,
    positions: Sequence[int],
    answer: int,
) -> int:
    """Rank of the answer with S[layer, positions] taken from the corrupted prompt's run."""
    x = states(model, clean)[layer].clone()
    other = states(model, corrupted)[layer]
    for position in positions:
        x[position] = other[position]
    resid = x[None]
    for block in model.transformer.h[layer:]:
        out = block(resid)
        resid = out[0] if isinstance(out, tuple) else out
    return rank(model, resid[0, -1], answer)
