"""PyTorch's optimizers without the guards against its compiler, whose import takes 2 s of CPU.

Each of their methods is wrapped in `torch._dynamo.disable` or a graph break, so that a compiled
training step leaves them alone, and importing torch._dynamo takes as long as importing torch. No
step here compiles its optimizer (`train.step` compiles the objective alone), so the wrappers only
cost. What is left is the same functions, hence the same bits.
"""

from __future__ import annotations

import inspect
from functools import cache
from typing import TypeVar

import torch

_O = TypeVar("_O", bound=torch.optim.Optimizer)

_GUARDED = ("add_param_group", "state_dict", "load_state_dict")


@cache
def eager(kind: type[_O]) -> type[_O]:
    """The optimizer class as PyTorch has it, minus the wrappers; its step takes no gradients.

    >>> weight = torch.nn.Parameter(torch.ones(1))
    >>> weight.grad = torch.ones(1)
    >>> eager(torch.optim.SGD)([weight], lr=0.25).step()
    >>> weight.item()
    0.75
    """
    methods = {name: inspect.unwrap(getattr(kind, name)) for name in _GUARDED}
    step = torch.no_grad()(inspect.unwrap(kind.step))
    return type(kind.__name__, (kind,), {**methods, "step": step})
