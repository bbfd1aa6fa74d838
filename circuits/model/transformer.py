"""The model: a GPT-2-style transformer on TransformerLens's hook machinery.

TransformerLens 4 removed its own `HookedTransformer`; this one keeps its hook names, parameter
names and shapes (the tests compare them with `TransformerBridge.boot_native`) and adds what the
project needs: the same blocks run several times over, and a hook-free path for training
(`circuits.model.plain`, `circuits.model.hook_free`).
"""

from __future__ import annotations

from typing import Any

from jaxtyping import Float, Int
from torch import Tensor
from transformer_lens.hook_points import HookPoint
from transformer_lens.HookedRootModule import HookedRootModule
from transformer_lens.utilities import lm_cross_entropy_loss

from circuits.errors import HopscopeError, unknown_name
from circuits.model.config import ModelConfig
from circuits.model.inputs import check_residual, check_tokens
from circuits.model.protocol import resid_name
from circuits.model.tool_surface import ToolSurface
from circuits.model.unfolded_cache import ModelView, UnfoldedCache

__all__ = ["HookedTransformer", "ModelConfig", "resid_name"]

RETURN_TYPES = ("logits", "loss", "both")


class HookedTransformer(ToolSurface, HookedRootModule):
    """Decoder-only transformer whose every activation can be read and replaced by name.

    State S[i, p], the residual stream after i blocks, is `resid_name(model, i)`. With n_passes > 1
    there are `depth` blocks with hook points of their own, and the parameters of n_layers. A hook
    may write into its tensor: no other activation and no weight shares its memory. A new model is
    in training mode; one that was loaded is in eval mode.

    TransformerLens's cache works on it as it is. Its other tools read cfg.n_layers, so give them
    `to_bridge(model)` where n_passes > 1.

    >>> cfg = ModelConfig(n_layers=2, d_model=8, n_ctx=3, d_vocab=10, n_heads=2)
    >>> model = HookedTransformer(cfg)
    >>> logits, cache = model.run_with_cache([[1, 2, 3]])
    >>> logits.shape, cache["resid_post", 0].shape
    (torch.Size([1, 3, 10]), torch.Size([1, 3, 8]))
    >>> def silence(activation, hook):
    ...     return activation * 0
    >>> model.run_with_hooks([[1, 2, 3]], fwd_hooks=[("blocks.0.hook_mlp_out", silence)]).shape
    torch.Size([1, 3, 10])
    """

    hook_point = HookPoint

    def __init__(self, cfg: ModelConfig) -> None:
        super().__init__(cfg)
        self.setup()

    def forward(
        self,
        tokens: Any,
        return_type: str | None = "logits",
        loss_per_token: bool = False,
        *,
        start_at_layer: int | None = None,
        stop_at_layer: int | None = None,
    ) -> Any:
        """Run the model through all its hook points.

        Args:
            tokens: Token ids [batch, pos] in any form that `check_tokens` takes; with
                start_at_layer the residual stream [batch, pos, d_model] instead.
            return_type: "logits" [batch, pos, d_vocab]; "loss", the mean cross-entropy in nats of
                each next token; "both", a pair of these; or None for nothing.
            loss_per_token: The loss [batch, pos - 1] instead of its mean.
            start_at_layer: First block to run (negative counts from the end; `depth` runs only
                the final norm and the unembedding).
            stop_at_layer: Block before which to stop; then the residual stream is returned.

        Raises:
            HopscopeError: if the model cannot take the tokens, or the loss is not defined.

        >>> cfg = ModelConfig(n_layers=2, d_model=8, n_ctx=3, d_vocab=10, n_heads=2)
        >>> model = HookedTransformer(cfg)
        >>> resid = model([[1, 2, 3]], stop_at_layer=1)
        >>> model(resid, start_at_layer=1).equal(model([[1, 2, 3]]))
        True
        """
        if return_type not in (*RETURN_TYPES, None):
            raise unknown_name("return_type", str(return_type), (*RETURN_TYPES, "None"))
        wants_loss = return_type in ("loss", "both") and stop_at_layer is None
        if wants_loss and start_at_layer is not None:
            raise HopscopeError("a loss needs token ids, so it cannot be had with start_at_layer.")
        if start_at_layer is None:
            tokens = check_tokens(self.cfg, tokens, self.device)
            if wants_loss and tokens.shape[1] < 2:
                raise HopscopeError("a loss of next tokens needs sequences of at least 2 tokens.")
            resid = self._embedded(tokens)
        else:
            resid = check_residual(self.cfg.d_model, tokens)
        first = slice(start_at_layer, None).indices(self.depth)[0]
        last = slice(None, stop_at_layer).indices(self.depth)[1]
        for block in self.blocks[first:last]:
            resid = block(resid)
        if stop_at_layer is not None:
            return resid.clone()  # not the tensor that a cache may hold
        if return_type is None:
            self.ln_final(resid)
            return None
        logits = self.logits_of(resid)
        if not wants_loss:
            return logits
        loss = self.loss_fn(logits, tokens, per_token=loss_per_token)
        return loss if return_type == "loss" else (logits, loss)

    def logits_of(self, resid: Float[Tensor, "... d_model"]) -> Float[Tensor, "... d_vocab"]:
        """Final norm and unembedding of a residual stream: the logit lens."""
        return self.unembed(self.ln_final(resid))

    def loss_fn(
        self,
        logits: Float[Tensor, "batch pos d_vocab"],
        tokens: Int[Tensor, "batch pos"],
        attention_mask: Tensor | None = None,
        per_token: bool = False,
    ) -> Float[Tensor, ...]:
        """Cross-entropy of each next token in nats: the mean, or [batch, pos - 1] per token.

        Runs of this project are trained only on the answer after the last token, so this is not
        their training loss.
        """
        tokens = check_tokens(self.cfg, tokens, logits.device)
        return lm_cross_entropy_loss(logits, tokens, attention_mask, per_token)

    def run_with_cache(
        self, *model_args: Any, names_filter: Any = None, incl_bwd: bool = False, **kwargs: Any
    ) -> Any:
        """Output and TransformerLens `ActivationCache`, as in `HookedRootModule`.

        Its attributions take the norms' own weights into account, so that they add up
        (`circuits.model.unfolded_cache`). No two tensors of the cache, and none of the model,
        share memory. If a hook that was added before writes in place, the cache has the changed
        value at its hook point.

        Args:
            model_args: As for a call.
            names_filter: Names of hook points to keep, one, a list, or a function of the name.
                None keeps all but attn.hook_result, unless cfg.use_attn_result.
            incl_bwd: Also keep gradients of the output, under "<name>_grad"; needs
                return_type="loss".
            kwargs: As for a call; also device, remove_batch_dim, pos_slice.

        >>> cfg = ModelConfig(n_layers=1, d_model=8, n_ctx=3, d_vocab=10, n_heads=2)
        >>> model = HookedTransformer(cfg)
        >>> loss, cache = model.run_with_cache([[1, 2, 3]], return_type="loss", incl_bwd=True)
        >>> cache["blocks.0.hook_resid_pre_grad"].shape
        torch.Size([1, 3, 8])
        """
        return_type = model_args[1] if len(model_args) > 1 else kwargs.get("return_type")
        if incl_bwd and return_type != "loss":
            raise HopscopeError("incl_bwd=True differentiates a number; give return_type='loss'.")
        if model_args and kwargs.get("start_at_layer") is None:
            model_args = (check_tokens(self.cfg, model_args[0], self.device), *model_args[1:])
        remove_batch_dim = kwargs.get("remove_batch_dim", False)
        if remove_batch_dim and model_args and len(model_args[0]) != 1:
            raise HopscopeError(
                f"remove_batch_dim=True needs one prompt; these are {len(model_args[0])}."
            )
        if names_filter is None and not self.cfg.use_attn_result:
            names_filter = _all_but_result
        output, cache = super().run_with_cache(
            *model_args, names_filter=names_filter, incl_bwd=incl_bwd, **kwargs
        )
        for name in cache:
            if name.endswith("_grad"):  # a sum hands the same gradient to all its terms
                cache[name] = cache[name].clone()
        view: Any = self
        if self.cfg.n_passes > 1:  # cache tools need one layer per block run
            view = ModelView(self, cfg=self.cfg.unrolled())
        return output, UnfoldedCache(cache, view, has_batch_dim=not remove_batch_dim)

    def _embedded(self, tokens: Int[Tensor, "batch pos"]) -> Float[Tensor, "batch pos d_model"]:
        positions = self.hook_pos_embed(self.pos_embed(tokens))
        return self.embed_dropout(self.hook_embed(self.embed(tokens)) + positions)


def _all_but_result(name: str) -> bool:
    return not name.endswith("attn.hook_result")
