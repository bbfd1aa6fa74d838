"""Arrays as the compiled kernels take them: addresses of contiguous ones, fresh ones in fp32."""

from __future__ import annotations

import torch
from torch import Tensor


def address(x: Tensor | None) -> int | None:
    """Address of a contiguous array; None stays None, which is NULL to a kernel."""
    if x is None:
        return None
    assert x.is_contiguous()
    return x.data_ptr()


def fresh_floats(*size: int) -> Tensor:
    """An empty fp32 tensor for a kernel's output, independent of PyTorch's default dtype."""
    return torch.empty(size, dtype=torch.float32)
