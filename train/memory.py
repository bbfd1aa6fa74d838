"""Running out of memory: finding the batch size that would have fitted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from circuits.errors import HopscopeError

_CPU_MESSAGES = ("can't allocate memory", "not enough memory")


def is_out_of_memory(error: Exception) -> bool:
    """Whether PyTorch failed for lack of memory, on a GPU or on the CPU."""
    if isinstance(error, (torch.cuda.OutOfMemoryError, MemoryError)):
        return True
    return any(message in str(error) for message in _CPU_MESSAGES)


def largest_fitting(attempt: Callable[[int], None], size: int) -> int | None:
    """Halve the batch size until `attempt` succeeds; None if not even one row fits."""
    while size >= 1:
        try:
            attempt(size)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            size //= 2
        else:
            return size
    return None


@contextmanager
def fitting_model(weights: int) -> Iterator[None]:
    """Raise a `HopscopeError` if a model with so many weights does not fit into memory."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise HopscopeError(
            f"a model of {weights:,} weights and what trains it do not fit into memory; choose a "
            "smaller model.d_model, model.d_mlp or model.n_layers, or another training.device."
        ) from error


def out_of_memory(size: int, fitting: int | None) -> HopscopeError:
    """The error for a batch that did not fit."""
    if fitting is None:
        return HopscopeError(
            "the device does not have enough memory for one example; choose a smaller "
            "model.d_model, model.d_mlp or model.n_layers, or another training.device."
        )
    return HopscopeError(
        f"training.batch_size = {size:,} does not fit into memory; {fitting:,} would, "
        f"so continue with --set training.batch_size={fitting}."
    )
