"""A CUDA device that is not there: its tensors say "cuda", and hold their values on the CPU.

What goes wrong on a real GPU for reasons of Python goes wrong here too: tensors of two devices in
one operation, `.numpy()` of a tensor that is not on the CPU, a random generator of the other
device, a table that was left behind. What depends on the GPU's own kernels (rounding, captured
graphs, memory) does not show. Numbers are bit for bit those of the CPU.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

CUDA, CPU = torch.device("cuda", 0), torch.device("cpu")
aten = torch.ops.aten

GPU = ("cuda", "meta")
"""The second is what C++ takes it for, as in `tensor[0] = 1.0`."""
COPIES = {aten._to_copy.default, aten.copy_.default}
"""The operations that may cross devices."""
INDEXED = {aten.index.Tensor, aten.index_put_.default, aten.index_put.default}
"""Indices may lie on the CPU, as with real ones."""


class OnGPU(torch.Tensor):
    """A tensor that says it is on the GPU."""

    held: torch.Tensor

    @staticmethod
    def __new__(cls, held: torch.Tensor) -> OnGPU:
        """Shape, strides and type of the values held."""
        made = torch.Tensor._make_wrapper_subclass(
            cls,
            held.shape,
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            device="meta",  # C++ would look for a driver
            requires_grad=held.requires_grad,
        )
        made.held = held
        return made

    def __getitem__(self, index: Any) -> torch.Tensor:
        """As of any tensor."""
        return super().__getitem__(with_tensors(index))

    def __setitem__(self, index: Any, value: Any) -> None:
        """As of any tensor."""
        super().__setitem__(with_tensors(index), value)

    @property
    def device(self) -> torch.device:
        """Where it says it is."""
        return CUDA

    @property
    def is_cuda(self) -> bool:
        """Said by some code in place of the device."""
        return True

    @property
    def is_meta(self) -> bool:
        """It has values."""
        return False

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """As within the mode; tensors outlive it."""
        return dispatched(func, args, kwargs or {})


def with_tensors(index: Any) -> Any:
    """Lists and arrays as tensors: C++ would make them where it takes this tensor to be."""
    if isinstance(index, tuple):
        return tuple(with_tensors(part) for part in index)
    return torch.as_tensor(index) if isinstance(index, (list, np.ndarray)) else index


def made_then_moved(data: Any, *, device: Any = None, **kwargs: Any) -> torch.Tensor:
    """In place of `torch.tensor`, which would ask the device's driver."""
    made = _tensor(data, **kwargs)
    return made if device is None else made.to(device)


_tensor = torch.tensor


def dispatched(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """Run an operation on the values held, or refuse what a GPU would refuse."""
    given = [t for t in tree_flatten((args, kwargs))[0] if isinstance(t, torch.Tensor)]
    asked = kwargs.get("device")
    makes_on_gpu = asked is not None and torch.device(asked).type in GPU
    on_gpu = any(isinstance(t, OnGPU) for t in given)
    if not on_gpu and not makes_on_gpu:
        return func(*args, **kwargs)
    if func is torch.ops.prim.device.default:
        return CUDA
    if func is aten._local_scalar_dense.default:
        return func(args[0].held)
    refuse_two_devices(func, args, given)
    if makes_on_gpu:
        kwargs = kwargs | {"device": CPU}
    generator = kwargs.get("generator")
    if generator is not None:
        raise RuntimeError("Expected a 'cuda' device type for generator but found 'cpu'")
    plain_args, plain_kwargs = tree_map(
        lambda t: t.held if isinstance(t, OnGPU) else t, (args, kwargs)
    )
    result = func(*plain_args, **plain_kwargs)
    to_cpu = asked is not None and torch.device(asked).type == "cpu"
    if to_cpu:
        return result
    if func is aten.copy_.default:
        return args[0]
    return wrapped_like(result, args, kwargs)


def held_by(value: Any) -> Any:
    """The values of a tensor on the GPU; anything else as it is."""
    return value.held if isinstance(value, OnGPU) else value


def wrapped_like(result: Any, args: Any, kwargs: Any) -> Any:
    """The result on the GPU; what was changed in place is the tensor that was given."""
    given = {id(t.held): t for t in tree_flatten((args, kwargs))[0] if isinstance(t, OnGPU)}

    def wrap(t: Any) -> Any:
        if not isinstance(t, torch.Tensor):
            return t
        return given.get(id(t)) if id(t) in given else OnGPU(t)

    return tree_map(wrap, result)


def refuse_two_devices(func: Any, args: Any, given: list[torch.Tensor]) -> None:
    """As PyTorch: all on one device, but for single numbers, copies and indices."""
    if func in COPIES:
        return
    if func in INDEXED:
        given = [args[0], *(args[2:3] if len(args) > 2 else [])]
        given = [t for t in given if isinstance(t, torch.Tensor)]
    kinds = {isinstance(t, OnGPU) for t in given if t.ndim}
    if len(kinds) > 1:
        raise RuntimeError(
            f"Expected all tensors to be on the same device, but {func} got cuda:0 and cpu"
        )


class PretendGPU(TorchDispatchMode):
    """Sends what is made on "cuda" to `OnGPU`."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """See `dispatched`."""
        return dispatched(func, args, kwargs or {})


@contextmanager
def pretend_gpu() -> Iterator[torch.device]:
    """A world with one GPU."""
    with (
        patch("torch.tensor", made_then_moved),
        patch("torch.cuda.is_current_stream_capturing", lambda: False),
        patch("torch.cuda._lazy_init", lambda: None),
        patch("torch.cuda.is_available", lambda: True),
        PretendGPU(),
    ):
        yield CUDA
