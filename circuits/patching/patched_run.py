"""One run with any number of activations overwritten at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import torch
from jaxtyping import Float, Int
from torch import Tensor

from circuits.corpus.queries import Queries
from circuits.errors import HopscopeError
from circuits.model.transformer import HookedTransformer
from circuits.patching.engine import PatchEngine, Trace
from circuits.patching.patches import Component, Patch, chosen
from circuits.patching.short_attention import pattern


def run_patched(
    model: HookedTransformer,
    prompts: Queries | Int[Tensor, "batch pos"],
    patches: Patch | Sequence[Patch],
    source: Queries | Int[Tensor, "batch pos"] | None = None,
) -> Float[Tensor, "batch d_vocab"]:
    """Logits at the last position with all these patches applied in one run.

    Args:
        model: In eval mode.
        prompts: What is run.
        patches: One or several, applied in order of computation, those of one activation in the
            order given.
        source: Prompts whose activations are written, row i into row i; patches with source
            "zero" need none.
    """
    engine = PatchEngine(model)
    tokens = token_ids(model, prompts)
    several = [patches] if isinstance(patches, Patch) else patches
    patches = [_from_the_start(patch, model, tokens.shape[1]) for patch in several]
    trace = None
    if source is not None:
        source_tokens = token_ids(model, source)
        check_pair(source_tokens, tokens)
        trace = engine.trace(source_tokens)
    elif any(patch.source != "zero" for patch in patches):
        raise HopscopeError("only patches with source 'zero' need no source; give its prompts.")
    return _run(engine, tokens, patches, trace)


def _from_the_start(patch: Patch, model: HookedTransformer, n_pos: int) -> Patch:
    """The same patch with no index counted from the end; refused if something does not exist."""
    return replace(
        patch,
        layers=chosen("layer", patch.layers, model.depth),
        positions=chosen("position", patch.positions, n_pos),
        heads=None if patch.heads is None else chosen("head", patch.heads, model.cfg.n_heads),
    )


@torch.no_grad()
def _run(
    engine: PatchEngine, tokens: Tensor, patches: Sequence[Patch], source: Trace | None
) -> Float[Tensor, "batch d_vocab"]:
    x = engine.embed(tokens)
    for i in range(engine.depth):
        edit = partial(_edited, engine, source, [p for p in patches if i in p.layers], i)
        x = edit("resid_pre", x)
        q, k, v = engine.qkv(i, x)
        q, k, v = edit("q", q), edit("k", k), edit("v", v)
        weights = edit("pattern", pattern(q, k))
        z = edit("z", torch.einsum("nhqk,nkhd->nqhd", weights, v))
        mid = edit("resid_mid", x + edit("attn_out", engine.attention_output(i, z)))
        x = edit("resid_post", mid + edit("mlp_out", engine.mlp_output(i, mid)))
    return engine.logits(x[:, -1])


def _edited(
    engine: PatchEngine,
    source: Trace | None,
    patches: Sequence[Patch],
    layer: int,
    component: Component,
    value: Tensor,
) -> Tensor:
    for patch in patches:
        if patch.component != component:
            continue
        new = torch.zeros_like(value)
        if patch.source != "zero":
            assert source is not None
            new = activation(engine, source, component, layer)
            if patch.source == "mean":
                new = new.mean(0, keepdim=True).expand_as(value)
        value = value.clone()
        for position in patch.positions:
            for head in (slice(None),) if patch.heads is None else patch.heads:
                where: tuple[int | slice, ...] = (slice(None), position)
                if component == "pattern":
                    where = (slice(None), head, position)
                elif component in ("z", "q", "k", "v"):
                    where = (slice(None), position, head)
                value[where] = new[where]
    return value


def activation(engine: PatchEngine, trace: Trace, component: Component, layer: int) -> Tensor:
    """A traced activation, [n pos d_model], [n pos n_heads d_head] or [n n_heads query key]."""
    if component in ("q", "k", "v"):
        return getattr(trace, component)[layer]
    if component == "pattern":
        return pattern(trace.q[layer], trace.k[layer])
    if component == "z":
        return mixed_values(trace.q[layer], trace.k[layer], trace.v[layer])
    if component == "attn_out":
        return trace.mid[layer] - trace.resid[layer]
    if component == "mlp_out":
        return trace.resid[layer + 1] - trace.mid[layer]
    if component == "resid_mid":
        return trace.mid[layer]
    return trace.resid[layer if component == "resid_pre" else layer + 1]


def mixed_values(
    q: Float[Tensor, "n query n_heads d_head"],
    k: Float[Tensor, "n key n_heads d_head"],
    v: Float[Tensor, "n key n_heads d_head"],
) -> Float[Tensor, "n query n_heads d_head"]:
    """Every head's z for queries at the last positions."""
    return torch.einsum("nhqk,nkhd->nqhd", pattern(q, k), v)


def token_ids(model: HookedTransformer, given: Queries | Tensor) -> Int[Tensor, "batch pos"]:
    """Token ids on the model's device, of at least one prompt."""
    tokens = given.tokens if isinstance(given, Queries) else given
    if tokens.ndim != 2 or not len(tokens):
        raise HopscopeError(
            f"prompts of shape {tuple(tokens.shape)} are refused; give token ids [batch, pos]."
        )
    return tokens.to(model.device)


def check_pair(clean: Tensor, corrupted: Tensor) -> None:
    """Refuse prompts that cannot be patched row by row."""
    if clean.shape != corrupted.shape:
        raise HopscopeError(
            f"clean prompts {tuple(clean.shape)} and corrupted prompts {tuple(corrupted.shape)} "
            "do not pair up; give as many of each, of the same length."
        )
