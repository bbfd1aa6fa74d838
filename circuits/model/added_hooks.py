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
    if not _has_any_hooks(model):
        return []
    return [name or "the model" for name, module in model.named_modules() if _has_hooks(module)]


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


def _has_any_hooks(model: nn.Module) -> bool:
    """Walked anew each time, because submodules can be replaced; without names, because this comes
    before every hook-free run and names take longer than the rest."""
    found = [model]
    for module in found:  # grows on the way
        if _has_hooks(module):
            return True
        if module._modules:
            found.extend(child for child in module._modules.values() if child is not None)
    return False


def _has_hooks(module: nn.Module) -> bool:
    own = module.__dict__
    return bool(
        own["_forward_hooks"]
        or own["_forward_pre_hooks"]
        or own["_backward_hooks"]
        or own["_backward_pre_hooks"]
    )
