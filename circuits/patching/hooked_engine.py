"""The patching engine for models that are not ours: the same operations, by hooks.

Every patched run is a full forward pass in which one activation is replaced, as in TransformerLens;
`circuits.patching.engine` computes the same numbers for our own model without most of that work.
Functions that take an engine (`run_batch`, `patched_logits`, ...) take either.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from circuits.errors import HopscopeError
from circuits.model.bridged import BridgedModel
from circuits.model.protocol import resid_name
from circuits.patching.hooked_run import captured, hook_name, hooked_run
from circuits.patching.patches import HEAD_COMPONENTS, Component, Patch
from circuits.patching.writing import moved

NUMBERS_AT_ONCE = 30_000_000
"""Largest activation of one forward pass: logits, or an MLP layer."""


@dataclass(frozen=True)
class HookedTrace:
    """A batch of runs: their tokens and states, from which patched runs start."""

    tokens: Int[Tensor, "n pos"]
    resid: Float[Tensor, "states n pos d_model"]
    """S[i, p] for i from 0 to depth."""
    added: Float[Tensor, "n pos d_model"] | None = None
    """What was added to S[0, .]; None: nothing."""

    @property
    def n(self) -> int:
        """Number of prompts."""
        return len(self.tokens)

    @property
    def pos(self) -> int:
        """Number of positions."""
        return self.tokens.shape[1]

    def rows(self, which: slice | Int[Tensor, " k"]) -> HookedTrace:
        """The same trace for a slice of the prompts."""
        added = None if self.added is None else self.added[which]
        return HookedTrace(self.tokens[which], self.resid[:, which], added)

    def part(self, rows: Int[Tensor, " k"], length: int) -> HookedTrace:
        """Some of the prompts without what comes after their first `length` positions."""
        added = None if self.added is None else self.added[rows, :length]
        return HookedTrace(self.tokens[rows, :length], self.resid[:, rows, :length], added)


class HookedEngine:
    """Runs of one bridged model, which is read and never changed.

    >>> import torch
    >>> from circuits import HookedTransformer, ModelConfig, to_bridge
    >>> cfg = ModelConfig(n_layers=2, d_model=8, n_ctx=3, d_vocab=10, n_heads=2)
    >>> model = BridgedModel(to_bridge(HookedTransformer(cfg).eval()))
    >>> engine, tokens = HookedEngine(model), torch.tensor([[1, 2, 3]])
    >>> trace = engine.trace(tokens)
    >>> torch.allclose(engine.logits(trace.resid[-1]), model(tokens), atol=1e-6)
    True
    """

    def __init__(self, model: BridgedModel) -> None:
        self.model, self.cfg = model, model.cfg
        self.depth, self.device = model.depth, model.device
        self._names = [resid_name(model, i) for i in range(model.depth + 1)]

    @property
    def embedding_std(self) -> float:
        """Standard deviation of the token embeddings."""
        return self.model.W_E.detach().std().item()

    @torch.no_grad()
    def logits(self, resid: Float[Tensor, "*shape d_model"]) -> Float[Tensor, "*shape d_vocab"]:
        """Final norm and unembedding."""
        return self.model.logits_of(resid)

    @torch.no_grad()
    def trace(
        self,
        tokens: Int[Tensor, "n pos"],
        added: Float[Tensor, "n pos d_model"] | None = None,
    ) -> HookedTrace:
        """Run prompts and keep their states; `added` is added to S[0, .]."""
        n, pos = tokens.shape
        shape = (self.depth + 1, n, pos, self.cfg.d_model)
        resid = torch.empty(shape, device=self.device, dtype=self.model.W_E.dtype)
        for rows in self.parts(n, pos):

            def keep(i: int, into: Tensor) -> tuple[str, Callable[..., None]]:
                def hook(x: Tensor, hook: Any) -> None:
                    into[i] = x

                return self._names[i], hook

            hooks: list[Any] = [*_adding(self._names[0], added, rows)]
            hooks += [keep(i, resid[:, rows]) for i in range(len(resid))]
            with self.model.hooks(fwd_hooks=hooks):
                self.model(tokens[rows])
        return HookedTrace(tokens, resid, added)

    def trace_changed(
        self,
        tokens: Int[Tensor, "n pos"],
        position: int,
        past: HookedTrace,
        noise: Float[Tensor, "n d_model"] | None = None,
    ) -> HookedTrace:
        """`PatchEngine.trace_changed`; here the whole prompts are run."""
        if noise is None:
            return self.trace(tokens)
        added = noise.new_zeros(*tokens.shape, noise.shape[-1])
        added[:, position] = noise
        return self.trace(tokens, added)

    @torch.no_grad()
    def run_batch(
        self,
        base: HookedTrace,
        position: int,
        entering: Mapping[int, Float[Tensor, "cells n changed d_model"]],
        stop: int,
    ) -> dict[int, Float[Tensor, "cells n d_vocab"]]:
        """See `circuits.patching.batched_runs.run_batch`."""
        layers = sorted(layer for layer in entering if layer <= stop)
        return {i: self._written(base, position, i, entering[i], stop) for i in layers}

    def run_batch_after(
        self,
        base: HookedTrace,
        source: HookedTrace,
        position: int,
        layers: Sequence[int],
        stop: int,
    ) -> dict[int, Float[Tensor, "draws n d_vocab"]]:
        """See `circuits.patching.batched_runs.run_batch_after`."""
        given = source.resid[:, :, position, None].unflatten(1, (source.n // base.n, base.n))
        return self.run_batch(base, position, {layer: given[layer] for layer in layers}, stop)

    def _written(
        self, base: HookedTrace, position: int, layer: int, states: Tensor, stop: int
    ) -> Float[Tensor, "cells n d_vocab"]:
        cells, n, changed, _ = states.shape
        if layer == stop:
            last = base.resid[layer][:, -1].expand(cells, n, -1)
            return self.logits(states[:, :, -1] if position + changed == base.pos else last)
        tokens = base.tokens.repeat(cells, 1)
        added = None if base.added is None else base.added.repeat(cells, 1, 1)
        flat, at = states.flatten(0, 1), slice(position, position + changed)
        found = []
        for rows in self.parts(len(tokens), base.pos):

            def write(x: Tensor, hook: Any, rows: slice = rows) -> Tensor:
                x = x.clone()
                x[:, at] = flat[rows]
                return x

            hooks = [*_adding(self._names[0], added, rows), (self._names[layer], write)]
            found.append(self._last_logits(tokens[rows], hooks, stop))
        return torch.cat(found).unflatten(0, (cells, n))

    def _last_logits(self, tokens: Tensor, hooks: list[Any], stop: int) -> Tensor:
        if stop == self.depth:
            with self.model.hooks(fwd_hooks=hooks):
                return self.model(tokens)[:, -1]
        ends: list[Tensor] = []
        read = (self._names[stop], lambda x, hook: ends.append(x[:, -1].clone()))
        with self.model.hooks(fwd_hooks=[*hooks, read]):
            self.model(tokens)
        return self.logits(ends[0])

    def patched_logits(
        self,
        source: HookedTrace,
        base: HookedTrace,
        patch: Patch,
        *,
        all_positions: bool,
        there: int | None = None,
    ) -> dict[tuple[int, int], Float[Tensor, "cells n *suffix d_vocab"]]:
        """See `circuits.patching.single_patches.patched_logits`; its indices count from 0.

        With `there`, the patch has one position, which is this one in the source.
        """
        check_components(self.model, (patch.component,))
        places = [(patch.component, layer) for layer in patch.layers]
        given = captured(self.model, source.tokens, places)[1]
        if there is not None:
            (here,) = patch.positions
            given = {at: moved(x, at[0], there, here, base.pos) for at, x in given.items()}

        def logits(layer: int, position: int, head: int | None) -> Tensor:
            one = Patch(patch.component, layer, position, head)
            found = hooked_run(self.model, base.tokens, [one], given)
            return found[:, position:] if all_positions else found[:, -1]

        heads = patch.heads or (None,)
        return {
            (i, p): torch.stack([logits(i, p, head) for head in heads])
            for i in patch.layers
            for p in patch.positions
        }

    def activation(self, trace: HookedTrace, component: Component, layer: int) -> Tensor:
        """See `circuits.patching.patched_run.activation`."""
        check_components(self.model, (component,))
        if component in ("resid_pre", "resid_post"):
            return trace.resid[layer + (component == "resid_post")]
        return captured(self.model, trace.tokens, [(component, layer)])[1][component, layer]

    def head_output(self, i: int) -> Float[Tensor, "n_heads d_head d_model"]:
        """W_O of block i."""
        return self.model.W_O[i].detach()

    def parts(self, n: int, pos: int) -> list[slice]:
        """Slices of n prompts whose activations fit into memory."""
        widest = pos * max(self.cfg.d_vocab, self.cfg.d_mlp, self.cfg.n_heads * pos)
        step = max(1, NUMBERS_AT_ONCE // widest)
        return [slice(first, first + step) for first in range(0, n, step)]


def check_components(model: Any, components: Sequence[Component]) -> None:
    """Refuse components that a bridged model does not have; ours has them all.

    Raises:
        HopscopeError: naming those that it has.
    """
    offered = getattr(model, "components", None)
    for component in components:
        if offered is not None and component not in offered:
            why = (
                ", because its attention and MLP run in parallel"
                if component == "resid_mid" and model.cfg.parallel_attn_mlp
                else " that can be patched by its hook points"
                if component in (*HEAD_COMPONENTS, "attn_out", "mlp_out", "resid_mid")
                else ""
            )
            raise HopscopeError(
                f"this model has no {component} ({hook_name(component, 0)}){why}; components "
                f"here: {', '.join(offered)}."
            )


def _adding(
    name: str, added: Tensor | None, rows: slice
) -> list[tuple[str, Callable[..., Tensor]]]:
    return [] if added is None else [(name, lambda x, hook: x + added[rows])]
