"""A step that is captured into one CUDA graph after a few ordinary ones, and replayed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from train.batches import Batch

EAGER_STEPS = 3
"""Ordinary steps before a CUDA graph is captured; they compile the code and make all buffers."""


class CudaGraph:
    """Stands in for a function of batches that all have one shape."""

    def __init__(self, step: Callable[[Batch], Tensor], zero_grad: Callable[[], None]) -> None:
        """Set up; nothing is captured yet.

        Args:
            step: Does a step without any wait of the host; returns its loss or losses.
            zero_grad: Drops the gradients, so that they are allocated anew.
        """
        self._step, self._zero_grad = step, zero_grad
        self._eager_left = EAGER_STEPS
        self._graph: Any = None

    def __call__(self, batch: Batch) -> Tensor:
        """Do a step; the next one may overwrite what is returned."""
        if self._eager_left:
            self._eager_left -= 1
            return self._beside(batch)
        if self._graph is None:
            self._capture(batch)
        for buffer, column in zip(self._input[:3], batch[:3], strict=True):
            buffer.copy_(column)
        self._graph.replay()
        return self._output

    def _beside(self, batch: Batch) -> Tensor:
        """An ordinary step on a side stream, which CUDA requires of the steps before a capture."""
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            loss = self._step(batch)
        torch.cuda.current_stream().wait_stream(side)
        return loss

    def _capture(self, batch: Batch) -> None:
        self._input = Batch(*(column.clone() for column in batch[:3]))
        self._graph = torch.cuda.CUDAGraph()
        self._zero_grad()  # gradients must be allocated in the graph's own memory
        # Only calls of this thread are captured; trackers may make others meanwhile.
        with torch.cuda.graph(self._graph, capture_error_mode="thread_local"):
            self._output = self._step(self._input)
