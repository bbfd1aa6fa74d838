"""Hooks that somebody added to a model, which its hook-free paths would not run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

if TYPE_CHECKING:
    from circuits.model.transformer import HookedTransformer


def hooked_modules(model: HookedTransformer) -> list[str]:
    """Names of the modules that carry hooks of any kind; empty for a model as it was made.

    TransformerLens's hooks (permanent ones, and those of `model.hooks(...)`) are PyTorch's hooks on
    its hook points, so both are found, forward and backward. PyTorch's global module hooks, which
    are meant for profiling, are not.

    >>> from circuits import HookedTransformer, ModelConfig
    >>> model = HookedTransformer(ModelConfig(n_layers=1, d_model=4, n_ctx=3, d_vocab=5, n_heads=1))
    >>> with model.hooks(fwd_hooks=[("blocks.0.hook_mlp_out", lambda x, hook: 0 * x)]):
    ...     hooked_modules(model)
    ['blocks.0.hook_mlp_out']
    >>> hooked_modules(model)
    []
    """
    # the flat table that HookedRootModule keeps; walking the module tree takes four times as long
    found = [name for name, module in model.mod_dict.items() if _has_hooks(module)]
    return [*(["the model itself"] if _has_hooks(model) else []), *found]


def _has_hooks(module: nn.Module) -> bool:
    return bool(
        module._forward_hooks
        or module._forward_pre_hooks
        or module._backward_hooks
        or module._backward_pre_hooks
    )
