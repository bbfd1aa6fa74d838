"""Whether the states of somebody's model are what analyses take them for: checked, not assumed.

On two prompts of the first token ids:

1. every state S[i, .] can be read, and the last one decodes to the logits;
2. S[i, .] of one prompt written into the other gives the first prompt's logits, so a state decides
   all that follows (not so in an encoder-decoder, or with embeddings in every layer);
3. a component is offered only if it exists with the shape that patches expect, and attn_out and
   mlp_out only if S[i] + attn_out + mlp_out = S[i + 1].
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from circuits.errors import HopscopeError
from circuits.model.protocol import resid_name

if TYPE_CHECKING:
    from circuits.model.bridged import BridgedModel

TOLERANCE = 1e-3
"""Largest difference, as a share of the largest number compared; fp32 gives about 1e-6."""

_OF_STREAM = ("attn_out", "mlp_out")
_OF_HEADS = ("z", "q", "k", "v", "pattern")


@torch.no_grad()
def checked_components(model: BridgedModel) -> tuple[str, ...]:
    """The components of this model that can be patched.

    Raises:
        HopscopeError: if check 1 or 2 fails.
    """
    n = min(3, model.cfg.n_ctx)
    ids = torch.arange(2 * n, device=model.device).reshape(2, n) % model.cfg.d_vocab
    states = [resid_name(model, i) for i in range(model.depth + 1)]
    optional = [
        f"blocks.{i}.{'attn.' if part in _OF_HEADS else ''}hook_{part}"
        for i in range(model.depth)
        for part in (*_OF_STREAM, *_OF_HEADS)
    ]
    known = model.bridge.hook_dict
    if missing := [name for name in states if name not in known]:
        raise HopscopeError(f"the model has no {missing[0]}, so its states cannot be read.")
    logits, found = _captured(model, ids, states + [name for name in optional if name in known])
    resid = _states(model, found, states, ids)
    if not _close(model.logits_of(resid[-1]), logits):
        raise HopscopeError(
            "the last state does not decode to the model's logits by its final norm and "
            "unembedding, so no lens can be read; this architecture is not supported."
        )
    _check_that_states_decide(model, ids, resid, logits)
    return ("resid_pre", "resid_post", *_offered(model, found, resid, ids))


def _captured(
    model: BridgedModel, ids: Tensor, names: list[str]
) -> tuple[Tensor, dict[str, Tensor]]:
    found: dict[str, Tensor] = {}

    def keep(name: str) -> tuple[str, object]:
        return name, lambda x, hook: found.__setitem__(name, x.clone())

    with model.hooks(fwd_hooks=[keep(name) for name in names]):  # type: ignore[misc]
        return model(ids), found


def _states(
    model: BridgedModel, found: dict[str, Tensor], names: list[str], ids: Tensor
) -> list[Float[Tensor, "n pos d_model"]]:
    shape = (*ids.shape, model.cfg.d_model)
    for name in names:
        if name not in found or found[name].shape != shape:
            seen = list(found[name].shape) if name in found else "nothing"
            raise HopscopeError(f"{name} gives {seen} instead of a residual stream {list(shape)}.")
    return [found[name] for name in names]


def _check_that_states_decide(
    model: BridgedModel, ids: Tensor, resid: list[Tensor], logits: Tensor
) -> None:
    for i in {0, model.depth // 2, model.depth}:
        swapped = resid[i].flip(0)
        with model.hooks(fwd_hooks=[(resid_name(model, i), lambda x, hook: swapped)]):  # noqa: B023
            after = model(ids)
        if not _close(after, logits.flip(0)):
            raise HopscopeError(
                f"the state after {i} blocks does not decide what follows in this model, so that "
                "patching it would not mean what analyses say; this architecture is not supported."
            )


def _offered(
    model: BridgedModel, found: dict[str, Tensor], resid: list[Tensor], ids: Tensor
) -> list[str]:
    shape, blocks = model.cfg, range(model.depth)
    offered = []
    sums = [
        all(f"blocks.{i}.hook_{part}" in found for part in _OF_STREAM)
        and _close(
            resid[i] + sum(found[f"blocks.{i}.hook_{part}"] for part in _OF_STREAM), resid[i + 1]
        )
        for i in blocks
    ]
    if all(sums):
        offered += [*([] if shape.parallel_attn_mlp else ["resid_mid"]), *_OF_STREAM]
    n, pos = ids.shape
    per_head = (n, pos, shape.n_heads, shape.d_head)
    for part in _OF_HEADS:
        wanted = (n, shape.n_heads, pos, pos) if part == "pattern" else per_head
        names = [f"blocks.{i}.attn.hook_{part}" for i in blocks]
        if all(name in found and found[name].shape == wanted for name in names):
            offered.append(part)
    return offered


def _close(a: Tensor, b: Tensor) -> bool:
    a, b = a.float(), b.float()
    return bool((a - b).abs().max() <= TOLERANCE * b.abs().max().clamp_min(1e-9))
