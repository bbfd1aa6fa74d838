"""TransformerLens's cache for models whose norms keep their weights.

TransformerLens (4.3.0) takes a component through a norm by centring it and dividing it by the
cached scale. That is the whole norm only where its weights were folded into the next layer. Here,
and in a bridge as it is loaded, they are not, and attributions that leave them out do not add up to
the logit. This cache multiplies by them as well.

The norm's bias belongs to no component: all attributions together are the logit less `ln_final.b @
W_U` (and less a bias of the unembedding), before what an architecture does to its logits at last.
"""

from __future__ import annotations

from typing import Any

from jaxtyping import Float
from torch import Tensor
from transformer_lens.ActivationCache import ActivationCache


class ModelView:
    """A model of which a cache sees some attributes otherwise: those given, and a subclass's own.

    >>> from types import SimpleNamespace
    >>> view = ModelView(SimpleNamespace(cfg=1, W_E=2), cfg=3)
    >>> view.cfg, view.W_E
    (3, 2)
    """

    def __init__(self, model: Any, **instead: Any) -> None:
        self.__dict__.update(instead, model=model)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # copies are asked for these before they have a model
            raise AttributeError(name)
        return getattr(self.model, name)


class UnfoldedCache(ActivationCache):
    """An `ActivationCache` whose attributions add up.

    Shapes, arguments and everything else are those of TransformerLens.

    >>> from circuits import open_run
    >>> run = open_run("assets/textbook")
    >>> model, tokens = run.model(), run.queries("id_test").tokens[:2]
    >>> logits, cache = model.run_with_cache(tokens)
    >>> parts = cache.decompose_resid(pos_slice=-1)  # [6 components, 2 prompts, d_model]
    >>> of_7 = cache.logit_attrs(parts, 7, pos_slice=-1).sum(0)  # in nats
    >>> bias = model.ln_final.b @ model.W_U[:, 7]
    >>> bool((of_7 + bias - logits[:, -1, 7]).abs().max() < 1e-4)
    True
    """

    @classmethod
    def of(cls, cache: ActivationCache) -> UnfoldedCache:
        """The same activations."""
        return cls(cache.cache_dict, cache.model, has_batch_dim=cache.has_batch_dim)

    def apply_slice_to_batch_dim(self, batch_slice: Any) -> UnfoldedCache:
        """A cache of some of the prompts."""
        return type(self).of(super().apply_slice_to_batch_dim(batch_slice))

    def apply_ln_to_stack(
        self,
        residual_stack: Float[Tensor, ...],
        layer: int | None = None,
        mlp_input: bool = False,
        pos_slice: Any = None,
        batch_slice: Any = None,
        has_batch_dim: bool = True,
        recompute_ln: bool = False,
    ) -> Float[Tensor, ...]:
        """Components as the norm before a layer passes them on, less its bias.

        `recompute_ln` at the last layer runs the whole norm on each one, bias included.
        """
        stack: Tensor = super().apply_ln_to_stack(
            residual_stack, layer, mlp_input, pos_slice, batch_slice, has_batch_dim, recompute_ln
        )
        if recompute_ln and self._is_last(layer):
            return stack
        weight = self._norm_weight(layer, mlp_input)
        return stack if weight is None else stack * weight.to(stack.device)

    def _stack_neuron_results_apply_ln_projected(
        self,
        layer: int,
        pos_slice: Any,
        neuron_slice: Any,
        project_2d: Float[Tensor, "d_model k"],
        mlp_input: bool = False,
    ) -> Tensor:
        weight = self._norm_weight(layer, mlp_input)
        if weight is not None:
            project_2d = weight.to(project_2d.device)[:, None] * project_2d
        found: Tensor = super()._stack_neuron_results_apply_ln_projected(
            layer, pos_slice, neuron_slice, project_2d, mlp_input
        )
        return found

    def _is_last(self, layer: int | None) -> bool:
        return layer is None or layer in (-1, self.model.cfg.n_layers)

    def _norm_weight(self, layer: int | None, mlp_input: bool) -> Float[Tensor, " d_model"] | None:
        """What the norm before a layer multiplies by; None if it has no weights."""
        if self._is_last(layer):
            norm = getattr(self.model, "ln_final", None)
        else:
            block = self.model.blocks[layer]
            norm = getattr(block, "ln2" if mlp_input else "ln1", None)
        weight: Tensor | None = getattr(norm, "w", None)
        if weight is None:
            return None
        weight = weight.detach()  # as the cached activations and scales are
        offset = getattr(self.model.cfg, "rmsnorm_uses_offset", False)  # Gemma's weights are 1 + w
        return 1 + weight if offset else weight
