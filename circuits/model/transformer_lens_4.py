"""Our model as a `TransformerBridge`, on which all of TransformerLens 4's tools run."""

from __future__ import annotations

from transformer_lens.config import TransformerBridgeConfig
from transformer_lens.model_bridge import TransformerBridge
from transformer_lens.model_bridge.sources.native import boot as boot_native
from transformer_lens.utilities.tl_checkpoint_conversion import convert_tl_checkpoint

from circuits.errors import HopscopeError
from circuits.model.transformer import HookedTransformer
from circuits.model.transformer_lens_3 import to_tl_state_dict


def to_bridge(model: HookedTransformer) -> TransformerBridge:
    """A bridge with equal activations and logits, its weights being copies.

    With n_passes > 1 it has depth layers, blocks that share weights here being copies there.

    Raises:
        HopscopeError: for a model with dropout or a bias in the unembedding, which a native
            bridge does not have.
    """
    if model.b_U.any():
        raise HopscopeError(
            "the unembedding has a bias, which a TransformerBridge cannot hold; set "
            "model.unembed.b_U to zero if the logits may lose it."
        )
    if model.cfg.dropout and model.training:
        raise HopscopeError("a TransformerBridge has no dropout; call model.eval() first.")
    cfg = model.cfg.unrolled()
    bridge_cfg = TransformerBridgeConfig(
        d_model=cfg.d_model,
        d_head=cfg.d_head,
        n_layers=cfg.n_layers,
        n_ctx=cfg.n_ctx,
        n_heads=cfg.n_heads,
        d_mlp=cfg.d_mlp,
        d_vocab=cfg.d_vocab,
        act_fn=cfg.act_fn,
        normalization_type=cfg.normalization_type,
        eps=cfg.eps,
        seed=cfg.seed,  # keeps the caller's random state: the drawn weights are replaced
    )
    bridge = boot_native(bridge_cfg, device=model.device)
    state = to_tl_state_dict(model)
    b_U = state.pop("unembed.b_U")
    converted = convert_tl_checkpoint(state, bridge_cfg)
    # The bridge shows a bias it does not have; strict loading checks everything else.
    if "unembed.bias" in bridge.state_dict():
        converted["unembed.bias"] = b_U
    bridge.load_state_dict(converted, strict=True)
    return bridge.train(model.training)
