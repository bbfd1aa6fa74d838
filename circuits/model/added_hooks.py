"""Hooks that were added to a model and that its hook-free paths would not run."""

from __future__ import annotations

from weakref import WeakKeyDictionary

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
    found = [name for name, module in _modules(model).items() if _has_hooks(module)]
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


_tables: WeakKeyDictionary[nn.Module, dict[str, nn.Module]] = WeakKeyDictionary()


def _modules(model: nn.Module) -> dict[str, nn.Module]:
    """A model's modules by name, walked once: walking takes longer than looking for hooks."""
    of_hooked: dict[str, nn.Module] | None = getattr(model, "mod_dict", None)
    if of_hooked is not None:
        return of_hooked
    if model not in _tables:
        _tables[model] = {name: module for name, module in model.named_modules() if name}
    return _tables[model]


def _has_hooks(module: nn.Module) -> bool:
    return bool(
        module._forward_hooks
        or module._forward_pre_hooks
        or module._backward_hooks
        or module._backward_pre_hooks
    )
