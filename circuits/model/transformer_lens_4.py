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
    """A bridge in eval mode with equal logits and activations; its weights are copies.

    It has the device and the number type of the model, no dropout, and no tokenizer, so give it
    token ids. With n_passes > 1 it has `depth` layers, and copies of the shared blocks.

    Two names mean something else in a native bridge (TransformerLens 4.3):
    - attn.hook_attn_scores holds probabilities, as hook_pattern does; edits there have no effect.
    - hook_resid_mid is the input of the MLP's norm: its value is that of the stream, but edits and
      gradients there concern only the MLP. In our model, as in TransformerLens 3, it is the stream
      itself, so patching resid_mid gives other numbers on the bridge.

    Raises:
        HopscopeError: if the unembedding has a bias, which a native bridge cannot hold.

    >>> import torch
    >>> from circuits import HookedTransformer, ModelConfig
    >>> cfg = ModelConfig(n_layers=1, d_model=8, n_ctx=3, d_vocab=10, n_heads=2)
    >>> model = HookedTransformer(cfg).eval()
    >>> tokens = torch.tensor([[1, 2, 3]])
    >>> torch.allclose(to_bridge(model)(tokens), model(tokens), atol=1e-5)
    True
    """
    if model.b_U.any():
        raise HopscopeError(
            "the unembedding has a bias, which a TransformerBridge cannot hold; set "
            "model.unembed.b_U to zero if the logits may lose it."
        )
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
        dtype=model.dtype,
        seed=cfg.seed,  # keeps the caller's random state; the drawn weights are replaced
    )
    bridge = boot_native(bridge_cfg, device=model.device, dtype=model.dtype)
    state = to_tl_state_dict(model)
    b_U = state.pop("unembed.b_U")
    converted = convert_tl_checkpoint(state, bridge_cfg)
    # The bridge lists a bias that it does not have; strict loading checks everything else.
    if "unembed.bias" in bridge.state_dict():
        converted["unembed.bias"] = b_U
    bridge.load_state_dict(converted, strict=True)
    return bridge.eval()
