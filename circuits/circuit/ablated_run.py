"""A run in which only some edges of the model carry what the prompt says.

Every component is computed in order from an input of its own: the ablated residual stream plus, for
each kept edge, what its sender writes in this run minus what it writes in the ablated one. With all
edges kept that is the clean run; with none, the ablated one. (The circuit's edges kept: the model
*restricted* to it; all others kept: the circuit *excluded*; Nanda et al., arXiv 2301.05217,
section 5.1, for edges as in Conmy et al., arXiv 2304.14997.)
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from jaxtyping import Float, Int
from torch import Tensor

from circuits.circuit.nodes_and_edges import Edge, Node, Part
from circuits.circuit.path_engine import PathPatcher, written
from circuits.errors import HopscopeError
from circuits.model.transformer import HookedTransformer
from circuits.patching.engine import PatchEngine, Trace
from circuits.patching.prompts import check_pair, token_ids
from circuits.patching.short_attention import attend

Ablation = Literal["mean", "interchange"]
ABLATIONS: tuple[Ablation, ...] = get_args(Ablation)
Variant = Literal["restricted", "excluded"]
VARIANTS: tuple[Variant, ...] = get_args(Variant)

Told = Mapping[Part | None, Sequence[Node]]
"""Senders of kept edges, by the receiver's input that sees them."""


class AblatedRun:
    """The run whose activations stand wherever nothing is kept.

    Args:
        engine: Runs the model.
        reference: The run of other prompts.
        ablation: "mean": every prompt gets the mean over the reference at each position;
            "interchange": prompt i gets what stands in row i of the reference.
        n: Number of prompts that are ablated.
    """

    def __init__(self, engine: PatchEngine, reference: Trace, ablation: Ablation, n: int) -> None:
        self._outputs = PathPatcher(engine, reference, ())
        self._mean, self._n = ablation == "mean", n
        self.resid = self._for_each(reference.resid, 1)
        self.mid = self._for_each(reference.mid, 1)

    def sent(self, sender: Node) -> Float[Tensor, "n d_model"]:
        """What a component adds to the residual stream."""
        return self._for_each(self._outputs.sent(sender, -1), 0)

    def _for_each(self, values: Tensor, axis: int) -> Tensor:
        if not self._mean:
            return values
        shape = list(values.shape)
        shape[axis] = self._n
        return values.mean(axis, keepdim=True).expand(shape)


@torch.no_grad()
def kept_logits(
    engine: PatchEngine,
    clean: Trace,
    ablated: AblatedRun,
    edges: Sequence[Edge],
    kept: Collection[Edge],
) -> Float[Tensor, "n d_vocab"]:
    """Logits at the last position when only the edges in `kept` carry the clean run.

    A component without a kept input writes what it writes in the ablated run. (With means, this is
    the head's mean output and not the output of attention with mean queries, keys and values,
    because those outputs would not add up to the mean residual stream.)

    Args:
        engine: Runs the model.
        clean: The run of the prompts.
        ablated: What stands in for everything that is not kept.
        edges: All candidates.
        kept: Some of them.
    """
    kept = set(kept)
    incoming: dict[Node, dict[Part | None, list[Node]]] = {}
    change: dict[Node, Tensor] = {}
    for edge in edges:
        told = incoming.setdefault(edge.receiver, {}).setdefault(edge.part, [])
        if edge in kept:
            told.append(edge.sender)
        if edge.sender.kind == "embed" and edge.sender not in change:
            change[edge.sender] = written(clean, edge.sender) - ablated.sent(edge.sender)
    for receiver in sorted(incoming, key=lambda node: node.order):
        told_by = {
            part: [sender for sender in senders if sender in change]
            for part, senders in incoming[receiver].items()
        }
        if receiver.kind == "output":
            return engine.logits(_summed(ablated.resid[-1][:, -1], told_by[None], change))
        if any(told_by.values()):
            new = _computed(engine, ablated, receiver, told_by, change)
            change[receiver] = new - ablated.sent(receiver)
    raise AssertionError("no edge leads to the output")


def _computed(
    engine: PatchEngine,
    ablated: AblatedRun,
    receiver: Node,
    told: Told,
    change: Mapping[Node, Tensor],
) -> Float[Tensor, "n d_model"]:
    i, p = receiver.layer, receiver.position
    if receiver.kind == "mlp":
        return engine.mlp_output(i, _summed(ablated.mid[i][:, p], told[None], change))
    read = {}
    for part, senders in told.items():
        x = ablated.resid[i][:, : p + 1].clone()
        for sender in senders:
            x[:, sender.position] += change[sender]
        read[part] = engine.qkv(i, x)
    q, k, v = read[None] if None in read else (read["q"][0], read["k"][1], read["v"][2])
    z = attend(q[:, -1:], k.unbind(1), v.unbind(1))
    if receiver.head is None:
        return engine.attention_output(i, z)[:, 0]
    return z[:, 0, receiver.head] @ engine.head_output(i)[receiver.head]


def _summed(
    start: Float[Tensor, "n d_model"], senders: Sequence[Node], change: Mapping[Node, Tensor]
) -> Float[Tensor, "n d_model"]:
    return sum((change[sender] for sender in senders), start=start)


@dataclass(frozen=True, eq=False)
class AblatedModel:
    """A model in which only some edges carry the prompt; call it on tokens to get logits."""

    model: HookedTransformer
    edges: tuple[Edge, ...]
    """All candidates."""
    kept: frozenset[Edge]
    ablation: Ablation
    n_pos: int
    """Length of the prompts that the edges are for."""

    def __call__(self, tokens: Any, reference: Any = None) -> Float[Tensor, "n d_vocab"]:
        """Logits at the last position.

        Args:
            tokens: Token ids [n, pos].
            reference: Token ids of the prompts that stand in for what is not kept: any number of
                them for a mean, as many as `tokens` for an interchange, row by row. None: the
                prompts themselves, which only have a mean if there are several.
        """
        engine = PatchEngine(self.model)
        ids = self._checked(tokens)
        clean = engine.trace(ids)
        if reference is None:
            if self.ablation == "interchange" or len(ids) < 2:
                raise HopscopeError(
                    f"{len(ids)} prompts alone cannot be ablated by {self.ablation}; give other "
                    "prompts as the second argument: corrupted ones, say."
                )
            other = clean
        else:
            other_ids = self._checked(reference)
            if self.ablation == "interchange":
                check_pair(ids, other_ids)
            other = engine.trace(other_ids)
        ablated = AblatedRun(engine, other, self.ablation, len(ids))
        return kept_logits(engine, clean, ablated, self.edges, self.kept)

    def _checked(self, tokens: Any) -> Int[Tensor, "n pos"]:
        ids = token_ids(self.model, tokens)
        if ids.shape[1] != self.n_pos:
            raise HopscopeError(
                f"prompts of shape {list(ids.shape)} do not fit this circuit; it is one of prompts "
                f"of {self.n_pos} tokens."
            )
        return ids
