"""`TorchOps` with compiled kernels where they exist: for LayerNorm, ReLU and attention."""

from __future__ import annotations

import ctypes
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from circuits.model.config import ModelConfig
from circuits.model.cpu.arrays import address, fresh_floats
from circuits.model.cpu.compiled_weights import CompiledWorkspace
from circuits.model.cpu.kernels import MOST_SEEN, MOST_WIDE, kernels
from circuits.model.cpu.prefix_sharing import QueryNodes
from circuits.model.cpu.torch_ops import Rows, TorchOps
from circuits.model.cpu.weights import Workspace


def ops_for(cfg: ModelConfig, dtype: torch.dtype) -> TorchOps:
    """The fastest available operations for a configuration on this machine."""
    fits = cfg.n_ctx <= MOST_SEEN and cfg.n_heads * cfg.d_head <= MOST_WIDE
    library = kernels(dtype) if fits else None
    return TorchOps(cfg, dtype) if library is None else CompiledOps(cfg, dtype, library)


class Kept(NamedTuple):
    """What the backward pass of attention needs."""

    q: Float[Tensor, "later width"]
    kv: Float[Tensor, "nodes two_widths"]
    patterns: list[Float[Tensor, "n seen n_heads"]]


class CompiledOps(TorchOps):
    """`TorchOps` with kernels; see there for what each operation does. It does the others
    itself."""

    def __init__(self, cfg: ModelConfig, dtype: torch.dtype, library: ctypes.CDLL) -> None:
        super().__init__(cfg, dtype)
        self._kernels, self._layer_norm = library, cfg.normalization_type == "LN"

    def workspace(self) -> Workspace:
        """A workspace that is filled in one call."""
        return CompiledWorkspace(self.cfg, self.dtype, self._kernels)

    def distinct(self, keys: Tensor) -> tuple[Tensor, Tensor]:
        """Numbers follow the order of first appearance."""
        n = len(keys)
        n_slots = 1 << (2 * n).bit_length()
        slots, (number, first) = keys.new_empty(n_slots), keys.new_empty(2, n)
        arrays = (address(t) for t in (keys, slots, number, first))
        return number, first[: self._kernels.distinct(n, n_slots, *arrays)]

    def add_norm(
        self, resid: Tensor, rows: Rows, delta: Tensor | None, weights: tuple[Tensor, ...]
    ) -> tuple[Tensor, Tensor, Any]:
        """Sum, LayerNorm and cast in one pass."""
        if not self._layer_norm:
            return super().add_norm(resid, rows, delta, weights)
        listed = rows if isinstance(rows, Tensor) else None
        n, width = len(resid) if listed is None else len(listed), resid.shape[1]
        in_place = listed is None and delta is None
        total = resid if in_place else resid.new_empty(n, width)
        out = torch.empty(n, width, dtype=self.dtype)
        mean, rstd = fresh_floats(n), fresh_floats(n)
        w, b = weights
        arrays = (address(x) for x in (resid, listed, delta, w, b))
        results = (address(x) for x in (total, out, mean, rstd))
        self._kernels.add_norm(torch.get_num_threads(), n, width, *arrays, self.cfg.eps, *results)
        return total, out, (total, mean, rstd)

    def norm_backward(
        self,
        dout: Tensor,
        saved: Any,
        weights: tuple[Tensor, ...],
        *,
        also: Tensor | None = None,
        rows: Rows = slice(None),
        add: Tensor | None = None,
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """LayerNorm's gradients, including the additions before and after, in one pass."""
        if not self._layer_norm:
            return super().norm_backward(dout, saved, weights, also=also, rows=rows, add=add)
        x, mean, rstd = saved
        n, width = x.shape
        dense, more = (dout, None) if dout.dtype == self.dtype else (None, dout)
        skip = 0
        if isinstance(rows, slice):
            skip = rows.start or 0
        elif also is not None:  # several may belong to one row: added up first
            assert more is None
            more, also = fresh_floats(n, width).zero_().index_add_(0, rows, also.float()), None
        threads = torch.get_num_threads()
        partial, dx = fresh_floats(threads, 3, width), fresh_floats(n, width)
        dw, db = fresh_floats(width), fresh_floats(width)
        self._kernels.norm_backward(
            *(threads, n, width, address(dense), address(also), skip, address(more)),
            *(address(t) for t in (x, mean, rstd, weights[0], add, dx, partial, dw, db)),
        )
        return dx, (dw, db)

    def cast_and_sum(self, x: Tensor, total: Tensor) -> Tensor:
        """Both in one pass."""
        threads, (n, width) = torch.get_num_threads(), x.shape
        out = x if x.dtype == self.dtype else torch.empty(n, width, dtype=self.dtype)
        partial = fresh_floats(threads, width)
        arrays = (address(t) for t in (x, out, partial, total))
        self._kernels.cast_and_sum(threads, n, width, *arrays)
        return out

    def activate_backward(self, dpost: Tensor, kept: Tensor, total: Tensor) -> Tensor:
        """ReLU's gradient, which overwrites dpost, and the sum in one pass."""
        if self.cfg.act_fn != "relu":
            return super().activate_backward(dpost, kept, total)
        threads, (n, width) = torch.get_num_threads(), dpost.shape
        partial = fresh_floats(threads, width)
        arrays = (address(t) for t in (dpost, kept, partial, total))
        self._kernels.relu_backward(threads, n, width, *arrays)
        return dpost

    def attend(self, q: Tensor, kv: Tensor, queries: QueryNodes) -> tuple[Tensor, Kept]:
        """Keys and values are read in place; scores and pattern are fp32."""
        heads, first, width = self.heads, queries.first, q.shape[1]
        z = kv.new_empty(first + len(q), width)
        if first:  # the only position they see is their own
            own = slice(first) if isinstance(queries.rows, slice) else queries.rows[:first]
            z[:first] = kv[own][:, width:]
        patterns = []
        for at in queries.lookups:
            n, seen = at.stop - at.start, at.position + 1
            pattern = fresh_floats(n, seen, heads.n_heads)
            arrays = (
                address(x) for x in (q[at.start - first :], kv, at.seen, z[at.start :], pattern)
            )
            self._kernels.attend(torch.get_num_threads(), n, seen, *heads, *arrays)
            patterns.append(pattern)
        return z, Kept(q, kv, patterns)

    def attend_backward(
        self, dz: Tensor, n_nodes: int, queries: QueryNodes, saved: Kept
    ) -> tuple[Tensor, Tensor]:
        """Gradients of keys and values are added directly to their rows, in fp32."""
        heads, first, width = self.heads, queries.first, dz.shape[1]
        dq = dz.new_empty(len(dz) - first, width)
        dkv = fresh_floats(n_nodes, 2 * width).zero_()
        if isinstance(queries.rows, slice):
            dkv[:first, width:] = dz[:first]
        elif first:
            dkv[:, width:].index_add_(0, queries.rows[:first], dz[:first].float())
        for at, pattern in zip(queries.lookups, saved.patterns, strict=True):
            n, seen, start = at.stop - at.start, at.position + 1, at.start - first
            arrays = (dz[at.start :], saved.q[start:], saved.kv, at.seen, pattern, dq[start:], dkv)
            self._kernels.attend_backward(
                *(torch.get_num_threads(), n, seen, *heads, heads.scale),
                *(address(x) for x in arrays),
            )
        return dq, dkv
