"""Path patching in batches: the effect of one component on one other alone.

For an edge sender -> receiver (Wang et al., arXiv 2211.00593, section 3.1):

1. the sender's output in the corrupted prompt minus its output in the clean one is added to the
   receiver's input only; every other component between them stays as in the clean run;
2. the receiver is computed anew; what it writes changes one state S[l, p];
3. everything after the receiver is computed anew from that state.

Step 3 is a patch of one state, so all edges whose receivers stand at the same position are cells of
one `circuits.patching.batched_runs`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from circuits.circuit.nodes_and_edges import Edge, Node
from circuits.patching import mixed_values
from circuits.patching.batched_runs import run_batch
from circuits.patching.engine import PatchEngine, Trace
from circuits.patching.short_attention import attend

_NUMBERS_AT_ONCE = 6_000_000  # of patched states

Read = Callable[[Float[Tensor, "cells n d_vocab"], list[int]], Float[Tensor, "cells n k"]]
"""From the logits of some cells and the cells' indices to what is kept of them."""


@dataclass(frozen=True)
class PathPatch:
    """One edge, and the corrupted run that is let through it."""

    edge: Edge
    source: int
    """Index of the corrupted run."""


class PathPatcher:
    """The clean run of some prompts, and what other runs send along its edges."""

    def __init__(self, engine: PatchEngine, clean: Trace, sources: Sequence[Trace]) -> None:
        self.engine, self.clean, self.sources = engine, clean, tuple(sources)
        self._z: dict[tuple[int, int], Tensor] = {}
        self._change: dict[tuple[Node, int], Tensor] = {}

    @torch.no_grad()
    def scores(self, patches: Sequence[PathPatch], read: Read) -> Float[Tensor, "cells n k"]:
        """`read` of the logits at the last position of every patched run, in the order given."""
        parts: dict[int, Tensor] = {}
        for position in sorted({patch.edge.receiver.position for patch in patches}):
            here = [i for i, p in enumerate(patches) if p.edge.receiver.position == position]
            size = self.clean.n * (self.clean.pos - position) * self.engine.cfg.d_model
            step = max(1, _NUMBERS_AT_ONCE // size)
            for first in range(0, len(here), step):
                parts |= self._scores_at(position, here[first : first + step], patches, read)
        return torch.stack([parts[i] for i in range(len(patches))])

    def change(self, sender: Node, source: int) -> Float[Tensor, "n d_model"]:
        """What the sender writes in the corrupted run minus what it writes in the clean one."""
        key = (sender, source)
        if key not in self._change:
            self._change[key] = self.sent(sender, source) - self.sent(sender, -1)
        return self._change[key]

    def sent(self, sender: Node, source: int) -> Float[Tensor, "n d_model"]:
        """What a component adds to the residual stream; source -1 is the clean run."""
        trace = self.clean if source < 0 else self.sources[source]
        if sender.kind != "head":
            return written(trace, sender)
        if (sender.layer, source) not in self._z:
            i = sender.layer
            self._z[i, source] = mixed_values(trace.q[i], trace.k[i], trace.v[i])
        z = self._z[sender.layer, source][:, sender.position, sender.head]
        return z @ self.engine.head_output(sender.layer)[sender.head]

    def _scores_at(
        self, position: int, cells: list[int], patches: Sequence[PathPatch], read: Read
    ) -> dict[int, Tensor]:
        groups: dict[tuple[Node, int, str | None], list[int]] = {}
        for i in cells:
            edge = patches[i].edge
            groups.setdefault((edge.receiver, edge.sender.position, edge.part), []).append(i)
        entering: dict[int, list[Tensor]] = {}
        order: dict[int, list[int]] = {}
        for (receiver, _, _), members in groups.items():
            layer = min(receiver.layer + 1, self.engine.depth)
            entering.setdefault(layer, []).append(self._state_after([patches[i] for i in members]))
            order.setdefault(layer, []).extend(members)
        states = {layer: torch.cat(new)[:, :, None] for layer, new in entering.items()}
        found = run_batch(self.engine, self.clean, position, states)
        return {
            i: score
            for layer, logits in found.items()
            for i, score in zip(order[layer], read(logits, order[layer]), strict=True)
        }

    def _state_after(self, patches: list[PathPatch]) -> Float[Tensor, "cells n d_model"]:
        """State that the receiver leaves at its position; one receiver, sender position, part."""
        edge = patches[0].edge
        receiver, i, p = edge.receiver, edge.receiver.layer, edge.receiver.position
        change = torch.stack([self.change(x.edge.sender, x.source) for x in patches])
        clean = self.clean
        if receiver.kind == "output":
            return clean.resid[-1][:, p] + change
        if receiver.kind == "mlp":
            return clean.mid[i][:, p] + self.engine.mlp_output(i, clean.mid[i][:, p] + change)
        return self.engine.mlp(i, clean.mid[i][:, p] + self._attention_change(edge, change))

    def _attention_change(
        self, edge: Edge, change: Float[Tensor, "cells n d_model"]
    ) -> Float[Tensor, "cells n d_model"]:
        clean, receiver, at = self.clean, edge.receiver, edge.sender.position
        i, p = receiver.layer, receiver.position
        new = dict(zip("qkv", self.engine.qkv(i, (clean.resid[i][:, at] + change)[:, :, None]),
                       strict=True))  # fmt: skip
        q = clean.q[i][:, p, None]
        keys, values = (list(part[i][:, : p + 1].unbind(1)) for part in (clean.k, clean.v))
        before = attend(q, keys, values)
        if edge.part in (None, "q") and at == p:
            q = new["q"]
        if edge.part in (None, "k"):
            keys[at] = new["k"][:, :, 0]
        if edge.part in (None, "v"):
            values[at] = new["v"][:, :, 0]
        z = attend(q.expand(new["q"].shape), keys, values) - before
        if receiver.head is not None:
            only = torch.zeros_like(z)
            only[..., receiver.head, :] = z[..., receiver.head, :]
            z = only
        return torch.einsum("cnhd,hdm->cnm", z[:, :, 0], self.engine.head_output(i))


def written(trace: Trace, node: Node) -> Float[Tensor, "n d_model"]:
    """What an embedding, attention layer or MLP adds to the residual stream at its position."""
    i, p = node.layer, node.position
    if node.kind == "embed":
        return trace.resid[0][:, p]
    if node.kind == "attn":
        return trace.mid[i][:, p] - trace.resid[i][:, p]
    assert node.kind == "mlp", node
    return trace.resid[i + 1][:, p] - trace.mid[i][:, p]


def edges_in_use(edges: Sequence[Edge], changed: Collection[int]) -> list[int]:
    """Indices of the edges whose sender depends on the tokens at these positions."""
    first = min(changed)
    return [
        i
        for i, edge in enumerate(edges)
        if edge.sender.position in changed
        or (edge.sender.kind != "embed" and edge.sender.position > first)
    ]
