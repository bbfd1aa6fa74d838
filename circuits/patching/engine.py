"""The hook-free engine behind patching: recompute only what a patch can change.

A state written at (layer l, position p) changes layers >= l and positions >= p only, because
attention is causal. So:

1. `trace` runs prompts once and keeps residual stream, queries, keys and values.
2. A patched run starts at layer l from the traced states of positions >= p, with the traced keys
   and values for positions < p (`sweep`).
3. Cells that enter at different layers join one growing batch as it passes their layer, so every
   block runs once per position for all cells together.
4. In the last block only the last position's query and MLP are computed, and logits only there.

Numbers equal the hooked model's to rounding (tests hold both against each other). Sequences have
three to five tokens, where batched matrix products of attention are slower than a loop over keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from circuits.components import LayerNorm, RMSNorm
from circuits.errors import HopscopeError
from circuits.model import HookedTransformer
from circuits.patching.packed_linear import PackedLinear
from circuits.patching.short_attention import attend, pattern

__all__ = ["CHUNK_ELEMENTS", "PatchEngine", "Trace", "pattern"]

CHUNK_ELEMENTS = 1_500_000
"""Activations of one MLP layer computed at once; more falls out of the processor's cache."""


@dataclass(frozen=True)
class Trace:
    """What one batch of prompts left behind, for patched runs to start from."""

    resid: Float[Tensor, "states n pos d_model"]
    """S[i, p] for i from 0 to depth."""
    mid: Float[Tensor, "depth n pos d_model"]
    """Residual stream between attention and MLP."""
    q: Float[Tensor, "depth n pos n_heads d_head"]
    k: Float[Tensor, "depth n seen n_heads d_head"]
    v: Float[Tensor, "depth n seen n_heads d_head"]

    @property
    def n(self) -> int:
        """Number of prompts."""
        return self.resid.shape[1]

    @property
    def pos(self) -> int:
        """Number of positions; a trace with a past holds states of the last ones only."""
        return self.k.shape[2]

    def rows(self, which: slice) -> Trace:
        """Some of the prompts."""
        parts = (self.resid, self.mid, self.q, self.k, self.v)
        return Trace(*(part[:, which] for part in parts))


@dataclass(frozen=True)
class _Weights:
    """One block's linear maps; those to queries, keys and values are side by side."""

    ln1: Any
    ln2: Any
    qkv: PackedLinear
    q: PackedLinear
    kv: PackedLinear
    out: PackedLinear
    mlp_in: PackedLinear
    mlp_out: PackedLinear


class PatchEngine:
    """Batched, hook-free runs of one model, which is read and never changed."""

    def __init__(self, model: HookedTransformer) -> None:
        if model.training:
            raise HopscopeError("the model is in training mode; call model.eval() before patching.")
        self.cfg = model.cfg
        self.depth = model.depth
        self._model = model
        own = [_weights(model.blocks[i]) for i in range(model.cfg.n_layers)]
        self._blocks = [own[i % model.cfg.n_layers] for i in range(model.depth)]
        self.device = model.device
        self.embedding_std = model.W_E.detach().std().item()
        self._unembed = PackedLinear(model.W_U.T.contiguous(), model.b_U)

    @torch.no_grad()
    def embed(self, tokens: Int[Tensor, "n pos"]) -> Float[Tensor, "n pos d_model"]:
        """S[0, .] of these prompts."""
        model = self._model
        return F.embedding(tokens, model.embed.W_E) + model.pos_embed.W_pos[: tokens.shape[1]]

    @torch.no_grad()
    def logits(self, resid: Float[Tensor, "*shape d_model"]) -> Float[Tensor, "*shape d_vocab"]:
        """Final norm and unembedding."""
        return self._unembed(_norm(self._model.ln_final, resid))

    @torch.no_grad()
    def trace(
        self,
        start: Int[Tensor, "n pos"] | Float[Tensor, "n pos d_model"],
        past: Trace | None = None,
    ) -> Trace:
        """Run prompts, given as token ids or as their states S[0, .], and keep what they leave.

        With `past`, `start` holds only the last positions, as states; the first ones are those of
        the runs in `past`, whose number divides the number of prompts (several prompts per run).
        """
        x = start if start.is_floating_point() else self.embed(start)
        resid, mid = [x], []
        q: list[Tensor] = []
        k: list[Tensor] = []
        v: list[Tensor] = []
        for i in range(self.depth):
            qkv = self._qkv(i, x).view(*x.shape[:2], 3, self.cfg.n_heads, self.cfg.d_head)
            keys, values = qkv[:, :, 1], qkv[:, :, 2]
            if past is not None:
                before = past.pos - x.shape[1]
                keys, values = (
                    torch.cat([_repeated(old[i][:, :before], len(x)), new], 1)
                    for old, new in ((past.k, keys), (past.v, values))
                )
            z = attend(qkv[:, :, 0], keys.unbind(1), values.unbind(1))
            mid.append(self._after_attention(i, x, z))
            x = self.mlp(i, mid[-1])
            for kept, value in ((q, qkv[:, :, 0]), (k, keys), (v, values), (resid, x)):
                kept.append(value)
        return Trace(*(torch.stack(part) for part in (resid, mid, q, k, v)))

    @torch.no_grad()
    def sweep(
        self,
        base: Trace,
        position: int,
        entering: Mapping[int, Float[Tensor, "cells n suffix d_model"]],
        *,
        stop_at_layer: int | None = None,
        all_positions: bool = False,
    ) -> dict[int, Float[Tensor, "cells n *suffix d_vocab"]]:
        """Logits of runs of `base` in which states from `position` on are replaced.

        Args:
            base: The runs that are patched.
            position: First position that differs from base; suffix = pos - position.
            entering: States S[l, position:] by layer l (0 to depth), several cells per layer.
            stop_at_layer: Read the logit lens at S[stop_at_layer, .] instead of the output.
            all_positions: Logits of the whole suffix and not of the last position only.

        Returns:
            For each layer in `entering`: its cells' logits.
        """
        stop = self.depth if stop_at_layer is None else stop_at_layer
        layers = sorted(layer for layer in entering if layer <= stop)
        cells = sum(entering[layer].shape[0] for layer in layers)
        step = self.rows_at_once(cells * (base.pos - position))
        parts = []
        for first in range(0, base.n, step):
            rows = slice(first, first + step)
            parts.append(
                self._sweep_rows(base, position, entering, layers, rows, stop, all_positions)
            )
        joined = torch.cat(parts, 1)
        sizes = [entering[layer].shape[0] for layer in layers]
        return dict(zip(layers, joined.split(sizes), strict=True))

    def _sweep_rows(
        self,
        base: Trace,
        position: int,
        entering: Mapping[int, Tensor],
        layers: list[int],
        rows: slice,
        stop: int,
        all_positions: bool,
    ) -> Float[Tensor, "cells n *suffix d_vocab"]:
        x: Tensor | None = None
        for i in range(layers[0], stop):
            if i in layers:
                new = entering[i][:, rows]
                x = new if x is None else torch.cat([x, new])
            assert x is not None
            last_only = i == stop - 1 and not all_positions
            x = self._block(i, x, base.k[i][rows, :position], base.v[i][rows, :position], last_only)
        if stop in layers:
            new = entering[stop][:, rows]
            new = new if all_positions else new[:, :, -1:]
            x = new if x is None else torch.cat([x, new])
        assert x is not None
        return self.logits(x if all_positions else x[:, :, -1])

    def _block(self, i: int, x: Tensor, k_past: Tensor, v_past: Tensor, last_only: bool) -> Tensor:
        q, k, v = self.qkv(i, x, last_only=last_only)
        keys = [*k_past.unbind(-3), *k.unbind(-3)]
        z = attend(q, keys, [*v_past.unbind(-3), *v.unbind(-3)])
        return self.rest_of_block(i, x[..., -1:, :] if last_only else x, z)

    @torch.no_grad()
    def qkv(
        self, i: int, x: Float[Tensor, "*batch pos d_model"], *, last_only: bool = False
    ) -> tuple[Float[Tensor, "*batch _ n_heads d_head"], ...]:
        """Queries, keys and values of block i; the query of the last position only, if wanted."""
        heads = (self.cfg.n_heads, self.cfg.d_head)
        if not last_only or x.shape[-2] == 1:
            return self._qkv(i, x).unflatten(-1, (3, *heads)).unbind(-3)
        w = self._blocks[i]
        normed = _norm(w.ln1, x)
        q = w.q(normed[..., -1:, :]).unflatten(-1, heads)
        return (q, *w.kv(normed).unflatten(-1, (2, *heads)).unbind(-3))

    @torch.no_grad()
    def rest_of_block(
        self,
        i: int,
        x: Float[Tensor, "*batch pos d_model"],
        z: Float[Tensor, "*batch pos n_heads d_head"],
    ) -> Float[Tensor, "*batch pos d_model"]:
        """S[i + 1] from S[i] and what the heads of block i collected."""
        return self.mlp(i, self._after_attention(i, x, z))

    def _qkv(self, i: int, x: Tensor) -> Tensor:
        w = self._blocks[i]
        return w.qkv(_norm(w.ln1, x))

    def _after_attention(self, i: int, x: Tensor, z: Tensor) -> Tensor:
        return self._blocks[i].out.added_to(x, z.flatten(-2))

    @torch.no_grad()
    def mlp(self, i: int, mid: Float[Tensor, "*shape d_model"]) -> Float[Tensor, "*shape d_model"]:
        """S[i + 1] from the residual stream between attention and MLP of block i."""
        w = self._blocks[i]
        return w.mlp_out.added_to(mid, w.mlp_in.activated(_norm(w.ln2, mid), self.cfg.act_fn))

    def rows_at_once(self, states_per_row: int) -> int:
        """How many prompts to run at once, where each is run with so many states."""
        return max(8, CHUNK_ELEMENTS // (max(1, states_per_row) * self.cfg.d_mlp))

    @torch.no_grad()
    def attention_output(
        self, i: int, z: Float[Tensor, "n pos n_heads d_head"]
    ) -> Float[Tensor, "n pos d_model"]:
        """What attention of block i adds to the residual stream."""
        return self._blocks[i].out(z.flatten(-2))

    @torch.no_grad()
    def mlp_output(
        self, i: int, mid: Float[Tensor, "*any d_model"]
    ) -> Float[Tensor, "*any d_model"]:
        """What the MLP of block i adds to the residual stream."""
        w = self._blocks[i]
        return w.mlp_out(w.mlp_in.activated(_norm(w.ln2, mid), self.cfg.act_fn))

    def head_output(self, i: int) -> Float[Tensor, "n_heads d_head d_model"]:
        """W_O of block i."""
        return self._blocks[i].out.weight.T.unflatten(0, (self.cfg.n_heads, self.cfg.d_head))


def _norm(ln: Any, x: Tensor) -> Tensor:
    if isinstance(ln, LayerNorm):
        return F.layer_norm(x, x.shape[-1:], ln.w, ln.b, ln.eps)
    if isinstance(ln, RMSNorm):
        return F.rms_norm(x, x.shape[-1:], ln.w, ln.eps)
    return x


def _repeated(runs: Tensor, n: int) -> Tensor:
    return runs if len(runs) == n else runs.repeat(n // len(runs), *[1] * (runs.ndim - 1))


def _weights(block: Any) -> _Weights:
    attn, mlp = block.attn, block.mlp
    with torch.no_grad():
        qkv = torch.cat([w.transpose(1, 2).flatten(0, 1) for w in (attn.W_Q, attn.W_K, attn.W_V)])
        b_qkv = torch.cat([b.flatten() for b in (attn.b_Q, attn.b_K, attn.b_V)])
        width = len(qkv) // 3
        return _Weights(
            ln1=block.ln1,
            ln2=block.ln2,
            qkv=PackedLinear(qkv, b_qkv),
            q=PackedLinear(qkv[:width], b_qkv[:width]),
            kv=PackedLinear(qkv[width:], b_qkv[width:]),
            out=PackedLinear(attn.W_O.flatten(0, 1).T.contiguous(), attn.b_O),
            mlp_in=PackedLinear(mlp.W_in.T.contiguous(), mlp.b_in),
            mlp_out=PackedLinear(mlp.W_out.T.contiguous(), mlp.b_out),
        )
