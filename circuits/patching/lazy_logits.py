"""Logits whose last position is known and whose other positions are computed when they are read.

A metric is the user's own function, so samples cannot tell what it reads. `LazyLogits`
looks like the tensor [batch, pos, d_vocab] and finds out while the metric runs:

1. An index (`logits[:, -1]`, `logits[rows, at]`, `select`, `narrow`) is applied to a tensor that
   holds every entry's position. Where it yields the last position only, the metric gets the same
   view of the true logits.
2. A function of each position by itself (softmax over the vocabulary, argmax) gives lazy numbers.
3. Any other operation, known or not, first computes the other positions and then sees the true
   tensor. So every metric gets true numbers; what it reads decides only their cost.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor
from torch.utils._pytree import tree_map_only

_ABOUT_SHAPE = {
    Tensor.size,
    Tensor.dim,
    Tensor.numel,
    Tensor.__len__,
    Tensor.is_floating_point,
    *(getattr(Tensor, name).__get__ for name in ("shape", "ndim", "dtype", "device", "is_cuda")),
}
_INDEXING = {
    Tensor.__getitem__,
    *(f for name in ("select", "narrow") for f in (getattr(torch, name), getattr(Tensor, name))),
}
_OF_EACH_POSITION = {
    F.softmax,
    F.log_softmax,
    *(
        f
        for name in ("softmax", "log_softmax", "argmax")
        for f in (getattr(torch, name), getattr(Tensor, name))
    ),
}


class LazyLogits(Tensor):
    """A tensor [batch, pos, ...] of which only the last position is computed.

    Args:
        last: That position, [batch, ...].
        n_pos: How many there are.
        before: Computes the positions before it, [batch, n_pos - 1, ...].
    """

    _held: Tensor
    _before: Callable[[], Tensor] | None

    @staticmethod
    def __new__(cls, last: Tensor, n_pos: int, before: Callable[[], Tensor]) -> LazyLogits:
        """A tensor without storage; `_held` has the numbers."""
        held = last.new_empty(len(last), n_pos, *last.shape[1:])
        held[:, -1] = last
        lazy = torch.Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
            cls, held.shape, dtype=held.dtype, device=held.device
        )
        lazy._held, lazy._before = held, before
        return lazy

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in _ABOUT_SHAPE:
            return super().__torch_function__(func, types, args, kwargs)
        first, rest = (args[0], args[1:]) if args else (None, ())
        if isinstance(first, LazyLogits) and first._before is not None:
            if func in _INDEXING and first._reads_last_only(func, rest, kwargs):
                return func(first._held, *rest, **kwargs)
            if func in _OF_EACH_POSITION and _over_vocabulary(rest, kwargs, first.ndim):
                return first._position_by_position(func, rest, kwargs)
        return func(*_computed(args), **_computed(kwargs))

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Handles operations that reach the tensor without passing through Python's functions."""
        return func(*_computed(args), **_computed(kwargs or {}))

    def whole(self) -> Tensor:
        """All positions; what was read of the last one before is a view of them."""
        if self._before is not None:
            self._held[:, :-1] = self._before()
            self._before = None
        return self._held

    def _reads_last_only(self, func: Any, rest: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        shape = self._held.shape
        if func == Tensor.__getitem__ and _is_last(rest[0], shape[1]):
            return True
        ids = torch.arange(shape[1], device=self._held.device)
        positions = ids.view(1, -1, *[1] * (len(shape) - 2)).expand(shape)
        try:
            seen = func(positions, *rest, **kwargs)
        except Exception:  # the true tensor will say what is wrong with the index
            return False
        # along an expanded axis all entries are the same one
        seen = seen[tuple(slice(0, 1) if step == 0 else slice(None) for step in seen.stride())]
        return bool((seen == shape[1] - 1).all())

    def _position_by_position(
        self, func: Any, rest: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> LazyLogits:
        held, before = self._held, self._before
        assert before is not None
        last = func(held[:, -1:], *rest, **kwargs)[:, 0]
        return LazyLogits(last, held.shape[1], lambda: func(before(), *rest, **kwargs))


def lazy_logits(
    last: Float[Tensor, "batch d_vocab"],
    n_pos: int,
    before: Callable[[], Float[Tensor, "batch before d_vocab"]],
) -> Float[Tensor, "batch pos d_vocab"]:
    """Logits whose earlier positions are computed by calling `before` when they are needed."""
    return last[:, None] if n_pos == 1 else LazyLogits(last, n_pos, before)


def _is_last(index: Any, n_pos: int) -> bool:
    """Whether this index is [rows, the last position, ...] in its most common form."""
    if type(index) is not tuple or len(index) < 2:
        return False
    rows, position = index[:2]
    return type(rows) is slice and type(position) is int and position in (-1, n_pos - 1)


def _over_vocabulary(rest: tuple[Any, ...], kwargs: dict[str, Any], ndim: int) -> bool:
    """Whether a function runs over the last axis of three, so that positions stay apart."""
    dim = rest[0] if rest else kwargs.get("dim")
    return ndim == 3 and type(dim) is int and dim in (-1, 2) and "out" not in kwargs


def _computed(given: Any) -> Any:
    return tree_map_only(LazyLogits, LazyLogits.whole, given)
