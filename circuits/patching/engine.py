"""The hook-free engine behind patching: a model's parts in few operations, and its runs traced.

Numbers equal the hooked model's up to rounding (the tests compare them). Sequences have
three to five tokens, where batched matrix products of attention are slower than a loop over keys.
`circuits.patching.batched_runs` runs patched prompts from what `trace` keeps of unpatched ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from circuits.errors import HopscopeError
from circuits.model.added_hooks import check_hook_free
from circuits.model.components import plain_norm
from circuits.model.hook_free import keep_freed_memory
from circuits.model.protocol import Model
from circuits.model.transformer import HookedTransformer
from circuits.patching.cores import Result, each_on_a_core, n_cores
from circuits.patching.fused_linear import FusedLinear
from circuits.patching.short_attention import attend, pattern

__all__ = ["CHUNK_ELEMENTS", "PatchEngine", "Trace", "pattern"]

CHUNK_ELEMENTS = 1_500_000
"""Activations of one MLP layer computed at once; more do not fit the processor's cache."""

LEAST_ELEMENTS = 100_000
"""Activations of one MLP layer from which splitting among cores pays."""

INSTEAD = "run_patched or patch_grid"
"""The functions that run models with hooks, for the error message."""


@dataclass(frozen=True)
class Trace:
    """Activations of one batch of prompts, from which patched runs start.

    `PatchEngine.trace` makes it. S[i, p] is the residual stream at position p after i blocks.

    >>> import torch
    >>> from circuits import HookedTransformer, ModelConfig
    >>> cfg = ModelConfig(n_layers=2, d_model=8, n_ctx=3, d_vocab=10, n_heads=2)
    >>> engine = PatchEngine(HookedTransformer(cfg).eval())
    >>> trace = engine.trace(torch.tensor([[1, 2, 3], [4, 2, 3]]))
    >>> trace.n, trace.pos, trace.resid.shape
    (2, 3, torch.Size([3, 2, 3, 8]))
    >>> trace.rows(slice(1, 2)).n
    1
    """

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

    def rows(self, which: slice | Int[Tensor, " k"]) -> Trace:
        """The same trace for a slice of the prompts."""
        return Trace(*(part[:, which] for part in self._parts))

    def part(self, rows: Int[Tensor, " k"], length: int) -> Trace:
        """Some of the prompts without what comes after their first `length` positions."""
        return Trace(*(part[:, rows, :length] for part in self._parts))

    def at(self, rows: Int[Tensor, " tokens"], columns: Int[Tensor, " tokens"]) -> Trace:
        """Single tokens, as runs of one position."""
        return Trace(*(part[:, rows, columns][:, :, None] for part in self._parts))

    @property
    def _parts(self) -> tuple[Tensor, ...]:
        return self.resid, self.mid, self.q, self.k, self.v


@dataclass(frozen=True)
class _Weights:
    """One block's linear maps; those to queries, keys and values are side by side."""

    ln1: Any
    ln2: Any
    qkv: FusedLinear
    q: FusedLinear
    kv: FusedLinear
    out: FusedLinear
    mlp_in: FusedLinear
    mlp_out: FusedLinear


class PatchEngine:
    """Batched, hook-free runs of one model, which is read and never changed.

    Some weights are copied: make a new engine after the weights change.

    >>> import torch
    >>> from circuits import HookedTransformer, ModelConfig
    >>> cfg = ModelConfig(n_layers=2, d_model=8, n_ctx=3, d_vocab=10, n_heads=2)
    >>> model = HookedTransformer(cfg).eval()
    >>> engine, tokens = PatchEngine(model), torch.tensor([[1, 2, 3]])
    >>> trace = engine.trace(tokens)
    >>> torch.allclose(engine.logits(trace.resid[-1]), model(tokens), atol=1e-6)
    True

    Args:
        model: In eval mode, without added hooks.

    Raises:
        HopscopeError: if the model is in training mode, or has hooks, now or at a later run;
            `run_patched` and `patch_grid` run hooks too.
    """

    def __init__(self, model: HookedTransformer) -> None:
        check_evaluating(model)
        check_hook_free(model, INSTEAD)
        keep_freed_memory()
        self.cfg = model.cfg
        self.depth = model.depth
        self.model = model
        self.device = model.device
        blocks = [model.blocks[i] for i in range(model.cfg.n_layers)]
        own = [_weights(block) for block in blocks]
        self._blocks = [own[i % model.cfg.n_layers] for i in range(model.depth)]
        self.embedding_std = model.W_E.detach().std().item()
        self._unembed = FusedLinear(model.W_U, model.b_U)

    @torch.no_grad()
    def embed(self, tokens: Int[Tensor, "n pos"]) -> Float[Tensor, "n pos d_model"]:
        """S[0, .] of these prompts."""
        model = self.model
        return F.embedding(tokens, model.embed.W_E) + model.pos_embed.W_pos[: tokens.shape[1]]

    @torch.no_grad()
    def logits(self, resid: Float[Tensor, "*shape d_model"]) -> Float[Tensor, "*shape d_vocab"]:
        """Final norm and unembedding."""
        return self._unembed(plain_norm(self.model.ln_final, resid))

    @torch.no_grad()
    def trace(
        self,
        start: Int[Tensor, "n pos"] | Float[Tensor, "n pos d_model"],
        past: Trace | None = None,
    ) -> Trace:
        """Run prompts, given as token ids or as their states S[0, .], and keep their activations.

        With `past`, `start` holds only the last positions, as states; the first positions come from
        the runs in `past`, whose number divides the number of prompts (several prompts per run).
        """
        check_hook_free(self.model, INSTEAD)
        n, pos = start.shape[:2]
        seen = pos if past is None else past.pos
        weight, heads = self._unembed.weight, (self.cfg.n_heads, self.cfg.d_head)
        found = Trace(
            weight.new_empty(self.depth + 1, n, pos, self.cfg.d_model),
            weight.new_empty(self.depth, n, pos, self.cfg.d_model),
            weight.new_empty(self.depth, n, pos, *heads),
            weight.new_empty(self.depth, n, seen, *heads),
            weight.new_empty(self.depth, n, seen, *heads),
        )
        if past is not None:
            before = seen - pos
            for new, old in ((found.k, past.k), (found.v, past.v)):
                runs = old[:, :, :before]
                new[:, :, :before].unflatten(1, (-1, past.n)).copy_(runs.unsqueeze(1))
        parts = self.parts(n, pos)
        self.side_by_side(
            [partial(self._trace_rows, start[rows], found.rows(rows)) for rows in parts]
        )
        return found

    def trace_changed(
        self,
        tokens: Int[Tensor, "n pos"],
        position: int,
        past: Trace,
        noise: Float[Tensor, "n d_model"] | None = None,
    ) -> Trace:
        """Run prompts that agree with those of `past` before `position`; states from there on.

        Args:
            tokens: Whole prompts, several per run of `past` (all of its runs, then all again).
            position: First position at which they may differ.
            past: Whole runs.
            noise: What is added to S[0, position].
        """
        start = self.embed(tokens)[:, position:]
        if noise is not None:
            start[:, 0] += noise
        return self.trace(start, past=past)

    @torch.no_grad()
    def _trace_rows(self, start: Tensor, found: Trace) -> None:
        x = start if start.is_floating_point() else self.embed(start)
        found.resid[0] = x
        for i in range(self.depth):
            q, k, v = self.qkv(i, x)
            own = slice(found.pos - x.shape[1], None)
            found.q[i], found.k[i][:, own], found.v[i][:, own] = q, k, v
            z = attend(q, found.k[i].unbind(1), found.v[i].unbind(1))
            mid = self._after_attention(i, x, z)
            x = self.mlp(i, mid)
            found.mid[i], found.resid[i + 1] = mid, x

    @torch.no_grad()
    def qkv(
        self, i: int, x: Float[Tensor, "*batch pos d_model"], *, last_only: bool = False
    ) -> tuple[Float[Tensor, "*batch _ n_heads d_head"], ...]:
        """Queries, keys and values of block i; the query of the last position only, if wanted."""
        heads = (self.cfg.n_heads, self.cfg.d_head)
        w = self._blocks[i]
        normed = plain_norm(w.ln1, x)
        if not last_only or x.shape[-2] == 1:
            return w.qkv(normed).unflatten(-1, (3, *heads)).unbind(-3)
        q = w.q(normed[..., -1:, :]).unflatten(-1, heads)
        return (q, *w.kv(normed).unflatten(-1, (2, *heads)).unbind(-3))

    @torch.no_grad()
    def rest_of_block(
        self,
        i: int,
        x: Float[Tensor, "*batch pos d_model"],
        z: Float[Tensor, "*batch pos n_heads d_head"],
    ) -> Float[Tensor, "*batch pos d_model"]:
        """S[i + 1] from S[i] and the heads' z of block i."""
        return self.mlp(i, self._after_attention(i, x, z))

    def _after_attention(self, i: int, x: Tensor, z: Tensor) -> Tensor:
        return self._blocks[i].out.added_to(x, z.flatten(-2))

    @torch.no_grad()
    def mlp(self, i: int, mid: Float[Tensor, "*shape d_model"]) -> Float[Tensor, "*shape d_model"]:
        """S[i + 1] from the residual stream between attention and MLP of block i."""
        w = self._blocks[i]
        return w.mlp_out.added_to(mid, w.mlp_in.activated(plain_norm(w.ln2, mid), self.cfg.act_fn))

    def parts(self, n: int, states_per_prompt: int) -> list[slice]:
        """Split n prompts into equal slices, given how many states each prompt runs.

        As few slices as fit the cache, equally many per core, unless there is too little work to
        share.
        """
        elements = n * states_per_prompt * self.cfg.d_mlp
        cores = n_cores() if elements > LEAST_ELEMENTS else 1
        step = math.ceil(n / (cores * math.ceil(elements / (cores * CHUNK_ELEMENTS))))
        return [slice(first, first + step) for first in range(0, n, step)]

    def fills_cache(self, states: int) -> bool:
        """Whether this many states are enough for one job."""
        return states * self.cfg.d_mlp >= CHUNK_ELEMENTS

    def side_by_side(self, jobs: Sequence[Callable[[], Result]]) -> list[Result]:
        """Results of the jobs, run in parallel on a CPU and one after the other elsewhere."""
        return each_on_a_core(jobs) if self.device.type == "cpu" else [job() for job in jobs]

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
        return w.mlp_out(w.mlp_in.activated(plain_norm(w.ln2, mid), self.cfg.act_fn))

    def head_output(self, i: int) -> Float[Tensor, "n_heads d_head d_model"]:
        """W_O of block i."""
        return self._blocks[i].out.weight.unflatten(0, (self.cfg.n_heads, self.cfg.d_head))


def check_evaluating(model: Model) -> None:
    """Refuse a model in training mode, in which dropout is active."""
    if model.training:
        raise HopscopeError("the model is in training mode; call model.eval() before patching.")


def _weights(block: Any) -> _Weights:
    attn, mlp = block.attn, block.mlp
    with torch.no_grad():
        qkv = torch.cat([w.transpose(0, 1).flatten(1) for w in (attn.W_Q, attn.W_K, attn.W_V)], 1)
        b_qkv = torch.cat([b.flatten() for b in (attn.b_Q, attn.b_K, attn.b_V)])
        width = len(b_qkv) // 3
        return _Weights(
            ln1=block.ln1,
            ln2=block.ln2,
            qkv=FusedLinear(qkv, b_qkv),
            q=FusedLinear(qkv[:, :width], b_qkv[:width]),
            kv=FusedLinear(qkv[:, width:], b_qkv[width:]),
            out=FusedLinear(attn.W_O.flatten(0, 1), attn.b_O),
            mlp_in=FusedLinear(mlp.W_in, mlp.b_in),
            mlp_out=FusedLinear(mlp.W_out, mlp.b_out),
        )
