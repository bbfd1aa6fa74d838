"""One run with any number of activations overwritten at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from circuits.errors import HopscopeError
from circuits.model.protocol import Model
from circuits.patching.engine import PatchEngine, Trace, check_evaluating
from circuits.patching.engines import AnyTrace, Engine, engine_for, runs_hooks
from circuits.patching.hooked_engine import HookedEngine, HookedTrace, check_components
from circuits.patching.hooked_run import captured, hooked_run
from circuits.patching.patches import Component, Patch, from_the_start
from circuits.patching.prompts import (
    Prompts,
    Spans,
    check_pair,
    paired_roles,
    token_ids,
    written_at,
)
from circuits.patching.role_trace import RoleTrace
from circuits.patching.short_attention import pattern
from circuits.patching.writing import check_patterns, overwritten

Activations = Callable[[Component, int], Tensor]
"""From a component and a layer to that activation of the source run."""


def run_patched(
    model: Model,
    prompts: Prompts,
    patches: Patch | Sequence[Patch],
    source: Prompts | None = None,
) -> Float[Tensor, "batch d_vocab"]:
    """Logits at the last position with all these patches applied in one run.

    Activation patching (Vig et al., arXiv 2004.12265) of any set of activations; the other two
    sources of a `Patch` give zero and mean ablation.

    >>> import torch
    >>> from circuits import HookedTransformer, ModelConfig
    >>> cfg = ModelConfig(n_layers=2, d_model=8, n_ctx=3, d_vocab=10, n_heads=2)
    >>> model = HookedTransformer(cfg).eval()
    >>> clean, corrupted = torch.tensor([[1, 2, 3]]), torch.tensor([[4, 2, 3]])
    >>> everywhere = Patch("resid_post", layers=-1, positions=(0, 1, 2))
    >>> patched = run_patched(model, corrupted, everywhere, source=clean)
    >>> torch.allclose(patched, model(clean)[:, -1], atol=1e-6)
    True
    >>> run_patched(model, clean, Patch("mlp_out", 0, 1, source="zero")).shape
    torch.Size([1, 10])

    Args:
        model: Ours or a bridged one, in eval mode. Hooks that were added to it are run too, before
            the patches of the same activation, and also in the source run.
        prompts: What is run. Positions of queries whose names are several tokens, and of
            `RolePrompts`, are roles: the last token of each, or the spans that those prompts name.
        patches: One or several, applied in the order of computation; patches of the same activation
            are applied in the order given.
        source: Prompts whose activations are written. For source "cache" row i is written into row
            i, so as many prompts are needed; for "mean" any number of the same length will do.
            By role, lengths may differ.
            Patches with source "zero" need none.

    Raises:
        HopscopeError: if the model cannot take the prompts or they do not pair up, if a patched
            layer, position or head does not exist, or if the model is in training mode.
    """
    check_evaluating(model)
    tokens = token_ids(model, prompts)
    several = [patches] if isinstance(patches, Patch) else patches
    roles = paired_roles(
        prompts,
        prompts if source is None else source,
        in_rows=any(patch.source == "cache" for patch in several),
    )
    spans = written_at(roles)
    ends = None if roles is None else roles[0].columns[:, -1].to(model.device)
    n_pos = tokens.shape[1] if roles is None else roles[0].columns.shape[1]
    sizes = (model.depth, n_pos, model.cfg.n_heads)
    several = [from_the_start(patch, *sizes) for patch in several]
    given = None if source is None else token_ids(model, source)
    _check_source(tokens, several, given, spans)
    check_components(model, [patch.component for patch in several])
    if runs_hooks(model):
        wanted = {(p.component, i) for p in several if p.source != "zero" for i in p.layers}
        found = {} if given is None else captured(model, given, wanted)[1]
        return _at_end(hooked_run(model, tokens, several, found, spans), ends)
    engine = engine_for(model)
    assert isinstance(engine, PatchEngine)
    trace = None if given is None else engine.trace(given)
    return engine.logits(
        _at_end(whole_run(engine, engine.embed(tokens), several, trace, spans), ends)
    )


def _at_end(values: Float[Tensor, "batch pos d"], ends: Tensor | None) -> Float[Tensor, "batch d"]:
    """What stands at the last position, or at the column where each prompt ends."""
    return values[:, -1] if ends is None else values.take_along_dim(ends[:, None, None], 1)[:, 0]


def _check_source(
    tokens: Tensor, patches: Sequence[Patch], source: Tensor | None, spans: Spans | None
) -> None:
    """Refuse source prompts from which the patches cannot be taken."""
    used = {patch.source for patch in patches}
    if source is None:
        if used - {"zero"}:
            raise HopscopeError(
                "patches with source 'cache' or 'mean' need prompts to take activations from; "
                "give source=..., or use source 'zero'."
            )
    elif spans is not None:
        check_patterns(patches, spans)
    elif "cache" in used:
        check_pair(source, tokens)
    elif source.shape[1] != tokens.shape[1]:
        raise HopscopeError(
            f"the source prompts have {source.shape[1]} positions, the prompts "
            f"{tokens.shape[1]}; a mean may be over any number of prompts of the same length."
        )


@torch.no_grad()
def whole_run(
    engine: PatchEngine,
    start: Float[Tensor, "batch pos d_model"],
    patches: Sequence[Patch],
    source: Trace | None,
    spans: Spans | None,
) -> Float[Tensor, "batch pos d_model"]:
    """The final residual stream of runs that start at the states S[0, .], all patches applied."""

    def new(component: Component, layer: int) -> Tensor:
        assert source is not None
        return activation(engine, source, component, layer)

    x = start
    for i in range(engine.depth):
        edit = partial(_edited, [p for p in patches if i in p.layers], new, spans, i)
        x = edit("resid_pre", x)
        q, k, v = engine.qkv(i, x)
        q, k, v = edit("q", q), edit("k", k), edit("v", v)
        weights = edit("pattern", pattern(q, k))
        z = edit("z", torch.einsum("nhqk,nkhd->nqhd", weights, v))
        mid = edit("resid_mid", x + edit("attn_out", engine.attention_output(i, z)))
        x = edit("resid_post", mid + edit("mlp_out", engine.mlp_output(i, mid)))
    return x


def _edited(
    patches: Sequence[Patch],
    new: Activations,
    spans: Spans | None,
    layer: int,
    component: Component,
    value: Tensor,
) -> Tensor:
    for patch in patches:
        if patch.component == component:
            value = overwritten(value, patch, lambda: new(component, layer), spans)
    return value


def activation(engine: Engine, trace: AnyTrace, component: Component, layer: int) -> Tensor:
    """An activation of a traced run.

    >>> import torch
    >>> from circuits import HookedTransformer, ModelConfig
    >>> cfg = ModelConfig(n_layers=2, d_model=8, n_ctx=3, d_vocab=10, n_heads=2)
    >>> engine = PatchEngine(HookedTransformer(cfg).eval())
    >>> trace = engine.trace(torch.tensor([[1, 2, 3]]))
    >>> activation(engine, trace, "z", layer=1).shape
    torch.Size([1, 3, 2, 4])

    Args:
        engine: The engine that made the trace.
        trace: A trace of whole prompts.
        component: Which activation, by TransformerLens's name.
        layer: Block, from 0 to depth - 1.

    Returns:
        [n, pos, d_model], for z, q, k and v [n, pos, n_heads, d_head], for pattern
        [n, n_heads, query, key]; positions of a `RoleTrace` are roles.
    """
    if isinstance(trace, RoleTrace):
        rows = torch.arange(trace.n, device=trace.columns.device)
        whole, at = activation(engine, trace.whole, component, layer), trace.columns
        if component == "pattern":
            return whole[rows[:, None, None], :, at[:, :, None], at[:, None]].movedim(-1, 1)
        return whole[rows[:, None], at]
    if isinstance(engine, HookedEngine):
        assert isinstance(trace, HookedTrace)
        return engine.activation(trace, component, layer)
    assert isinstance(trace, Trace)
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
    """Every head's z: the values at the positions it attends to, weighted by its pattern.

    Queries stand at the last positions; each attends to its own position and those before.

    >>> import torch
    >>> q, k = torch.zeros(1, 1, 1, 2), torch.zeros(1, 3, 1, 2)  # equal scores: equal weights
    >>> v = torch.tensor([[0.0, 0.0], [3.0, 0.0], [0.0, 6.0]])[None, :, None]
    >>> mixed_values(q, k, v).flatten()
    tensor([1., 2.])
    """
    return torch.einsum("nhqk,nkhd->nqhd", pattern(q, k), v)
