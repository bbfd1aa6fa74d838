"""Path patching of one edge with nothing but hooks: the slow truth for what is done in batches."""

from __future__ import annotations

from torch import Tensor

from circuits.circuit.nodes_and_edges import Edge, Node
from circuits.model.transformer import HookedTransformer, resid_name


def one_edge_by_hooks(
    model: HookedTransformer, edge: Edge, tokens: Tensor, other: Tensor
) -> Tensor:
    """Logits at the last position, one edge of `tokens` patched from `other`, in hooked runs."""
    _, clean = model.run_with_cache(tokens)
    _, corrupted = model.run_with_cache(other)
    sender, receiver = edge.sender, edge.receiver
    change = _written(model, corrupted, sender) - _written(model, clean, sender)
    i, p, at = receiver.layer, receiver.position, sender.position
    if receiver.kind == "output":
        end = clean[resid_name(model, model.depth)][:, -1]
        return model.logits_of(end + change)
    if receiver.kind == "mlp":
        block = model.blocks[i]
        mid = clean[f"blocks.{i}.hook_resid_mid"][:, p] + change
        new = block.mlp(block.ln2(mid[:, None]))[:, 0]
        return _patched(model, tokens, {f"blocks.{i}.hook_mlp_out": ((slice(None), p), new)})
    resid = clean[f"blocks.{i}.hook_resid_pre"].clone()
    resid[:, at] += change
    taken: dict[str, Tensor] = {}
    inputs = {f"blocks.{i}.attn.hook_{part}" for part in "qkv"}
    with model.hooks([(resid_name(model, i), lambda x, hook: resid)]):
        _, read = model.run_with_cache(tokens)
    taken = {name: read[name][:, at] for name in inputs if edge.part in (None, name[-1])}
    if at != p:
        taken.pop(f"blocks.{i}.attn.hook_q", None)
    fwd = [(name, _writer((slice(None), at), value)) for name, value in taken.items()]
    with model.hooks(fwd):
        _, mixed = model.run_with_cache(tokens)
    z = f"blocks.{i}.attn.hook_z"
    heads = slice(None) if receiver.head is None else receiver.head
    where = (slice(None), p, heads)
    return _patched(model, tokens, {z: (where, mixed[z][where])})


def _written(model: HookedTransformer, cache, node: Node) -> Tensor:
    i, p = node.layer, node.position
    if node.kind == "embed":
        return cache[resid_name(model, 0)][:, p]
    if node.kind == "head":
        z = cache[f"blocks.{i}.attn.hook_z"][:, p, node.head]
        return z @ model.blocks[i].attn.W_O[node.head]
    return cache[f"blocks.{i}.hook_{node.kind}_out"][:, p]


def _writer(where, value):
    def write(x: Tensor, hook) -> Tensor:
        x = x.clone()
        x[where] = value
        return x

    return write


def _patched(model: HookedTransformer, tokens: Tensor, writes) -> Tensor:
    hooks = [(name, _writer(where, value)) for name, (where, value) in writes.items()]
    return model.run_with_hooks(tokens, fwd_hooks=hooks)[:, -1]
