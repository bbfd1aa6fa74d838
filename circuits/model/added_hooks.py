"""Hooks that were added to a model and that its hook-free paths would not run."""

from __future__ import annotations

from torch import nn

from circuits.errors import HopscopeError


def hooked_modules(model: nn.Module) -> list[str]:
    """Names of the modules that carry hooks of any kind; empty for a new model.

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
    # HookedRootModule's flat table; walking the module tree takes four times as long
    named = getattr(model, "mod_dict", None) or dict(model.named_modules())
    found = [name for name, module in named.items() if name and _has_hooks(module)]
    return [*(["the model"] if _has_hooks(model) else []), *found]


def check_hook_free(model: nn.Module, instead: str) -> None:
    """Refuse a model with added hooks: a result without them would be silently wrong.

    Args:
        model: Any model.
        instead: What to use for a model with hooks.

    Raises:
        HopscopeError: if the model has any.
    """
    if found := hooked_modules(model):
        more = f" and {len(found) - 1} more" if len(found) > 1 else ""
        raise HopscopeError(
            f"hooks were added to {found[0]}{more}, and this computation would not run them; "
            "remove them (model.reset_hooks(including_permanent=True), a PyTorch hook by its "
            f"handle), or use {instead}, where hooks are run."
        )


def _has_hooks(module: nn.Module) -> bool:
    return bool(
        module._forward_hooks
        or module._forward_pre_hooks
        or module._backward_hooks
        or module._backward_pre_hooks
    )
