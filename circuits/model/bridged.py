"""Anybody's model as a `circuits.model.protocol.Model`: a bridge, or a module with hook points.

`BridgedModel` wraps a `TransformerBridge`, or a `HookedRootModule` with TransformerLens's names,
and does three things that a bare bridge does not:

1. It checks once, on two prompts, that the states mean what analyses take them for
   (`circuits.model.bridge_checks`). Components that do not are not offered.
2. Its resid_mid is the stream itself. In a bridge that hook point is the input of the MLP's norm,
   where an edit reaches the MLP alone; here an edit changes attention's output, so that MLP and
   stream both see it. GPT-NeoX, with attention and MLP in parallel, has no resid_mid.
3. It speaks the run's vocabulary: with `tokens`, token i is the model's token tokens[i]. All other
   tokens of the model follow, so that ranks and probabilities are those among all of its tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformer_lens.ActivationCache import ActivationCache

from circuits.errors import HopscopeError
from circuits.model.bridge_checks import checked_components
from circuits.model.inputs import check_residual, check_tokens
from circuits.model.protocol import resid_name
from circuits.model.unfolded_cache import ModelView, UnfoldedCache

_SIZES = ("n_layers", "n_heads", "d_model", "d_vocab", "n_ctx")


@dataclass(frozen=True)
class BridgedShape:
    """The sizes of somebody's model, by TransformerLens's names (`ModelShape`)."""

    n_layers: int
    n_heads: int
    d_model: int
    d_vocab: int
    n_ctx: int
    d_head: int
    d_mlp: int
    parallel_attn_mlp: bool
    """Whether attention and MLP both read the block's input, so that there is no resid_mid."""
    normalization_type: str | None
    """Of the final norm: "LN", "RMS" or another word; None: there is none."""
    eps: float

    @classmethod
    def of(cls, cfg: Any) -> BridgedShape:
        """Read from a TransformerLens configuration.

        Raises:
            HopscopeError: if a size is missing.
        """
        for name in _SIZES:
            if not isinstance(getattr(cfg, name, None), int):
                raise HopscopeError(
                    f"the model's cfg has no {name}; give a TransformerBridge, or a "
                    "HookedRootModule with TransformerLens's configuration."
                )
        return cls(
            **{name: getattr(cfg, name) for name in _SIZES},
            d_head=getattr(cfg, "d_head", None) or cfg.d_model // cfg.n_heads,
            d_mlp=getattr(cfg, "d_mlp", None) or 4 * cfg.d_model,
            parallel_attn_mlp=bool(getattr(cfg, "parallel_attn_mlp", False)),
            normalization_type=getattr(cfg, "normalization_type", None),
            eps=float(getattr(cfg, "eps", 1e-5)),
        )


class BridgedModel:
    """A `TransformerBridge` or `HookedRootModule` that analyses can use like our own model.

    It is put in eval mode. Hooks that were added to it are run in everything that is measured.

    >>> import torch
    >>> from circuits import HookedTransformer, ModelConfig, to_bridge
    >>> cfg = ModelConfig(n_layers=2, d_model=8, n_ctx=3, d_vocab=10, n_heads=2)
    >>> ours = HookedTransformer(cfg).eval()
    >>> model = BridgedModel(to_bridge(ours))
    >>> torch.allclose(model([[1, 2, 3]]), ours([[1, 2, 3]]), atol=1e-5)
    True
    >>> "resid_mid" in model.components
    True

    Args:
        bridge: The model, with token ids in and logits out.
        tokens: The model's token ids of the run's vocabulary, in its order; None: the same ids.

    Raises:
        HopscopeError: if states cannot be read and written by TransformerLens's names, if a state
            does not decide what follows, or if `tokens` repeats a token or leaves the vocabulary.
    """

    def __init__(self, bridge: Any, tokens: Sequence[int] | None = None) -> None:
        for part in ("hooks", "hook_dict", "ln_final", "unembed"):
            if not hasattr(bridge, part):
                raise HopscopeError(
                    f"{type(bridge).__name__} has no {part}, so its states cannot be read; give a "
                    "TransformerBridge or a HookedRootModule with TransformerLens's names."
                )
        self.bridge = bridge.eval()
        self.cfg = BridgedShape.of(bridge.cfg)
        self._order = _order(tokens, self.cfg.d_vocab)
        self.components = checked_components(self)
        """The components that this model has, by TransformerLens's names."""

    def __repr__(self) -> str:
        shape = f"{self.depth} blocks, {self.cfg.n_heads} heads, d_model {self.cfg.d_model}"
        return f"BridgedModel({type(self.bridge).__name__}: {shape})"

    @property
    def depth(self) -> int:
        """Number of blocks."""
        return self.cfg.n_layers

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.bridge.parameters()).device

    @property
    def training(self) -> bool:
        """Whether dropout is active."""
        return self.bridge.training

    @property
    def W_E(self) -> Float[Tensor, "d_vocab d_model"]:
        """Token embedding, a row per token of the run's vocabulary and then of the others."""
        return self._sorted(self.bridge.W_E, 0)

    @property
    def W_U(self) -> Float[Tensor, "d_model d_vocab"]:
        """Unembedding, in the same order."""
        return self._sorted(self.bridge.W_U, 1)

    @property
    def b_U(self) -> Float[Tensor, " d_vocab"]:
        """Bias of the logits, in the same order."""
        return self._sorted(self.bridge.b_U, 0)

    @property
    def W_O(self) -> Float[Tensor, "depth n_heads d_head d_model"]:
        """From each head's z to the residual stream."""
        return self.bridge.W_O

    def eval(self) -> BridgedModel:
        """Switch dropout off."""
        self.bridge.eval()
        return self

    def to(self, device: torch.device | str) -> BridgedModel:
        """Move the weights."""
        if self.device != torch.device(device):
            self.bridge = self.bridge.to(device)
        return self

    def __call__(
        self, tokens: Any, *, start_at_layer: int | None = None, stop_at_layer: int | None = None
    ) -> Tensor:
        """Logits [batch, pos, d_vocab] of token ids [batch, pos], as in `HookedTransformer`.

        Every call runs all blocks; starting and stopping at a layer writes or reads a state.
        """
        first = None if start_at_layer is None else self._layer(start_at_layer)
        if first is not None:
            tokens = check_residual(self.cfg.d_model, tokens)
        if stop_at_layer is None:
            return self.logits_of(tokens) if first == self.depth else self._run(tokens, first)
        found: list[Tensor] = []
        name = resid_name(self, self._layer(stop_at_layer))
        with self.hooks(fwd_hooks=[(name, lambda x, hook: found.append(x.clone()))]):
            self._run(tokens, first)
        return found[0]

    def _layer(self, given: int) -> int:
        """A layer counted from the start, 0 to depth."""
        return given if given == self.depth else range(self.depth)[given]

    def _run(self, given: Any, first: int | None) -> Tensor:
        if first is None:
            ids = check_tokens(self.cfg, given, self.device)
            return self._sorted(self.bridge(self.own_ids(ids)), -1)
        any_tokens = torch.zeros(given.shape[:2], dtype=torch.int64, device=self.device)
        name = resid_name(self, first)
        with self.hooks(fwd_hooks=[(name, lambda x, hook: given)]):
            return self._sorted(self.bridge(any_tokens), -1)

    def run_with_cache(self, tokens: Any, *, names_filter: Any = None) -> Any:
        """Logits and TransformerLens's `ActivationCache`, by the names of this model.

        Attributions take the norms' weights into account (`circuits.model.unfolded_cache`), and
        their token ids are the run's, like those of the logits.
        """
        ids = check_tokens(self.cfg, tokens, self.device)
        logits, cache = self.bridge.run_with_cache(self.own_ids(ids), names_filter=names_filter)
        assert isinstance(cache, ActivationCache)
        if self._order is not None:
            cache.model = _RunsVocabulary(self.bridge, bridged=self)
        return self._sorted(logits, -1), UnfoldedCache.of(cache)

    def logits_of(self, resid: Float[Tensor, "... d_model"]) -> Float[Tensor, "... d_vocab"]:
        """Final norm, unembedding and whatever the architecture does to logits."""
        logits = self.bridge.unembed(self.bridge.ln_final(resid))
        adapter = getattr(self.bridge, "adapter", None)
        transform = getattr(adapter, "apply_output_logits_transform", None)
        return self._sorted(logits if transform is None else transform(logits), -1)

    @contextmanager
    def hooks(self, *, fwd_hooks: Sequence[tuple[str, Callable[..., Any]]]) -> Iterator[Any]:
        """Context in which functions (activation, hook) read or replace activations.

        At `blocks.i.hook_resid_mid` they see and replace the stream after attention.
        """
        translated = [pair for name, f in fwd_hooks for pair in _translated(name, f)]
        with self.bridge.hooks(fwd_hooks=translated):
            yield self

    def own_ids(self, ids: Int[Tensor, "*shape"]) -> Int[Tensor, "*shape"]:
        """The bridge's own token ids of the run's."""
        return ids if self._order is None else self._order.to(ids.device)[ids]

    def _sorted(self, x: Tensor, dim: int) -> Tensor:
        return x if self._order is None else x.index_select(dim, self._order.to(x.device))


class _RunsVocabulary(ModelView):
    """A bridge whose tokens have the run's ids, for the tools of its caches."""

    @property
    def W_E(self) -> Tensor:
        return self.bridged.W_E

    @property
    def W_U(self) -> Tensor:
        return self.bridged.W_U

    @property
    def b_U(self) -> Tensor:
        return self.bridged.b_U

    def tokens_to_residual_directions(self, tokens: Any) -> Tensor:
        if not isinstance(tokens, str):
            tokens = self.bridged.own_ids(torch.as_tensor(tokens))
        return self.model.tokens_to_residual_directions(tokens)


def wrapped(model: Any, tokens: Sequence[int] | None = None) -> Any:
    """The model as analyses take it: ours as it is, anything else as a `BridgedModel`."""
    from circuits.model.transformer import HookedTransformer

    ours = isinstance(model, HookedTransformer | BridgedModel)
    return model.eval() if ours and tokens is None else BridgedModel(model, tokens)


def _order(tokens: Sequence[int] | None, d_vocab: int) -> Int[Tensor, " d_vocab"] | None:
    """The model's ids by ours: the named tokens first, then all others."""
    if tokens is None:
        return None
    named = torch.as_tensor(list(tokens), dtype=torch.int64)
    if len(named) and (named.min() < 0 or named.max() >= d_vocab):
        raise HopscopeError(
            f"tokens has ids from {int(named.min())} to {int(named.max())}; this model's are 0 to "
            f"{d_vocab - 1}."
        )
    if len(named.unique()) < len(named):
        raise HopscopeError("two names of the vocabulary are the same token of the model.")
    rest = torch.ones(d_vocab, dtype=torch.bool)
    rest[named] = False
    return torch.cat([named, rest.nonzero()[:, 0]])


def _translated(name: str, f: Callable[..., Any]) -> list[tuple[str, Callable[..., Any]]]:
    """A hook on resid_mid as hooks on the block's input and on what attention adds to it."""
    block, _, part = name.rpartition(".")
    if part != "hook_resid_mid":
        return [(name, f)]
    entering: list[Tensor] = []

    def keep(x: Tensor, hook: Any) -> None:
        entering[:] = [x]

    def edit(added: Tensor, hook: Any) -> Tensor | None:
        new = f(entering[0] + added, hook=hook)
        return None if new is None else new - entering[0]

    return [(f"{block}.hook_resid_pre", keep), (f"{block}.hook_attn_out", edit)]
