"""What an analysis needs of a model: the smallest surface that ours and other people's share.

`HookedTransformer` has it as it is; `circuits.model.bridged.BridgedModel` gives it to any model of
TransformerLens's hook API. Readouts and interventions that keep to it run on both: on ours through
`circuits.patching.engine`, on others through hooks (`circuits.patching.hooked_engine`).
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor


@runtime_checkable
class ModelShape(Protocol):
    """The sizes of a model, by TransformerLens's names."""

    @property
    def n_layers(self) -> int:
        """Number of blocks with weights of their own."""

    @property
    def n_heads(self) -> int:
        """Attention heads per block."""

    @property
    def d_model(self) -> int:
        """Width of the residual stream."""

    @property
    def d_head(self) -> int:
        """Width of one head."""

    @property
    def d_mlp(self) -> int:
        """Width of an MLP's hidden layer."""

    @property
    def d_vocab(self) -> int:
        """Number of token ids, and of logits."""

    @property
    def n_ctx(self) -> int:
        """Longest sequence."""

    @property
    def parallel_attn_mlp(self) -> bool:
        """Whether attention and MLP both read the block's input, so that there is no resid_mid."""


@runtime_checkable
class Model(Protocol):
    """A decoder whose states can be read, written and decoded.

    Hook points have TransformerLens's names (`blocks.0.hook_resid_pre`, `blocks.0.attn.hook_z`,
    ...), one set for each of `depth` blocks; S[i, p] is the residual stream at position p after i
    blocks. A call takes token ids [batch, pos] and gives logits [batch, pos, d_vocab].

    >>> from circuits import HookedTransformer, ModelConfig
    >>> cfg = ModelConfig(n_layers=1, d_model=8, n_ctx=3, d_vocab=10, n_heads=2)
    >>> isinstance(HookedTransformer(cfg), Model)
    True
    """

    @property
    def cfg(self) -> Any:
        """Its `ModelShape`."""

    @property
    def training(self) -> bool:
        """Whether dropout is active."""

    @property
    def depth(self) -> int:
        """Number of blocks that a token passes."""

    @property
    def device(self) -> torch.device:
        """Where the weights are."""

    @property
    def W_E(self) -> Float[Tensor, "d_vocab d_model"]:
        """Token embedding."""

    @property
    def W_U(self) -> Float[Tensor, "d_model d_vocab"]:
        """Unembedding."""

    def __call__(
        self, tokens: Any, *, start_at_layer: int | None = None, stop_at_layer: int | None = None
    ) -> Any:
        """Logits; with start_at_layer from the stream [batch, pos, d_model] that enters a block.

        With stop_at_layer, the stream before that block.
        """

    def hooks(self, *, fwd_hooks: Any) -> AbstractContextManager[Any]:
        """Context in which functions (activation, hook) read or replace named activations."""

    def run_with_cache(self, tokens: Any, *, names_filter: Any = None) -> Any:
        """Logits and a mapping from names of hook points to activations."""

    def logits_of(self, resid: Float[Tensor, "... d_model"]) -> Float[Tensor, "... d_vocab"]:
        """Final norm and unembedding of states: the logit lens."""


def resid_name(model: Model, i: int) -> str:
    """Hook name of the states S[i, .]: the residual stream after i blocks, 0 <= i <= depth.

    >>> from circuits import HookedTransformer, ModelConfig
    >>> cfg = ModelConfig(n_layers=2, d_model=8, n_ctx=3, d_vocab=10, n_heads=2)
    >>> resid_name(HookedTransformer(cfg), 1)
    'blocks.1.hook_resid_pre'
    """
    assert 0 <= i <= model.depth, (i, model.depth)
    if i == model.depth:
        return f"blocks.{i - 1}.hook_resid_post"
    return f"blocks.{i}.hook_resid_pre"
