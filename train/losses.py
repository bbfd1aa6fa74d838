"""Losses per sample, on the answer only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

LossName = Literal["cross_entropy", "stablemax"]
SampleLoss = Callable[[Tensor, Tensor], Tensor]


def cross_entropy(
    logits: Float[Tensor, "n d_vocab"], answer: Int[Tensor, " n"]
) -> Float[Tensor, " n"]:
    """Minus the log-probability of the answer, in nats, computed in fp32."""
    return F.cross_entropy(logits.float(), answer, reduction="none")


def stablemax(logits: Float[Tensor, "n d_vocab"], answer: Int[Tensor, " n"]) -> Float[Tensor, " n"]:
    """Cross entropy with StableMax in place of softmax (Prieto et al., 2501.04697, section 3.2).

    Probabilities are s(x) / sum s(x), with s(x) = x + 1 for x >= 0 and 1 / (1 - x) below. Growth is
    linear instead of exponential, so that large logits do not end in rounding errors.
    """
    x = logits.float()
    # `where` evaluates both branches; clamping keeps the unused one finite in the backward pass
    scores = torch.where(x >= 0, x.clamp(min=0) + 1, 1 / (1 - x.clamp(max=0)))
    picked = scores.gather(-1, answer[:, None])[:, 0]
    return scores.sum(-1).log() - picked.log()


LOSSES: dict[LossName, SampleLoss] = {"cross_entropy": cross_entropy, "stablemax": stablemax}
