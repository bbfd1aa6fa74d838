"""AdamW's step without what PyTorch's optimizer does around its kernel.

`torch.optim.AdamW.step` collects parameters, moments and counts anew each time, checks and groups
them: 0.35 ms of Python for 36 parameters, as much as the kernel takes for a small model, and a pack
pays it for each of its runs. They never change here, so they are collected once; the kernel gets
the same tensors, hence the same bits.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor


class _Group(NamedTuple):
    settings: dict[str, Any]
    """The optimizer's own entry, whose learning rate changes."""
    averages: list[Tensor]
    squares: list[Tensor]
    counts: list[Tensor]


class FusedAdamW:
    """Does the steps of an optimizer that was made with `fused=True` and without amsgrad.

    >>> weight = torch.nn.Parameter(torch.ones(1))
    >>> fused = FusedAdamW(torch.optim.AdamW([weight], lr=0.25, weight_decay=0.0, fused=True))
    >>> for _ in range(2):
    ...     weight.grad = torch.ones(1)
    ...     fused.step()
    >>> round(weight.item(), 6)
    0.5
    """

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        self._optimizer = optimizer
        self._groups: list[_Group] = []

    def forget(self) -> None:
        """The optimizer's state was replaced."""
        self._groups = []

    @torch.no_grad()
    def step(self) -> None:
        """Update the parameters, all of which must have gradients."""
        if not self._groups:
            self._optimizer.step()  # the first one makes the state
            self._groups = [self._collected(group) for group in self._optimizer.param_groups]
            return
        for settings, averages, squares, counts in self._groups:
            parameters = settings["params"]
            torch._foreach_add_(counts, 1)
            beta1, beta2 = settings["betas"]
            torch._fused_adamw_(
                parameters,
                [parameter.grad for parameter in parameters],
                averages,
                squares,
                [],
                counts,
                amsgrad=False,
                lr=settings["lr"],
                beta1=beta1,
                beta2=beta2,
                weight_decay=settings["weight_decay"],
                eps=settings["eps"],
                maximize=False,
                grad_scale=None,
                found_inf=None,
            )

    def _collected(self, group: dict[str, Any]) -> _Group:
        state = [self._optimizer.state[parameter] for parameter in group["params"]]
        keys = ("exp_avg", "exp_avg_sq", "step")
        return _Group(group, *([of_one[key] for of_one in state] for key in keys))
