"""Patched runs of a model by its own forward passes: ours with added hooks, or a bridged one.

The model with its hooks is the model under study: its hooks run in the source run and in the
patched run, and a patch is written after the hooks of the same activation. One forward pass per
run, as in TransformerLens; `circuits.patching.engine` is for models without hooks.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from circuits.model.protocol import Model
from circuits.patching.patches import HEAD_COMPONENTS, Component, Patch
from circuits.patching.prompts import Spans
from circuits.patching.writing import overwritten

Place = tuple[Component, int]
"""A component and a layer."""


def captured(
    model: Model, tokens: Tensor, places: Collection[Place]
) -> tuple[Float[Tensor, "batch pos d_vocab"], dict[Place, Tensor]]:
    """Logits of a run, and some activations as its hooks leave them."""
    found: dict[Place, Tensor] = {}

    def keep(place: Place) -> Callable[..., None]:
        def hook(x: Tensor, hook: Any) -> None:
            found[place] = x.clone()  # a later hook may write into it

        return hook

    hooks = [(hook_name(*place), keep(place)) for place in places]
    return _forward(model, tokens, hooks), found


def hooked_run(
    model: Model,
    tokens: Tensor,
    patches: Sequence[Patch],
    source: Mapping[Place, Tensor] = MappingProxyType({}),
    spans: Spans | None = None,
) -> Float[Tensor, "batch pos d_vocab"]:
    """Logits with all patches applied in one run, after the model's hooks.

    Args:
        model: In eval mode.
        tokens: What is run.
        patches: Patches whose indices count from the start.
        source: What is written: the source run's activations.
        spans: Where positions are roles: the tokens of each, and those of the source run.
    """

    def write(patch: Patch, place: Place) -> Callable[..., Tensor]:
        return lambda x, hook: overwritten(x, patch, lambda: source[place], spans)

    places = [(patch, (patch.component, i)) for patch in patches for i in patch.layers]
    return _forward(model, tokens, [(hook_name(*at), write(patch, at)) for patch, at in places])


def hook_name(component: Component, layer: int) -> str:
    """The hook point of a component of one block.

    >>> hook_name("z", 1), hook_name("mlp_out", 0)
    ('blocks.1.attn.hook_z', 'blocks.0.hook_mlp_out')
    """
    part = "attn." if component in HEAD_COMPONENTS else ""
    return f"blocks.{layer}.{part}hook_{component}"


@torch.no_grad()
def _forward(model: Model, tokens: Tensor, hooks: list[Any]) -> Tensor:
    """The run, called as a module, so that PyTorch's own hooks on the whole model run too."""
    with model.hooks(fwd_hooks=hooks):
        return model(tokens)
