"""`Workspace` with one compiled call for all casts of weights, and one for those of gradients."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from ctypes import c_int64, c_void_p
from typing import Any

import torch
from torch import Tensor

from circuits.model.config import ModelConfig
from circuits.model.cpu.weights import Workspace


class CompiledWorkspace(Workspace):
    """`Workspace` with compiled copies; see there for what each method does."""

    def __init__(self, cfg: ModelConfig, dtype: torch.dtype, library: ctypes.CDLL) -> None:
        super().__init__(cfg, dtype)
        self._kernels = library
        self._weight_pieces = self._weights.pieces()
        self._gradient_pieces = self._gradients.pieces()
        plain = [(p.shape[1] * p.shape[2], p.shape[2]) for p in self._weight_pieces]
        packed = [p.stride()[:2] for p in self._weight_pieces]
        shapes = [p.shape for p in self._weight_pieces]
        self._into = _layout(shapes, plain, packed)
        self._out_of = _layout(shapes, packed, plain)

    def fill(self, parameters: dict[str, Tensor]) -> None:
        """Copy the parameters from their current addresses into the workspace."""
        sources = [parameters[name] for name in self._names]
        self._shapes = [source.shape for source in sources]
        self._move(self._kernels.cast_pieces, sources, self._weight_pieces, self._into)

    def parameter_gradients(self) -> dict[str, Tensor]:
        """As views of one new tensor."""
        if len(self.gradients) > len(self.blocks):
            return super().parameter_gradients()
        plain = torch.empty(self._gradients.rows.numel(), dtype=torch.float32)
        parts = plain.split([shape.numel() for shape in self._shapes])
        self._move(self._kernels.widen_pieces, self._gradient_pieces, parts, self._out_of)
        views = [part.view(shape) for part, shape in zip(parts, self._shapes, strict=True)]
        return dict(zip(self._names, views, strict=True))

    def _move(
        self, kernel: Any, sources: Sequence[Tensor], targets: Sequence[Tensor], layout: Any
    ) -> None:
        n = len(sources)
        addresses = ((c_void_p * n)(*(x.data_ptr() for x in part)) for part in (sources, targets))
        kernel(torch.get_num_threads(), n, *addresses, layout)


def _layout(shapes: Any, source_strides: Any, target_strides: Any) -> Any:
    """Seven numbers for each piece; see `c/layout.c`."""
    rows = zip(shapes, source_strides, target_strides, strict=True)
    numbers = [number for row in rows for part in row for number in part]
    return (c_int64 * len(numbers))(*numbers)
