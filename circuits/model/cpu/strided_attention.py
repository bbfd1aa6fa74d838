"""Attention of many patched runs in one call, although their keys and values are in different
tensors.

In PyTorch's operations, one per key and step, attention is a tenth of a patching grid but half of
its calls, and every call makes threads of one process wait for each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from ctypes import c_int64, c_void_p
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from circuits.model.cpu.kernels import MOST_SEEN, MOST_WIDE, kernels


def strided_attention(
    q: Float[Tensor, "*batch query n_heads d_head"],
    keys: Sequence[Float[Tensor, "... n_heads d_head"]],
    values: Sequence[Float[Tensor, "... n_heads d_head"]],
) -> Float[Tensor, "*batch query n_heads d_head"] | None:
    """See `circuits.patching.short_attention.attend`; None if there is no kernel for the case."""
    *batch, n_queries, n_heads, d_head = q.shape
    library = kernels(q.dtype) if q.device.type == "cpu" else None
    graph = torch.is_grad_enabled() and any(x.requires_grad for x in (q, *keys, *values))
    alike = all(x.dtype == q.dtype and x.device == q.device for x in (*keys, *values))
    few = len(keys) <= MOST_SEEN and n_heads * d_head <= MOST_WIDE
    fits = len(batch) in (1, 2) and few
    if library is None or graph or not alike or not fits:
        return None
    z = q.new_empty(q.shape)
    q = q if _side_by_side(q) else q.contiguous()
    pairs = [[_for_each_run(x, batch) for x in part] for part in zip(keys, values, strict=True)]
    sizes = (*([1, *batch][-2:]), n_queries, len(keys), n_heads, d_head)
    strides = _array(c_int64, [s for pair in pairs for x in pair for s in _strides(x, batch)])
    starts = (_array(c_void_p, [x.data_ptr() for x in part]) for part in zip(*pairs, strict=True))
    library.attend_strided(
        *(torch.get_num_threads(), *sizes, d_head**-0.5),
        *(q.data_ptr(), _array(c_int64, [*_strides(q, batch), q.stride(-3)])),
        *(*starts, strides),
        *(z.data_ptr(), _array(c_int64, [*_strides(z, batch), z.stride(-3)])),
    )
    return z


def _side_by_side(x: Tensor) -> bool:
    """Whether a state's heads are contiguous."""
    return x.stride(-1) == 1 and x.stride(-2) == x.shape[-1]


def _for_each_run(x: Tensor, batch: Sequence[int]) -> Tensor:
    x = x if _side_by_side(x) else x.contiguous()
    return x.expand(*batch, *x.shape[-2:])


def _strides(x: Tensor, batch: Sequence[int]) -> tuple[int, int]:
    """By cell and by run."""
    return (0, x.stride(0)) if len(batch) == 1 else (x.stride(0), x.stride(1))


def _array(kind: Any, numbers: Sequence[int]) -> Any:
    return (kind * len(numbers))(*numbers)
